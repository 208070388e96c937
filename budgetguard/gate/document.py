"""YAML and TOML as one tree of `Node`s. Nothing here runs what a file says; hostile files end early."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from budgetguard.errors import ConfigError
from budgetguard.gate.section import Node, Problems

LARGEST_BYTES = 4_000_000
DEEPEST = 20
"""How many mappings and lists may stand in each other; a configuration needs 4."""
_TABLE = b"budgetguard"
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_OPERATOR = re.compile("[<>=≤≥]")
_TOO_DEEP = f"nested more than {DEEPEST} deep, which no configuration means"


def has_table(pyproject: Path) -> bool:
    """Whether a pyproject.toml holds [tool.budgetguard]; its text is searched before it is parsed.

    Raises `ConfigError` for one that mentions us and cannot be read, so that a broken file is
    never taken for a missing configuration.
    """
    try:
        content = pyproject.read_bytes()
    except OSError:
        return False
    if _TABLE not in content:
        return False
    problems = Problems(str(pyproject))
    table = _toml(pyproject, problems)
    if problems.found:
        raise ConfigError(problems.found)
    return table is not None


def read_yaml(file: Path, problems: Problems) -> Node | None:
    """The tree of a YAML file, every scalar as text; None with a problem where it cannot be read."""
    text = _text(file, problems)
    if text is None:
        return None
    lines = text.splitlines()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = _Tree(yaml.parse(text, Loader=loader), lines, problems).read()
    except yaml.YAMLError as error:
        _yaml_problem(error, lines, problems)
        return None
    except _Refused:
        return None
    if node is None or not isinstance(node.value, dict):
        got = node.kind if node else "an empty file"
        problems.add(1, "", f"expected a mapping with version: 1 and budgets:; got {got}")
        return None
    return node


def read_toml(file: Path, problems: Problems) -> Node | None:
    """The tree of [tool.budgetguard] in a pyproject.toml; TOML tells no lines."""
    table = _toml(file, problems)
    if problems.found:
        return None
    if not isinstance(table, dict):
        problems.add(None, "tool.budgetguard", "expected a table with version = 1 and budgets")
        return None
    try:
        return _from_toml(table, 0)
    except _Refused:
        problems.add(None, "tool.budgetguard", _TOO_DEEP)
    except ValueError as error:  # a hexadecimal number of thousands of digits
        problems.add(None, "tool.budgetguard", str(error))
    return None


def quoted(source: str) -> str:
    """How a line has to be written so that YAML hands its limits over whole."""
    if source.startswith("-"):
        return f"- {_quote(source[1:])}"
    before, bracket, inside = source.partition("[")
    if bracket and not _OPERATOR.search(before):
        items = _glued((inside.rpartition("]")[0] or inside).split(","))
        return f"{before}[{', '.join(map(_quote, items))}]"
    key = re.match(r"limits?:\s", source)
    return f"{source[: key.end()]}{_quote(source[key.end() :])}" if key else _quote(source)


def _glued(pieces: Sequence[str]) -> Iterator[str]:
    """Limits of a list in brackets: a comma before the operator belongs to the limit's selector."""
    begun = ""
    for piece in pieces:
        begun += piece
        if _OPERATOR.search(piece):
            yield begun
            begun = ""
        elif begun.strip():
            begun += ","
    if begun.strip(" ,"):
        yield begun


def _quote(item: str) -> str:
    text = re.sub(r"^([\"'])(.*?)\1", r"\2", item.strip().rstrip(","))
    return f'"{text}"' if not re.search(r'["\\]', text) else "'" + text.replace("'", "''") + "'"


class _Refused(Exception):
    """The rest of a file is not read; the problem is noted already, where it has a line."""


