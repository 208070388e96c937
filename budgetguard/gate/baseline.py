"""The committed file of exact values: read, write whole or not at all, refuse garbage.

One entry stands on one line, sorted, with blank lines between and `null` after the last, so that most
updates of different entries merge in git without a conflict.
"""

import datetime as dt
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from budgetguard import __version__
from budgetguard.atomic import replace_text
from budgetguard.errors import BaselineError
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

SCHEMA = 1
LARGEST_BYTES = 64_000_000
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")

_REQUIRED = ("budget", "target", "metric", "unit")
_ALLOWED = {
    "unit": frozenset(Unit),
    "better": frozenset({"", "higher"}),
}
_TARGET = re.compile(r"[a-z][a-z0-9_]*")
"""The names of a later version are read, too: whoever judges all targets refuses what it lacks."""
_KNOWN = frozenset({*_REQUIRED, "selector", "key", "value", "spread", "with", "better"})


def timestamp() -> str:
    """Now, as the line `time` has it: UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_baseline(file: Path) -> Baseline:
    """The baseline in `file`, empty when there is none; raises `BaselineError` for anything unsound."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise BaselineError(
                f"{file}: larger than {LARGEST_BYTES:,} bytes; restore it: git checkout -- {file.name}"
            )
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Baseline(exists=False)
    except UnicodeDecodeError:
        raise _corrupt(file, "not UTF-8 text") from None
    except OSError as error:
        raise BaselineError(f"{file}: cannot be read: {error.strerror}") from None
    if conflicted(text):
        raise BaselineError(
            f"{file}: holds the marks of a git conflict; settle it: budgetguard baseline merge"
        )
    return parse_baseline(text, file)


def conflicted(text: str) -> bool:
    """Whether git left conflict marks in it."""
    return any(line.startswith(MARKERS) for line in text.splitlines())


def parse_baseline(text: str, file: Path) -> Baseline:
    """The baseline that `text`, read from `file`, holds."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _corrupt(file, f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _corrupt(file, f"expected an object; got {type(document).__name__}")
    schema = document.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise BaselineError(
            f"{file}: schema {schema!r}; this budgetguard {__version__} reads schema {SCHEMA}. "
            f"Upgrade: pip install -U pytest-budgetguard; or record anew: budgetguard baseline update"
        )
    entries: dict[Point, dict[str, Stored]] = {}
    for number, entry in enumerate(_list(document, file)):
        point, key, stored = _entry(entry, f"{file}: entry {number + 1}")
        if key in entries.setdefault(point, {}):
            again = f"record it anew: budgetguard baseline update {shlex.quote(point.budget)}"
            raise BaselineError(f"{file}: {_name(point)} stands in it twice; {again}")
        entries[point][key] = stored
    time = document.get("time", "")
    if not isinstance(time, str):
        raise _corrupt(file, "time is not text")
    return Baseline(entries, time)


def write_baseline(file: Path, baseline: Baseline) -> None:
    """Replace `file` whole; the old one stays when anything goes wrong. Raises `BaselineError`."""
    try:
        replace_text(file, render(baseline))
    except OSError as error:
        raise BaselineError(
            f"{file}: cannot be written: {error.strerror}; the old file is unchanged"
        ) from None


def render(baseline: Baseline) -> str:
    """The text of the file."""
    head = [
        f'  "schema": {SCHEMA}',
        f'  "tool": "budgetguard {__version__}"',
        f'  "time": {json.dumps(baseline.time)}',
    ]
    lines = [f"    {json.dumps(entry, ensure_ascii=False)},\n\n" for entry in _rows(baseline)]
    return (
        "{\n"
        + ",\n\n".join(head)
        + ',\n\n  "entries": [\n\n'
        + "".join(lines)
        + "    null\n\n  ]\n}\n"
    )


def _rows(baseline: Baseline) -> Iterator[Mapping[str, object]]:
    for point in sorted(baseline.entries):
        for key in sorted(baseline.entries[point]):
            stored = baseline.entries[point][key]
            row = {
                "budget": point.budget,
                "target": stored.target,
                "selector": point.selector,
                "metric": point.metric,
                "key": key,
                "value": None if stored.value is None else _plain(stored.value),
                "unit": str(stored.unit),
                "spread": [_plain(bound) for bound in stored.spread] if stored.spread else None,
                "with": stored.made_with,
                "better": stored.better if stored.better == "higher" else "",
            }
            yield {name: value for name, value in row.items() if value not in ("", None)}


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _corrupt(file: Path, why: str) -> BaselineError:
    return BaselineError(
        f"{file}: {why}; restore it: git checkout -- {file.name}, or record anew: budgetguard baseline update"
    )


def _list(document: Mapping[str, Any], file: Path) -> list[Any]:
    entries = document.get("entries")
    if not isinstance(entries, list) or not entries or entries[-1] is not None:
        raise _corrupt(file, "expected entries: a list that ends with null")
    return entries[:-1]


def _entry(entry: object, where: str) -> tuple[Point, str, Stored]:
    if not isinstance(entry, dict) or any(
        not isinstance(entry.get(name), str) for name in _REQUIRED
    ):
        raise BaselineError(
            f"{where}: expected budget, target, metric and unit as text; restore the file or record anew"
        )
    strange = sorted(set(entry) - _KNOWN)
    if strange:
        raise _wrong(where, f"unknown field {strange[0]!r}")
    for name, allowed in _ALLOWED.items():
        if entry.get(name, "") not in allowed:
            expected = ", ".join(sorted(allowed - {""}))
            raise _wrong(where, f"{name} is {entry[name]!r}; expected {expected}")
    if not _TARGET.fullmatch(entry["target"]):
        raise _wrong(where, f"target is {entry['target']!r}; expected the name of a target")
    for name in ("selector", "key", "with"):
        if not isinstance(entry.get(name, ""), str):
            raise _wrong(where, f"{name} is {entry[name]!r}; expected text")
    stored = Stored(
        unit=Unit(entry["unit"]),
        target=entry["target"],
        value=None if entry.get("value") is None else _number(entry["value"], where),
        spread=_spread(entry.get("spread"), entry.get("value"), where),
        made_with=entry.get("with", ""),
        better=entry.get("better") or "lower",
    )
    point = Point(entry["budget"], entry.get("selector", ""), entry["metric"])
    return point, entry.get("key", ""), stored


def _spread(pair: object, value: object, where: str) -> tuple[float, float] | None:
    if pair is None:
        return None
    if not isinstance(pair, list) or len(pair) != 2 or value is None:
        raise _wrong(where, "spread is not a pair of numbers around a value")
    low, middle, high = (_number(each, where) for each in (pair[0], value, pair[1]))
    if not low <= middle <= high:
        raise _wrong(where, f"spread {low:g} to {high:g} does not hold the value {middle:g}")
    return low, high


def _wrong(where: str, what: str) -> BaselineError:
    return BaselineError(
        f"{where}: {what}; restore the file or record anew: budgetguard baseline update"
    )


def _number(value: object, where: str) -> float:
    try:
        number = (
            math.nan
            if isinstance(value, bool) or not isinstance(value, int | float)
            else float(value)
        )
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise _wrong(where, f"{str(value)[:40]!r} is not a number from 0 up")
    return number


def _name(point: Point) -> str:
    return " ".join(part for part in point if part)
