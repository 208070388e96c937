"""What a block of code made the database do: running totals, and groups of equal statements."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import RLock
from typing import Any

from budgetguard.database.callsite import NOWHERE, Site, place
from budgetguard.database.statements import Shape, shape, split

N_PLUS_ONE_AT = 3  # from this many executions on, one SELECT of one line is an N+1

_MAX_TALLIES = 2048  # raw texts that wait for their shape; then they are folded
_MAX_GROUPS = 10_000
_LONG_TEXT = 10_000  # characters; a longer text does not wait in its raw form
_OTHERS = Shape("(other statements)", control=False, read=False)


class Tally:
    """What one text did at one call site.

    The hooks add to it without a lock: under the GIL `+=` on a slot is one step, since no call
    lies inside it. A call is one run and one trip, unless `more_runs` and `more_trips` say so.
    Only `fold` touches `told`; `away` says that the tally has left the table.
    """

    __slots__ = (
        "away", "calls", "elapsed_ns", "more_runs", "more_trips", "rows", "script", "shapes",
        "site", "slowest_ns", "text", "told",
    )  # fmt: skip

    def __init__(self, text: str, site: Site, *, script: bool = False) -> None:
        self.text = text
        self.site = site
        self.script = script
        self.calls = self.more_runs = self.more_trips = self.rows = 0
        self.elapsed_ns = self.slowest_ns = 0
        self.told = (0, 0, 0, 0, 0)
        self.shapes: tuple[Shape, ...] | None = None
        self.away = False
        if len(text) >= _LONG_TEXT:
            self.settle()

    def settle(self) -> tuple[Shape, ...]:
        """Exchange the raw text for its shapes, which hold no data."""
        if self.shapes is None:
            texts = split(self.text) if self.script and ";" in self.text else [self.text]
            shapes = map(_shape_of, texts)
            self.shapes = tuple(each for each in shapes if each.text and not each.control)
            self.text = ""
        return self.shapes


class Count:
    """Counts what a driver takes from the rows of an executemany."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0

    def each(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Pass the rows on, one by one."""
        for row in rows:
            self.rows += 1
            yield row


Key = tuple[str, int, int]  # the text, the code object's id, the instruction in it
tallies: dict[Key, Tally] = {}


def tally_of(text: str, site: Site, *, script: bool = False) -> Tally:
    """Find the tally of a text at a call site, or open one."""
    code, offset = site
    key = (text, id(code), offset)
    try:
        return tallies[key]
    except KeyError:
        if len(tallies) >= _MAX_TALLIES:
            fold()
            _send_away()
        tally = tallies[key] = Tally(text, site, script=script)
        return tally


def come_back(tally: Tally) -> None:
    """Take a tally in again that an open cursor still adds to."""
    tally.away = False
    tallies["", id(tally), -1] = tally


def from_before() -> Tally:
    """Stand for statements executed before the block, whose rows are fetched in it."""
    return tally_of("", NOWHERE)


@dataclass(frozen=True, slots=True)
class Group:
    """Equal statements of one line; `where` is "path:line", or empty when it is not known.

    `count` is what the database executed, `calls` how often the driver was asked to.
    """

    statement: str
    where: str
    count: int
    calls: int
    rows: int
    time_s: float
    read: bool

    @property
    def n_plus_one(self) -> bool:
        """Whether this is the same question asked again and again from one line."""
        return self.read and self.calls >= N_PLUS_ONE_AT


@dataclass(slots=True)
class _Sum:
    read: bool
    calls: int = 0
    count: int = 0
    rows: int = 0
    elapsed_ns: int = 0


class Recording:
    """The counts of one block, final once it has ended; reading them inside it is allowed.

    Times are sums over threads and tasks, so they may exceed the block's own duration.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Sum] = {}
        self._queries = self._rows = self._roundtrips = 0
        self._elapsed_ns = self._slowest_ns = 0
        self.unseen: tuple[str, ...] = ()

    @property
    def queries(self) -> int:
        """Statements executed, without transaction control and what is sent on connect."""
        fold()
        return self._queries

    @property
    def rows(self) -> int:
        """Rows handed to Python by fetches; those of a COPY are not counted."""
        fold()
        return self._rows

    @property
    def roundtrips(self) -> int:
        """Waits for the server; for SQLite, which has none, calls of execute and its kin."""
        fold()
        return self._roundtrips

    @property
    def query_time_s(self) -> float:
        """Seconds inside the driver's execute and fetch calls."""
        fold()
        return self._elapsed_ns / 1e9

    @property
    def slowest_query_s(self) -> float:
        """Seconds of the slowest single call with its fetches."""
        fold()
        return self._slowest_ns / 1e9

    @property
    def groups(self) -> tuple[Group, ...]:
        """Equal statements of equal lines, the most frequent first."""
        fold()
        groups = (
            Group(text, where, s.count, s.calls, s.rows, s.elapsed_ns / 1e9, s.read)
            for (text, where), s in self._groups.items()
        )
        return tuple(sorted(groups, key=lambda g: (-g.count, g.statement, g.where)))

    @property
    def n_plus_one(self) -> int:
        """How many groups ask one question `N_PLUS_ONE_AT` times or more from one line."""
        return sum(group.n_plus_one for group in self.groups)

    def __repr__(self) -> str:
        return f"<Recording queries={self.queries} rows={self.rows} n_plus_one={self.n_plus_one}>"

    def _add(self, key: tuple[str, str], read: bool, told: tuple[int, int, int, int]) -> None:  # noqa: FBT001
        if key not in self._groups and len(self._groups) >= _MAX_GROUPS:
            key, read = (_OTHERS.text, ""), False
        calls, runs, rows, elapsed_ns = told
        group = self._groups.setdefault(key, _Sum(read))
        group.calls += calls
        group.count += runs
        group.rows += rows
        group.elapsed_ns += elapsed_ns
        self._queries += runs


_active: tuple[Recording, ...] = ()
_shapes: dict[str, Shape] = {}
_places: dict[tuple[int, int], tuple[Site, str]] = {}  # a kept code object keeps its id
_lock = RLock()


def begin(recording: Recording) -> None:
    """Let a recording receive what follows."""
    global _active  # noqa: PLW0603 — the process has one list of open recordings
    with _lock:
        fold()
        _active = (*_active, recording)


def end(recording: Recording) -> None:
    """Close a recording; every text is dropped with the last one."""
    global _active  # noqa: PLW0603
    with _lock:
        fold()
        _active = tuple(other for other in _active if other is not recording)
        if not _active:
            _send_away()
            _shapes.clear()
            _places.clear()


def recording_now() -> bool:
    """Whether any block is being recorded."""
    return bool(_active)


def fold() -> None:
    """Tell the open recordings what the tallies have gained."""
    with _lock:
        for tally in list(tallies.values()):
            _tell(tally, _active)


def renew_lock() -> None:
    """After a fork: the lock may be held by a thread that does not exist here."""
    global _lock  # noqa: PLW0603
    _lock = RLock()


def _send_away() -> None:
    with _lock:
        for tally in list(tallies.values()):
            tally.away = True
            tally.settle()
        tallies.clear()


def _tell(tally: Tally, recordings: Iterable[Recording]) -> None:
    now = (tally.calls, tally.more_runs, tally.more_trips, tally.rows, tally.elapsed_ns)
    calls, runs, trips, rows, elapsed_ns = (n - t for n, t in zip(now, tally.told, strict=True))
    runs, trips = runs + calls, trips + calls
    slowest_ns, tally.slowest_ns, tally.told = tally.slowest_ns, 0, now
    if not (calls or trips or rows or elapsed_ns) or not recordings:
        return
    shapes, where = tally.settle(), _place_of(tally.site)
    for recording in recordings:
        recording._rows += rows  # noqa: SLF001 — one module, one thing
        recording._roundtrips += trips  # noqa: SLF001
        recording._elapsed_ns += elapsed_ns  # noqa: SLF001
        if shapes:
            recording._slowest_ns = max(recording._slowest_ns, slowest_ns)  # noqa: SLF001
        for at, each in enumerate(shapes):
            share_ns = elapsed_ns // len(shapes)  # a script's time is known only as a whole
            told = (calls, runs, rows, share_ns) if at == 0 else (0, runs, 0, share_ns)
            recording._add((each.text, where), each.read, told)  # noqa: SLF001


def _shape_of(text: str) -> Shape:
    """Texts that differ in plain literals only share one reading of their shape."""
    plain = text if _HARD.search(text) else _PLAIN_DATA.sub("?", text)
    known = _shapes.get(plain)
    if known is None:
        if len(_shapes) >= _MAX_TALLIES:
            _shapes.clear()
        known = _shapes[plain] = shape(plain)
    return known


def _place_of(site: Site) -> str:
    key = (id(site[0]), site[1])
    if key not in _places:
        if len(_places) >= _MAX_TALLIES:
            _places.clear()
        _places[key] = (site, place(site))
    return _places[key][1]


_HARD = re.compile(r"[\"`\\$\[]|--|/\*|\?\d|\d[.A-Za-z_]")
_PLAIN_DATA = re.compile(r"\b[eExXbBnN]?'(?:[^']|'')*'|'(?:[^']|'')*'|\b\d+\b")
