"""YAML and TOML as one tree of `Node`s. Nothing here runs what a file says; hostile files end early."""

import tomllib
from pathlib import Path

import yaml

from budgetguard.gate.section import Node, Problems

LARGEST_BYTES = 4_000_000
_YAML_TABLE = b"budgetguard"


def has_table(pyproject: Path) -> bool:
    """Whether a pyproject.toml holds [tool.budgetguard]; its text is searched before it is parsed."""
    try:
        content = pyproject.read_bytes()
    except OSError:
        return False
    if _YAML_TABLE not in content:
        return False
    try:
        return "budgetguard" in tomllib.loads(content.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        return False


def read_yaml(file: Path, problems: Problems) -> Node | None:
    """The tree of a YAML file, every scalar as text; None with a problem where it cannot be read."""
    text = _text(file, problems)
    if text is None:
        return None
    lines = text.splitlines()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
        node = _Tree(lines, problems).build(root, "") if root else None
    except yaml.YAMLError as error:
        _yaml_problem(error, lines, problems)
        return None
    except RecursionError:
        problems.add(None, "", "nested too deeply to be meant")
        return None
    if node is None or not isinstance(node.value, dict):
        got = node.kind if node else "an empty file"
        problems.add(1, "", f"expected a mapping with version: 1 and budgets:; got {got}")
        return None
    return node


def read_toml(file: Path, problems: Problems) -> Node | None:
    """The tree of [tool.budgetguard] in a pyproject.toml; TOML tells no lines."""
    text = _text(file, problems)
    if text is None:
        return None
    try:
        table = tomllib.loads(text).get("tool", {}).get("budgetguard")
    except tomllib.TOMLDecodeError as error:
        problems.add(None, "", f"not TOML: {error}")
        return None
    except RecursionError:
        problems.add(None, "", "nested too deeply to be meant")
        return None
    if not isinstance(table, dict):
        problems.add(None, "tool.budgetguard", "expected a table with version = 1 and budgets")
        return None
    return _from_toml(table)


def _text(file: Path, problems: Problems) -> str | None:
    try:
        if not file.is_file():
            problems.add(None, "", "no such file; `budgetguard init` writes one")
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


def _yaml_problem(error: yaml.YAMLError, lines: list[str], problems: Problems) -> None:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else None
    source = lines[mark.line] if mark and mark.line < len(lines) else ""
    message = getattr(error, "problem", None) or str(error).splitlines()[0]
    hint = ""
    if "\t" in source:
        hint = "; YAML is indented with spaces, not tabs"
    elif any(operator in source for operator in "<>") and source.lstrip().startswith("-"):
        hint = f'; YAML reserves some characters, quote the item: - "{_item(source)}"'
    problems.add(line, "", f"not YAML: {message}{hint}")


def _item(source: str) -> str:
    """The text of a list item as it was written, without its dash."""
    return source.strip().removeprefix("-").strip().replace('"', '\\"')


class _Tree:
    """Builds `Node`s from YAML's own nodes; an alias would visit one of them twice and is refused."""

    def __init__(self, lines: list[str], problems: Problems) -> None:
        self._lines = lines
        self._problems = problems
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, key: str) -> Node:
        line = node.start_mark.line + 1
        if id(node) in self._seen:
            self._problems.add(
                line, key, "YAML aliases (*name) are not read here; write the value out"
            )
            return Node(None, line)
        self._seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            absent = node.tag.endswith(":null") or (not node.value and node.style is None)
            return Node(None if absent else node.value, line, self._source(line))
        if isinstance(node, yaml.SequenceNode):
            entries = [
                self.build(entry, f"{key}[{number}]") for number, entry in enumerate(node.value)
            ]
            return Node(entries, line, self._source(line))
        found = self._mapping(node, key) if isinstance(node, yaml.MappingNode) else None
        return Node(found, line, self._source(line))

    def _mapping(self, node: yaml.MappingNode, key: str) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                self._problems.add(line, key, "expected a name before the colon")
                continue
            dotted = f"{key}.{name_node.value}".lstrip(".")
            if name_node.value in found:
                self._problems.add(
                    line, dotted, f"stands here twice; first at line {found[name_node.value].line}"
                )
                continue
            found[name_node.value] = self.build(value_node, dotted)
        return found

    def _source(self, line: int) -> str:
        source = self._lines[line - 1].strip() if line <= len(self._lines) else ""
        return _item(source) if source.startswith("-") else ""


def _from_toml(value: object) -> Node:
    if isinstance(value, dict):
        return Node({str(name): _from_toml(entry) for name, entry in value.items()})
    if isinstance(value, list):
        return Node([_from_toml(entry) for entry in value])
    if isinstance(value, bool):
        return Node("true" if value else "false")
    return Node(str(value))
