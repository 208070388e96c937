"""What was measured, one JSON line a job: only ever appended to, so that it grows over days."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
OURS = "budgetguard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One verdict of one tool about one benchmark.

    `outcome` is `red`, `green`, `open` (neither, and told so), `error` or `new`; `percent` is the true
    slowdown, `change` the interval that was told, as ratios; `seconds` this verdict's share of the job.
    """

    rule: str
    subject: str
    outcome: str
    percent: float = 0.0
    expected: str = ""
    seconds: float = 0.0
    change: tuple[float, ...] = ()
    visible: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One job: what was tried, when, where, with which state of the gate, and what came out."""

    experiment: str
    cell: str
    at: str = ""
    took_s: float = 0.0
    gate: str = ""
    machine: str = ""
    load: float = 0.0
    error: str = ""
    verdicts: tuple[Judged, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def regime(self) -> str:
        """The neighbours that were there: the first word of the cell."""
        return self.cell.partition("/")[0]


def append(file: Path, record: Record) -> None:
    """Add one line and see it on the disk; a line that a killed run left half is closed first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"schema": SCHEMA, **asdict(record)}, sort_keys=True).encode() + b"\n"
    with file.open("ab+") as stream:
        if stream.tell() and not _ends_whole(stream):
            line = b"\n" + line
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())


def read(file: Path) -> list[Record]:
    """All whole lines of this schema; half lines of a killed run are left out."""
    if not file.exists():
        return []
    return list(_records(file.read_text().splitlines()))


def _records(lines: Iterable[str]) -> Iterable[Record]:
    for line in lines:
        try:
            fields: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if fields.pop("schema", None) == SCHEMA:
            verdicts = (
                Judged(**{**one, "change": tuple(one["change"])}) for one in fields["verdicts"]
            )
            yield Record(**{**fields, "verdicts": tuple(verdicts)})


def _ends_whole(stream: Any) -> bool:
    stream.seek(-1, os.SEEK_END)
    return bool(stream.read(1) == b"\n")
