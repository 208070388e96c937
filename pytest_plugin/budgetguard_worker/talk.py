"""What is said with the coordinator about one subject: calibration, `ready`, then round by round.

The conversation is a generator that asks for rounds and is sent their cost, so that one text serves
bodies that are called and bodies that are awaited.
"""

import contextlib
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple, Protocol

import pytest

from budgetguard_worker.clock import Cost, Tally
from budgetguard_worker.internals import first_line
from budgetguard_worker.link import Link, Relay
from budgetguard_worker.origins import Origins
from budgetguard_worker.rounds import LaterRound, Round

TARGET_NS = 5_000_000
"""What a round should take."""
ENOUGH_NS = 2_500_000
"""Calibration ends with a round of at least this."""
LONG_NS = 2_000_000_000
"""A first call of this length says enough: no second one is made for calibration."""
LONGEST_NS = 250_000_000
"""A round of more than one call takes at most this on the clock."""
MOST_CALLS = 5_000_000
RECORDED_ROUNDS = 16
RECORDED_NS = 1_000_000_000

WAIT, PASS, MEET = 1, 2, 4
"""What stands around a round: wait for the other side before it, let it go on after it, begin together."""

STRAIGHT = "straight"
FRESH = "fresh"
PROCESS = "process"

Conversation = Generator[int, tuple[Cost, int], str]
"""Asks for rounds of so many calls, is sent their cost and their whole duration; ends in the next mode."""


class Unit(NamedTuple):
    """One call."""

    busy_ns: float
    gross_ns: float
    """With all that is done around it."""
    alone: bool
    waits: float
    """How long it waits for each second of CPU time."""


def unit_of(cost: Cost, gross_ns: int, count: int = 1) -> Unit:
    """One of so many calls."""
    return Unit(
        busy_ns=max(cost.busy_ns, 1) / count,
        gross_ns=max(gross_ns, 1) / count,
        alone=cost.blocked_ns is not None,
        waits=(cost.blocked_ns or 0) / max(cost.cpu_ns, 1),
    )


class Recorder(Protocol):
    """Records what code runs (`recorder.py`)."""

    def begin(self, item: str) -> None:
        """An item's set-up begins."""

    def rounds_begin(self) -> None:
        """Its rounds begin."""

    def end(self) -> dict[str, Any]:
        """What was seen, as JSON."""


@dataclass
class Worker:
    """What all subjects of this process share."""

    link: Link
    relay: Relay
    origins: Origins
    folder: str
    seed: int
    recorder: Recorder | None = None


