"""What shall be in a cache before anybody asks: requests of operations, as lines of JSON.

    {"operation": "openai.chat", "request": {"model": "gpt-4o", ...}, "times": 12, "usd": "0.007"}

`tags`, `times` and `usd`, what the call is expected to cost, may be left out. An access log is such a file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from budgetguard.errors import UsageError
from budgetguard.paths import shown

_MOST_REQUESTS = 100_000
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One request, how often it was asked for, and what it is expected to cost."""

    operation: str
    request: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    times: int = 1
    usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted, the most worthwhile first; `damaged` lines were left out."""

    wanted: tuple[Wanted, ...]
    damaged: int = 0


def read_plan(*files: Path) -> Plan:
    """The requests of these files, those alike added up.

    Raises `UsageError` for a file that cannot be read.
    """
    found: dict[str, Wanted] = {}
    damaged = 0
    for file in files:
        for line in _lines(file):
            one = parsed(line)
            if one is None:
                damaged += 1
            elif (name := _name(one)) in found or len(found) < _MOST_REQUESTS:
                found[name] = _joined(found.get(name), one)
    return Plan(ranked(found.values()), damaged)


def ranked(wanted: Iterable[Wanted]) -> tuple[Wanted, ...]:
    """The most worthwhile first: how often it is asked for x what a hit of it saves.

    What is not known to cost anything counts as the dearest of its operation.
    """
    several: Sequence[Wanted] = tuple(wanted)
    dearest: dict[str, Decimal] = {}
    for one in several:
        dearest[one.operation] = max(dearest.get(one.operation, Decimal(0)), one.usd or Decimal(0))

    def worth(one: Wanted) -> tuple[Decimal, int]:
        usd = dearest[one.operation] if one.usd is None else one.usd
        return one.times * usd, one.times

    return tuple(sorted(several, key=worth, reverse=True))


def parsed(line: str) -> Wanted | None:
    """One line; None where it is damaged."""
    try:
        known = json.loads(line)
        usd = known.get("usd")
        return _wanted(known, None if usd is None else Decimal(usd))
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, RecursionError):
        return None


def line(one: Wanted) -> str:
    """The line of a request, with its end."""
    known: dict[str, object] = {"operation": one.operation, "request": dict(one.request)}
    if one.tags:
        known["tags"] = list(one.tags)
    known["times"] = one.times
    if one.usd is not None:
        known["usd"] = f"{one.usd:f}"
    return f"{json.dumps(known)}\n"


def _wanted(known: Any, usd: Decimal | None) -> Wanted | None:
    operation, request = known["operation"], known["request"]
    tags, times = known.get("tags", []), known.get("times", 1)
    possible = (
        isinstance(operation, str)
        and isinstance(request, dict)
        and isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
        and type(times) is int
        and times > 0
        and (usd is None or (usd.is_finite() and usd >= 0))
    )
    if not possible:
        return None
    return Wanted(operation=operation, request=request, tags=tuple(tags), times=times, usd=usd)


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            while text := stream.readline(_LONGEST_LINE):
                if text.strip():
                    yield text
    except OSError as error:
        raise UsageError(f"{shown(file)}: cannot be read: {error.strerror}") from None


def _name(one: Wanted) -> str:
    return json.dumps([one.operation, one.request], sort_keys=True)


def _joined(earlier: Wanted | None, later: Wanted) -> Wanted:
    if earlier is None:
        return later
    usd = earlier.usd if later.usd is None else later.usd
    return replace(later, times=earlier.times + later.times, usd=usd)
