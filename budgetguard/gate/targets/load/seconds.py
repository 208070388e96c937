"""The seconds of one run: what all generator processes told of each, without the warm-up. Pure values."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from budgetguard.gate.targets.load.interval import ABANDONED, Interval
from budgetguard.gate.targets.load.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One stretch of time of all generator processes together; `at` is seconds since the run began."""

    at: int
    start: float
    seconds: float
    users: int
    tallies: dict[str, Tally]
    lag: Tally
    cpu: float
    """In cores, of the busiest process."""
    rss_bytes: int
    due: int
    waiting: int

    @property
    def whole(self) -> Tally:
        """All endpoints together."""
        return Tally.of(self.tallies.values())


def merged(intervals: Iterable[Interval]) -> tuple[Second, ...]:
    """What the generator processes told, second by second."""
    by_number: dict[int, list[Interval]] = {}
    for one in intervals:
        by_number.setdefault(one.number, []).append(one)
    return tuple(_second(number, by_number[number]) for number in sorted(by_number))


def _second(number: int, told: Sequence[Interval]) -> Second:
    names = {name for one in told for name in one.tallies}
    return Second(
        at=number,
        start=min(one.start for one in told),
        seconds=max(one.seconds for one in told),
        users=sum(one.users for one in told),
        tallies={
            name: Tally.of(one.tallies[name] for one in told if name in one.tallies)
            for name in sorted(names)
        },
        lag=Tally.of(one.lag for one in told),
        cpu=max(one.cpu for one in told),
        rss_bytes=sum(one.rss_bytes for one in told),
        due=sum(one.due for one in told),
        waiting=sum(one.waiting for one in told),
    )


def most_users(seconds: Iterable[Second]) -> int:
    """The most users at a time."""
    return max((one.users for one in seconds), default=0)


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds that count, in order."""

    seconds: tuple[Second, ...]

    @classmethod
    def of(
        cls, seconds: Iterable[Second], begin_s: float = 0.0, end_s: float = math.inf
    ) -> "Window":
        """Those that begin at or after `begin_s` and before `end_s`, since the run began."""
        return cls(tuple(one for one in seconds if begin_s <= one.at < end_s))

    def by_request(self) -> dict[str, Tally]:
        """What was asked, by "METHOD name"; what was abandoned is among it."""
        return {name: self.tally(name) for name in sorted({name for name, _ in self._told()})}

    def endpoints(self) -> list[str]:
        """What a selector may name: "METHOD name", and the name alone; what was abandoned has no endpoint."""
        asked = {name for name, _ in self._told()} - {ABANDONED}
        alone = {name.partition(" ")[2] for name in asked} - {""}
        return sorted(asked | alone)

    def tally(self, selector: str = "") -> Tally:
        """All requests, or those of an endpoint as `endpoints` and `by_request` name them."""
        return Tally.of(tally for name, tally in self._told() if _matches(selector, name))

    def groups(self, selector: str, number: int) -> list[Tally]:
        """The seconds dealt out into so many groups in turn, so that each has its part of every stage."""
        return [Window(self.seconds[first::number]).tally(selector) for first in range(number)]

    def parts(self, number: int) -> "list[Window]":
        """The seconds cut into so many stretches, one after the other."""
        size = len(self.seconds) / number
        return [
            Window(self.seconds[round(i * size) : round((i + 1) * size)]) for i in range(number)
        ]

    @property
    def length_s(self) -> float:
        """How long it really was."""
        return sum(one.seconds for one in self.seconds)

    def _told(self) -> Iterator[tuple[str, Tally]]:
        for one in self.seconds:
            yield from one.tallies.items()


def _matches(selector: str, name: str) -> bool:
    return not selector or selector in (name, name.partition(" ")[2])
