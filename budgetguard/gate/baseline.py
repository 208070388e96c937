"""The committed file of exact values: read, write whole or not at all, refuse garbage.

One entry stands on one line, sorted, with blank lines between and `null` after the last, so that most
updates of different entries merge in git without a conflict.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from budgetguard import __version__
from budgetguard.errors import BaselineError
from budgetguard.gate.atomic import replace_text
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

SCHEMA = 1
LARGEST_BYTES = 64_000_000
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")

_REQUIRED = ("budget", "target", "metric", "unit")
_KNOWN = frozenset({*_REQUIRED, "selector", "key", "value", "spread", "with", "better"})


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
    except (json.JSONDecodeError, RecursionError) as error:
        raise _corrupt(file, f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _corrupt(file, f"expected an object; got {type(document).__name__}")
    schema = document.get("schema")
    if schema != SCHEMA:
        raise BaselineError(
            f"{file}: schema {schema!r}; this budgetguard {__version__} reads schema {SCHEMA}. "
            f"Upgrade: pip install -U pytest-budgetguard; or record anew: budgetguard baseline update"
        )
    entries: dict[Point, dict[str, Stored]] = {}
    for number, entry in enumerate(_list(document, file)):
        point, key, stored = _entry(entry, f"{file}: entry {number + 1}")
        if key in entries.setdefault(point, {}):
            again = f"record it anew: budgetguard baseline update {point.budget}"
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
        raise BaselineError(
            f"{where}: unknown field {strange[0]!r}; restore the file or record anew"
        )
    try:
        unit = Unit(entry["unit"])
    except ValueError:
        raise BaselineError(
            f"{where}: unknown unit {entry['unit']!r}; restore the file or record anew"
        ) from None
    spread = entry.get("spread")
    if spread is not None and (not isinstance(spread, list) or len(spread) != 2):
        raise BaselineError(
            f"{where}: spread is not a pair of numbers; restore the file or record anew"
        )
    stored = Stored(
        unit=unit,
        target=entry["target"],
        value=None if entry.get("value") is None else _number(entry["value"], where),
        spread=(_number(spread[0], where), _number(spread[1], where)) if spread else None,
        made_with=str(entry.get("with", "")),
        better="higher" if entry.get("better") == "higher" else "lower",
    )
    return (
        Point(entry["budget"], str(entry.get("selector", "")), entry["metric"]),
        str(entry.get("key", "")),
        stored,
    )


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BaselineError(f"{where}: {value!r} is not a number; restore the file or record anew")
    return float(value)


def _name(point: Point) -> str:
    return " ".join(part for part in point if part)