@dataclass
class Talk:
    """One subject's conversation."""

    worker: Worker
    number: int
    first: Tally = field(default_factory=Tally)
    settle: Callable[[], object] = tuple
    """Done before each round, outside the clock."""
    in_place: bool = True
    """Whether calls are to be repeated in place by definition, as those of `benchmark` are."""
    ready: bool = False
    why: str = ""
    """Why calls could not be repeated in place."""
    doubted: Unit | None = None
    """What later calls in place took, where the first took so much more that it may have been another."""
    rounds_ns: list[tuple[int, int]] = field(default_factory=list)
    """Wall time and calls of the rounds that were served, for `benchmark.stats`."""
    _drawn: int = 0

    def serve(self, mode: str) -> Conversation:
        """Serve rounds until the coordinator has enough. Ends in "" or in the mode to go on in."""
        gc.collect()
        gc.freeze()
        try:
            unit = yield from self._calibrated(mode)
            first_ns = self.first.cost.busy_ns
            if mode == STRAIGHT and not self.in_place and is_less(unit, first_ns, USED_UP_RATIO):
                self.why = "its later calls do a tenth of what the first did"
                self.doubted = unit
                return FRESH
            if self.worker.recorder:
                return (yield from self._recorded(self.worker.recorder, unit))
            return (yield from self._rounds(mode, unit))
        except Unrepeatable as error:
            self.why = str(error)
            return {STRAIGHT: FRESH, FRESH: PROCESS}.get(mode, "stuck")
        finally:
            gc.unfreeze()

    def _rounds(self, mode: str, unit: Unit) -> Conversation:
        self.ready = True
        told = {"mode": mode, "why": self.why, **unit._asdict(), **self.worker.origins.look()}
        self.worker.link.send("ready", self.number, told)
        while True:
            order = self.worker.link.receive()
            if order["do"] != "rounds":
                return str(order.get("mode", ""))
            self.worker.relay.begin(order["batch"], order["within_s"])
            costs = yield from self._batch(int(order["units"]), order["steps"])
            self.rounds_ns += [(cost.wall_ns, int(order["units"])) for cost in costs]
            told = {"units": order["units"], "costs": [list(cost) for cost in costs]}
            self.worker.link.send("rounds", self.number, told)

    def _batch(
        self, count: int, steps: Sequence[int]
    ) -> Generator[int, tuple[Cost, int], list[Cost]]:
        """Rounds in turn with the other side, or beside it; fewer where the other side fails."""
        relay, costs = self.worker.relay, list[Cost]()
        try:
            for step in steps:
                self._prepare()
                if step & MEET:
                    relay.hand_over()
                if step & (MEET | WAIT) and not relay.wait():
                    break
                cost, _ = yield count
                costs.append(cost)
                if step & PASS:
                    relay.hand_over()
        except BaseException:
            relay.hand_over(on=False)
            raise
        return costs

    def _calibrated(self, mode: str) -> Generator[int, tuple[Cost, int], Unit]:
        """Find out what one call takes, with as few calls as it takes."""
        first = self.first.cost
        if mode == STRAIGHT and first.wall_ns >= LONG_NS:
            return unit_of(first, first.wall_ns)
        count = 1
        while True:
            cost, gross_ns = yield from self._round(count)
            unit = unit_of(cost, gross_ns, count)
            most = min(MOST_CALLS, int(LONGEST_NS / unit.gross_ns))
            if cost.busy_ns >= ENOUGH_NS or count >= most:
                return unit
            count = max(count + 1, min(count * 10, ceil(TARGET_NS / unit.busy_ns), most))

    def _recorded(self, recorder: Recorder, unit: Unit) -> Generator[int, tuple[Cost, int], str]:
        """As many calls as a block of rounds would make, with the recorder on, then what it saw."""
        count = max(1, min(ceil(TARGET_NS / max(unit.busy_ns, 1)), int(LONGEST_NS / unit.gross_ns)))
        spent_ns = 0
        for _ in range(RECORDED_ROUNDS):
            _, gross_ns = yield from self._round(count)
            spent_ns += gross_ns
            if spent_ns > RECORDED_NS:
                break
        self.ready = True
        told = {"prints": recorder.end(), **self.worker.origins.look()}
        self.worker.link.send("prints", self.number, told)
        return ""

    def _round(self, count: int) -> Generator[int, tuple[Cost, int], tuple[Cost, int]]:
        self._prepare()
        return (yield count)

    def _prepare(self) -> None:
        """Go to where every round begins: folder, drawn numbers, empty logs."""
        self.worker.link.stay()
        self._drawn += 1
        home(self.worker.folder)
        self.settle()
        seed_numbers(self.worker.seed + self._drawn)


USED_UP_NS, USED_UP_RATIO = 1_000_000, 10


def is_less(later: Unit, first_ns: float, ratio: float) -> bool:
    """Whether later calls do so much less than one with fresh fixtures that it may have used these up.

    A stream is read to its end, an unsorted list is sorted.
    """
    return first_ns >= USED_UP_NS and first_ns >= ratio * later.busy_ns


class Unrepeatable(Exception):
    """A call failed that was not the first."""


FATAL = (KeyboardInterrupt, GeneratorExit, pytest.exit.Exception)


def converse(
    talk: Conversation, run: Round, clock: Callable[[], int] = time.perf_counter_ns
) -> str:
    """Hold a conversation with rounds that are called."""
    try:
        count = next(talk)
        while True:
            begun = clock()
            try:
                cost = run(count)
            except FATAL:
                raise
            except BaseException as error:  # noqa: BLE001  # of a test: whatever it raises
                count = talk.throw(Unrepeatable(first_line(error)))
            else:
                count = talk.send((cost, clock() - begun))
    except StopIteration as end:
        return str(end.value)


async def converse_later(
    talk: Conversation, run: LaterRound, clock: Callable[[], int] = time.perf_counter_ns
) -> str:
    """Hold a conversation with rounds that are awaited."""
    try:
        count = next(talk)
        while True:
            begun = clock()
            try:
                cost = await run(count)
            except Exception as error:  # noqa: BLE001  # not its cancellation
                count = talk.throw(Unrepeatable(first_line(error)))
            else:
                count = talk.send((cost, clock() - begun))
    except StopIteration as end:
        return str(end.value)


def home(
    folder: str,
    here: Callable[[], str] = os.getcwd,
    go: Callable[[str], object] = os.chdir,
) -> None:
    """Go back to where the session began, if a body has gone elsewhere."""
    with contextlib.suppress(OSError):
        try:
            away = here() != folder
        except OSError:  # the folder it went to is gone
            away = True
        if away:
            go(folder)


def seed_numbers(seed: int) -> None:
    """Make bodies that draw from the global generators draw the same on both sides."""
    random.seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        with contextlib.suppress(Exception):
            numpy_random.seed(seed % 2**32)
