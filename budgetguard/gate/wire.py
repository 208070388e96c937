"""What a measuring pytest tells the command that started it: one JSON object a line, appended to a file.

A file and not a pipe, so that a test that closes every descriptor, forks or prints cannot break it.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from budgetguard.errors import MeasureError
from budgetguard.gate.limits import LimitError, check_numbers, parse_limit
from budgetguard.gate.model import Budget, Limit, Metric, Point, Reading, Where


class Wire:
    """The writing end; every message is on disk when `send` returns. Raises `OSError`."""

    def __init__(self, file: Path) -> None:
        self._file = os.fspath(file)

    def send(self, kind: str, **content: object) -> None:
        """Append one message in one write."""
        _append(self._file, {"kind": kind, **content})

    def send_budget(self, budget: Budget, numbers: Mapping[str, str]) -> None:
        """Tell that a test with a budget was found."""
        self.send("budget", **budget_message(budget, numbers))

    def send_reading(self, point: Point, reading: Reading) -> None:
        """Tell one reading."""
        self.send("reading", point=list(point), reading=asdict(reading))


_APPEND = os.O_APPEND | os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0)


def _append(
    file: str,
    message: Mapping[str, object],
    *,
    dumps: Callable[[object], str] = json.dumps,
    open_file: Callable[[str, int, int], int] = os.open,
    write: Callable[[int, bytes], int] = os.write,
    close: Callable[[int], None] = os.close,
) -> None:
    """Write a line of its own, by functions bound at import: those that a test replaces are not asked.

    The line is begun, too, so that one that a full disk has cut off does not swallow it.
    """
    line = f"\n{dumps(message)}\n".encode()
    descriptor = open_file(file, _APPEND, 0o600)
    try:
        while line:
            line = line[write(descriptor, line) :]
    finally:
        close(descriptor)


def budget_message(budget: Budget, numbers: Mapping[str, str]) -> dict[str, object]:
    """A budget as plain data; its limits are read again from their text."""
    return {
        "name": budget.name,
        "group": budget.group,
        "limits": [
            {"text": limit.text, "enforce": limit.enforce, "where": _place(limit)}
            for limit in budget.limits
        ],
        "numbers": dict(numbers),
        "where": [budget.where.file, budget.where.line, budget.where.key],
        "enforce": budget.enforce,
        "may_skip": budget.may_skip,
    }


def messages(file: Path) -> Iterator[dict[str, Any]]:
    """The messages of a file that is complete or was cut off; what is no message is left out."""
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict) and isinstance(message.get("kind"), str):
            yield message


def to_budget(message: Mapping[str, Any], known: Mapping[str, Metric]) -> Budget:
    """The budget that `send_budget` told."""
    try:
        metrics = check_numbers(message["numbers"], known)
        return Budget(
            name=message["name"],
            target="test",
            limits=tuple(_limit(told, metrics) for told in message["limits"]),
            where=Where(*message["where"]),
            group=message["group"],
            enforce=message["enforce"],
            may_skip=message["may_skip"],
        )
    except (KeyError, TypeError, AttributeError, LimitError) as error:
        raise MeasureError(
            f"the measuring pytest sent a budget that cannot be read: {error}"
        ) from error


def _limit(told: Mapping[str, Any], metrics: Mapping[str, Metric]) -> Limit:
    where = Where(*told["where"]) if told["where"] else None
    return replace(parse_limit(told["text"], metrics), enforce=told["enforce"], where=where)


def _place(limit: Limit) -> list[object] | None:
    return [limit.where.file, limit.where.line, limit.where.key] if limit.where else None


def to_reading(message: Mapping[str, Any]) -> tuple[Point, Reading]:
    """The reading that `send_reading` told."""
    try:
        fields = dict(message["reading"])
        for name in ("samples", "evidence"):
            fields[name] = tuple(fields[name])
        fields["interval"] = tuple(fields["interval"]) if fields["interval"] else None
        _check_numbers(fields["value"], *fields["samples"], *(fields["interval"] or ()))
        return Point(*map(str, message["point"])), Reading(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise MeasureError(
            f"the measuring pytest sent a reading that cannot be read: {error}"
        ) from error


def _check_numbers(*values: object) -> None:
    for value in values:
        if not isinstance(value, int | float):
            raise TypeError(f"expected a number; got {value!r}")