class _Tree:
    """Builds `Node`s from YAML's events, which come one by one: a bomb ends at its first surprise."""

    def __init__(
        self, events: Iterator[yaml.Event], lines: Sequence[str], problems: Problems
    ) -> None:
        self._events = events
        self._lines = lines
        self._problems = problems

    def read(self) -> Node | None:
        """The one document of the file; None where there is none."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root:
                    self._problems.add(_line(event), "", "a second document; expected one")
                    raise _Refused
                root = self._node(next(self._events), "", 0)
        return root

    def _node(self, event: yaml.Event, key: str, depth: int) -> Node:
        line = _line(event)
        if depth > DEEPEST:
            self._problems.add(line, "", _TOO_DEEP)
            raise _Refused
        if isinstance(event, yaml.AliasEvent):
            self._reserved(line, key, f"*{event.anchor}", "an alias")
            raise _Refused
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor:
            self._reserved(line, key, f"&{anchor}", "an anchor")
        if tag:
            self._reserved(line, key, tag, "a tag")
        source = self._source(line)
        if isinstance(event, yaml.ScalarEvent):
            absent = not event.style and event.value in _NULL
            return Node(None if absent else event.value, line, source)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(list(self._entries(key, depth)), line, source)
        return Node(self._mapping(key, depth), line, source)

    def _entries(self, key: str, depth: int) -> Iterator[Node]:
        number = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, f"{key}[{number}]", depth + 1)
            number += 1

    def _mapping(self, key: str, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            name = self._node(event, key, depth + 1)
            text = event.value if isinstance(event, yaml.ScalarEvent) else None
            dotted = f"{key}.{text}".lstrip(".")
            value = self._node(next(self._events), dotted, depth + 1)
            if text is None:
                self._problems.add(line, key, f"expected a name before the colon; got {name.kind}")
            elif text in found:
                first = found[text].line
                self._problems.add(line, dotted, f"stands here twice; first at line {first}")
            else:
                found[text] = Node(value.value, line, value.source)
        return found

    def _reserved(self, line: int, key: str, mark: str, meaning: str) -> None:
        source = self._source(line)
        step = f"quote it: {quoted(source)}" if _OPERATOR.search(source) else "write the value out"
        self._problems.add(
            line, key, f"YAML takes {mark} for {meaning}, which is not read here; {step}"
        )

    def _source(self, line: int) -> str:
        return self._lines[line - 1].strip() if line <= len(self._lines) else ""


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _yaml_problem(error: yaml.YAMLError, lines: Sequence[str], problems: Problems) -> None:
    number = _line_number(error, lines)
    written = lines[number] if number is not None and number < len(lines) else ""
    message = getattr(error, "problem", None) or str(error).splitlines()[0]
    if "nesting depth" in message:  # the bound of libyaml, met before ours where it reads ahead
        problems.add(None if number is None else number + 1, "", _TOO_DEEP)
        return
    hint = ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        hint = "; YAML is indented with spaces, not tabs"
    elif _OPERATOR.search(written):
        hint = f"; YAML reserves some characters, quote the item: {quoted(written.strip())}"
    problems.add(None if number is None else number + 1, "", f"not YAML: {message}{hint}")


def _line_number(error: yaml.YAMLError, lines: Sequence[str]) -> int | None:
    """The line to change, from 0: of an open bracket the one it stands in, not where it was missed."""
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    if "flow" not in (getattr(error, "context", None) or ""):
        return mark.line if mark else None
    last = context.line if context else mark.line if mark else 0
    opened = (n for n in range(min(last, len(lines) - 1), -1, -1) if "[" in lines[n])
    return next(opened, last)


def _toml(file: Path, problems: Problems) -> object:
    text = _text(file, problems)
    if text is None:
        return None
    try:
        tool = tomllib.loads(text).get("tool")
    except RecursionError:
        problems.add(None, "", _TOO_DEEP)
    except ValueError as error:  # TOMLDecodeError, and numbers of thousands of digits
        problems.add(None, "", f"not TOML: {error}")
    else:
        return tool.get("budgetguard") if isinstance(tool, dict) else None
    return None


def _from_toml(value: object, depth: int) -> Node:
    if depth > DEEPEST:
        raise _Refused
    if isinstance(value, dict):
        return Node({str(name): _from_toml(entry, depth + 1) for name, entry in value.items()})
    if isinstance(value, list):
        return Node([_from_toml(entry, depth + 1) for entry in value])
    if isinstance(value, bool):
        return Node("true" if value else "false")
    return Node(str(value))


def _text(file: Path, problems: Problems) -> str | None:
    try:
        if not file.is_file():
            problems.add(None, "", _no_file(file))
            return None
        size = file.stat().st_size
        if size > LARGEST_BYTES:
            problems.add(
                None, "", f"{size:,} bytes; expected a configuration of at most {LARGEST_BYTES:,}"
            )
            return None
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(None, "", f"not UTF-8 text: {error.reason} at byte {error.start}")
    except OSError as error:
        problems.add(None, "", f"cannot be read: {error.strerror}")
    return None


def _no_file(file: Path) -> str:
    if file.is_dir():
        return "is a folder; expected a file"
    if file.exists():
        return "is no regular file; expected one"
    return "no such file; `budgetguard init` writes one"
