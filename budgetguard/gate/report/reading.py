"""A JSON report read back: what `json.py` wrote is the same report again, and nothing else is one.

It may come from another job or machine, so every field is checked. What JSON cannot hold is lost:
an infinite number, which no format shows, is none.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from budgetguard.errors import UsageError
from budgetguard.gate.model import Where
from budgetguard.gate.report.json import SCHEMA
from budgetguard.gate.shard import MOST, Shard
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit

LARGEST_BYTES = 64 * 1024 * 1024
"""A report of some 60 000 verdicts."""
_LARGEST_NUMBER = 1e300

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class _Wrong(ValueError):
    """What is wrong in the document, and where."""


def read_report(file: Path) -> Report:
    """The report in `file`; raises `UsageError` for one that is damaged, foreign, newer or too large."""
    text = _text(file)
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _refused(file, "is no JSON, or was cut off") from None
    if not isinstance(document, dict) or not {"schema", "tool", "verdicts"} <= document.keys():
        raise _refused(file, "is JSON, but no report of budgetguard")
    _check_version(file, document["schema"])
    try:
        return _report(_Told(document, ""))
    except _Wrong as error:
        raise _refused(file, f"is damaged: {error}") from None


def _text(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_BYTES:
        raise _refused(file, f"is larger than {LARGEST_BYTES // 1024**2} MiB")
    return content


def _refused(file: Path, why: str) -> UsageError:
    return UsageError(
        f"{file}: {why}; expected what `budgetguard check --report {file.stem}.json` writes"
    )


def _no_number(text: str) -> float:
    raise ValueError(text)


def _check_version(file: Path, schema: object) -> None:
    if type(schema) is not int or schema < 1:
        raise _refused(file, f"is damaged: schema is {schema!r:.40}")
    if schema > SCHEMA:
        raise UsageError(
            f"{file}: a newer budgetguard wrote it (schema {schema}, this one reads {SCHEMA}). "
            f"Upgrade: pip install -U pytest-budgetguard"
        )


class _Told:
    """An object of the document and the place it stands at; each method checks the type of a field."""

    def __init__(self, fields: Mapping[str, Any], place: str) -> None:
        self._fields = fields
        self._place = place

    def text(self, name: str) -> str:
        return self._as(name, str, "text")

    def flag(self, name: str) -> bool:
        return self._as(name, bool, "true or false")

    def number(self, name: str) -> float | None:
        return self._number(name, self._get(name))

    def count(self, name: str) -> int:
        value = self._get(name)
        if type(value) is not int or not 0 <= value <= _LARGEST_NUMBER:
            raise self._wrong(name, "a whole number")
        return value

    def change(self, name: str) -> tuple[float, float, float] | None:
        """An end that is null was an infinity."""
        if self._get(name) is None:
            return None
        ends = self._as(name, list, "three numbers")
        if len(ends) != 3:
            raise self._wrong(name, "three numbers")
        low, middle, high = (self._number(name, end) for end in ends)
        return (
            -math.inf if low is None else low,
            math.nan if middle is None else middle,
            math.inf if high is None else high,
        )

    def one_of(self, name: str, kind: type[E]) -> E:
        try:
            return kind(self.text(name))
        except ValueError:
            raise self._wrong(name, f"one of {', '.join(kind)}") from None

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._as(name, list, "a list of texts")
        if not all(isinstance(one, str) for one in found):
            raise self._wrong(name, "a list of texts")
        return tuple(found)

    def told(self, name: str) -> "_Told":
        return _Told(self._as(name, dict, "an object"), f"{self._place}{name}.")

    def each(self, name: str) -> Iterator["_Told"]:
        for number, fields in enumerate(self._as(name, list, "a list")):
            if not isinstance(fields, dict):
                raise self._wrong(f"{name}[{number}]", "an object")
            yield _Told(fields, f"{self._place}{name}[{number}].")

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def later(self, name: str, read: Callable[[str], T], default: T) -> T:
        """A field that the first reports of this schema did not have."""
        return read(name) if name in self._fields else default

    def _number(self, name: str, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number or null")
        if not abs(value) <= _LARGEST_NUMBER:
            raise self._wrong(name, "a number of a size that exists")
        return value

    def _as(self, name: str, kind: type[T], expected: str) -> T:
        value = self._get(name)
        if not isinstance(value, kind):
            raise self._wrong(name, expected)
        return value

    def _get(self, name: str) -> Any:
        if name not in self._fields:
            raise _Wrong(f"{self._place}{name} is missing")
        return self._fields[name]

    def _wrong(self, name: str, expected: str) -> _Wrong:
        return _Wrong(f"{self._place}{name} is not {expected}")


def _report(told: _Told) -> Report:
    shard, unmatched = _shard(told.told("shard")) if told.has("shard") else (None, ())
    report = Report(
        verdicts=tuple(map(_verdict, told.each("verdicts"))),
        left=tuple(map(_left, told.each("left"))),
        notes=told.texts("notes"),
        whole=told.flag("whole"),
        strict=told.flag("strict"),
        machine=told.text("machine"),
        tool=told.text("tool"),
        started=told.text("started"),
        duration_s=told.number("duration_s") or 0.0,
        commit=told.later("commit", told.text, ""),
        folder=told.later("folder", told.text, ""),
        asked=told.later("asked", told.text, ""),
        shard=shard,
        unmatched=unmatched,
    )
    said = told.count("exit_code")
    if said != report.exit_code:
        raise _Wrong(f"it says exit code {said}, but its verdicts come to {report.exit_code}")
    return report


def _shard(told: _Told) -> tuple[Shard, tuple[Verdict, ...]]:
    number, of = told.count("number"), told.count("of")
    if not 1 <= number <= of <= MOST:
        raise _Wrong(f"shard {number} of {of} cannot be")
    return Shard(number, of), tuple(map(_verdict, told.each("unmatched")))


def _verdict(told: _Told) -> Verdict:
    return Verdict(
        budget=told.text("budget"),
        target=told.text("target"),
        limit=told.text("limit"),
        outcome=told.one_of("outcome", Outcome),
        metric=told.text("metric"),
        unit=told.one_of("unit", Unit),
        selector=told.text("selector"),
        measured=told.number("measured"),
        allowed=told.number("allowed"),
        baseline=told.number("baseline"),
        change=told.change("change"),
        visible=told.number("visible"),
        reason=told.text("reason"),
        hint=told.text("hint"),
        evidence=told.texts("evidence"),
        where=_where(told.told("where")),
        enforced=told.flag("enforced"),
        note=told.text("note"),
    )


def _where(told: _Told) -> Where:
    return Where(
        told.text("file"), told.count("line") if told.has("line") else None, told.text("key")
    )


def _left(told: _Told) -> LeftToCheck:
    return LeftToCheck(told.text("budget"), told.text("limit"), told.text("reason"))
