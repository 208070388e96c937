"""SQL text without its data: literals become ?, so that equal questions are equal texts."""

import re
from dataclasses import dataclass

MAX_TEXT = 4000  # characters of a statement that are kept

_QUOTED = r"""
    (?P<data> \$(?P<tag>[A-Za-z_]\w*|)\$ .*? \$(?P=tag)\$      # PostgreSQL: $tag$ ... $tag$
      | \b[eE] ' (?: [^'\\] | \\. | '' )* (?: ' | \Z )         # PostgreSQL: E'it\'s'
      | (?: \b[xXbBnN] )? ' (?: [^'] | '' )* (?: ' | \Z ) )    # an open quote runs to the end
  | (?P<name> " (?: [^"] | "" )* " | ` [^`]* ` | \[ [A-Za-z_][\w\ ]* \] )
  | (?P<space> (?: \s+ | --[^\n]* | /\* .*? (?: \*/ | \Z ) )+ )
"""
_TOKENS = re.compile(
    _QUOTED
    + r"""
  | (?P<cast> :: )
  | (?P<bound> % \( [^)]* \) [sbt] | %[sbt] | \?\d* | \$\d+ | (?<![\w:]) [:@$] [A-Za-z_]\w* )
  | (?P<number> (?<![\w.$]) (?: 0[xX][0-9a-fA-F_]+ | (?: \d[\d_]* \.? \d* | \. \d+ )
                              (?: [eE][+-]?\d+ )? ) (?! \w ) )
  | (?P<word> [^\W\d]\w* )
""",
    re.VERBOSE | re.DOTALL,
)
_PIECES = re.compile(_QUOTED + r"| (?P<end> ; ) | (?P<word> [^\W\d]\w* )", re.VERBOSE | re.DOTALL)
_LISTS = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS = re.compile(r"\(([^()]*\?[^()]*)\)(?:\s*,\s*\(\1\))+")
_CONTROL = re.compile(
    r"(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ABORT|(?:START|PREPARE)\s+TRANSACTION)\b",
    re.IGNORECASE,
)
_READ = re.compile(r"\(*\s*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_TRIGGER = re.compile(r"\s*CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?TRIGGER\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shape:
    """A statement without its data; `control` is BEGIN and its kin, `read` a pure question."""

    text: str
    control: bool
    read: bool


def shape(sql: str) -> Shape:
    """Strip data, comments and layout from one statement."""
    text = normalise(sql)
    return Shape(
        text=text,
        control=_CONTROL.match(text) is not None,
        read=_READ.match(text) is not None and _WRITES.search(text) is None,
    )


def normalise(sql: str) -> str:
    """Replace every literal and placeholder by ?, and lists of them by one, on a single line.

    A text in double quotes stays: it is a name by the standard, although SQLite also takes it
    for a string when no such column exists.
    """
    text = _TOKENS.sub(_without_data, sql).strip().rstrip("; ")
    text = _ROWS.sub(r"(\1)", _LISTS.sub("(?)", text))
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def split(script: str) -> list[str]:
    """Cut a script at the semicolons that end a statement; empty statements are left out."""
    statements, start = [], 0
    depth = 0
    for piece in _PIECES.finditer(script):
        if piece.lastgroup == "word":
            depth += _trigger_depth(piece[0], script[start : piece.end()], depth)
        elif piece.lastgroup == "end" and depth == 0:
            statements.append(script[start : piece.start()])
            start = piece.end()
    statements.append(script[start:])
    return [text for text in statements if normalise(text)]


def _trigger_depth(word: str, so_far: str, depth: int) -> int:
    """The body of a trigger holds semicolons of its own, between BEGIN and END, CASE and END."""
    kind = word.upper()
    if kind == "BEGIN" and depth == 0:
        return 1 if _TRIGGER.match(_bare(so_far)) else 0
    if depth and kind in {"CASE", "END"}:
        return 1 if kind == "CASE" else -1
    return 0


def _bare(text: str) -> str:
    return _TOKENS.sub(_without_data, text)


def _without_data(token: re.Match[str]) -> str:
    kind = token.lastgroup
    if kind in {"data", "tag", "bound", "number"}:
        return "?"
    return " " if kind == "space" else token[0]
