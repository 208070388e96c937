"""A command as it is written in a configuration, text or list, as the words it is started with."""

import json
import os
import re
import shlex

from budgetguard.gate.section import Node, Section

_QUOTED = re.compile(r"'[^']*'|\\.|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_IN_DOUBLE_QUOTES = re.compile(r"`|\$(?:[A-Za-z_]\w*|[{(])")
_BARE = re.compile(r"&&|\|\||>>|[|&;<>()`*?\[\n]|\$(?:[A-Za-z_]\w*|[{(])|(?:^|(?<=\s))~")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def read_words(section: Section, key: str) -> tuple[str, ...]:
    """The words of a command; empty where there is none, and after a problem was noted."""
    node = section.node(key)
    if node is None:
        return ()
    if isinstance(node.value, list):
        return _listed(section, key, node.value)
    return _words(section, key, section.text(key).strip())


def read_commands(section: Section, key: str) -> tuple[tuple[str, ...], ...]:
    """A list of commands, each a line; one alone may stand as text."""
    node = section.node(key)
    if node is None:
        return ()
    lines = node.value if isinstance(node.value, list) else [node]
    found = []
    for line in lines:
        if not isinstance(line.value, str):
            section.problem(key, f"expected a list of commands; got {line.kind} in it")
            return ()
        found.append(_words(section, key, line.value.strip()))
    return tuple(words for words in found if words)


def _words(section: Section, key: str, text: str) -> tuple[str, ...]:
    if not text:
        return ()
    wrong = _shell_syntax(text)
    if wrong:
        section.problem(key, f"{wrong}; {_spelled(text)}")
        return ()
    return _split(section, key, text)


def _listed(section: Section, key: str, nodes: list[Node]) -> tuple[str, ...]:
    words = tuple(node.value for node in nodes if isinstance(node.value, str))
    if len(words) < len(nodes):
        strange = next(node for node in nodes if not isinstance(node.value, str))
        section.problem(key, f"expected a list of words; got {strange.kind} in it: quote the word")
        return ()
    if not words or not words[0].strip():
        section.problem(key, "expected a program and its arguments; got an empty list or name")
        return ()
    return _without_nul(section, key, words)


def _split(section: Section, key: str, text: str) -> tuple[str, ...]:
    """Split as a POSIX shell does; on Windows a backslash is a part of a path."""
    windows = os.name == "nt"
    try:
        words = shlex.split(text, posix=not windows)
    except ValueError:
        section.problem(key, f"a quotation mark is open in {text!r}; close it")
        return ()
    if windows:
        words = [word[1:-1] if word[:1] == word[-1:] == '"' else word for word in words]
    if not words or not words[0]:
        section.problem(key, "expected a program and its arguments; got an empty name")
        return ()
    return _without_nul(section, key, tuple(words))


def _without_nul(section: Section, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    if any("\0" in word for word in words):
        section.problem(key, "a word holds a NUL character, which no program can be given")
        return ()
    return words


def _shell_syntax(text: str) -> str:
    """What only a shell would understand in a line, as a sentence; "" if there is nothing."""
    if _ASSIGNMENT.match(text):
        name = text.partition("=")[0]
        return f"a command is run without a shell, so {name}= is no setting; put it under env"
    quoted = [mark for mark in _QUOTED.findall(text) if mark[0] == '"']
    inside = next((found for mark in quoted if (found := _IN_DOUBLE_QUOTES.search(mark))), None)
    bare = _BARE.search(_QUOTED.sub(lambda mark: "\n" if mark[0] == "\\\n" else "_", text))
    found = bare or inside
    if not found:
        return ""
    shown = {"\n": "a line break", "`": "a backtick"}.get(found[0], f"`{found[0]}`")
    return f"{shown} is shell syntax, and a command is run without a shell"


def _spelled(text: str) -> str:
    line = json.dumps(text if len(text) <= 200 else text[:200] + "…", ensure_ascii=False)
    return f'quote it if it is meant literally, or spell a shell line: ["sh", "-c", {line}]'
