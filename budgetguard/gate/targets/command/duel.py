"""Commands on base and head, a fresh process each time.

A block runs each command some times in pairs, base and head in random order, with one hash seed on
both sides and on one core drawn at random: two cores are not equally fast at any moment. On that core
both run at the same time (`meet.py`), but one after the other where `blocked` or a number that the
program reports is asked for, where it waits more than it works, where both would not fit into memory,
where several threads or processes work, and from then on that it fails beside the other or waits for
it.

Before its first block a command runs once on each side, unmeasured and on all cores: that fills the
page cache, writes bytecode, shows how long it takes and whether several threads or processes work.
Those are never pinned: a program may start as many as it has cores. The guard in that run is
`guard.py`.

`time` is `cpu` + `blocked` where every run before the end of the first block could read waiting, and
CPU time alone, which the note says, where one could not; it stays so for all later blocks.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from budgetguard.gate.model import Budget, Point, Reading, Where
from budgetguard.gate.side import CANARY, Block, Side, Witness
from budgetguard.gate.sides.pinning import draw_core
from budgetguard.gate.targets.base import Prints
from budgetguard.gate.targets.command.meet import (
    Name,
    Run,
    has_waited,
    in_turn,
    may_meet,
    pinned,
    together,
)
from budgetguard.gate.targets.command.options import CommandOptions
from budgetguard.gate.targets.command.probe import NO_WAITING, CommandProbe
from budgetguard.process import Finished

SHORT_PAIRS, LONG_PAIRS, LONG_S = 8, 4, 0.2
"""Start-up varies by some ms whatever a program does. A run longer than this drowns that; a shorter
one needs more pairs for the same certainty, and they cost less."""
BLOCK_S = 8.0
"""What the pairs of one command may take together, except that there is always one."""
_CANARY_CODE = "n = 0\nfor i in range(200_000):\n    n += i & 7"  # about 20 ms with the start
_CANARY = Budget(
    name=CANARY,
    target="command",
    limits=(),
    where=Where(""),
    options=CommandOptions(argv=("python", "-I", "-S", "-c", _CANARY_CODE), timeout_s=60.0),
)
"""The same program on both sides: isolated, it sees nothing of the checkouts."""

_WAITS = 3
"""So many pairs in a row that wait beside each other wait for each other."""
_CPU_METRICS = frozenset({"time", "cpu", "peak_rss"})
"""What a process costs whoever runs beside it, where it hardly waits."""

SIDES: tuple[Name, Name] = ("base", "head")


class CommandDuel:
    """Base and head of the commands of a run; between two blocks nothing runs."""

    def __init__(self, base: Side, head: Side) -> None:
        self._base, self._head = base, head
        self._contests: dict[str, _Contest] = {}

    def block(
        self, wanted: Sequence[Budget], seed: int, *, canary: bool = True
    ) -> Mapping[Point, Block]:
        """One block of each command that has a relative limit on a sampled metric, and the canary.

        `seed` is the hash seed of both sides, and draws the core and every order.
        """
        draw = random.Random(seed)  # noqa: S311 -- an order, no secret
        core = draw_core(draw)
        asked = [(budget, metrics) for budget in wanted if (metrics := _asked(budget))]
        if canary:
            asked.append((_CANARY, ("time",)))
        draw.shuffle(asked)
        found: dict[Point, Block] = {}
        for budget, metrics in asked:
            blocks = self._contest(budget).block(metrics, seed, draw, core)
            found |= {Point(budget.name, "", metric): blocks[metric] for metric in metrics}
        return found

    def prints(self, wanted: Sequence[Budget], seed: int) -> Mapping[str, Prints]:  # noqa: ARG002
        """None: what a program runs is recorded of Python tests only."""
        return {}

    def witness(self, budget: Budget) -> Witness:  # noqa: ARG002
        """None: the work of a program is not counted."""
        return Witness(None, "the work of a command is not counted")

    def _contest(self, budget: Budget) -> "_Contest":
        if budget.name not in self._contests:
            self._contests[budget.name] = _Contest(budget, self._base, self._head)
        return self._contests[budget.name]


@dataclass(frozen=True, slots=True)
class _Pair:
    """What one run on each side cost."""

    base: Finished
    head: Finished

    @property
    def costs(self) -> tuple[Finished, Finished]:
        """Base and head."""
        return self.base, self.head

    @property
    def reads_waiting(self) -> bool:
        """Whether the waiting of both could be read."""
        return self.base.blocked_s is not None and self.head.blocked_s is not None


class _Contest:
    """One command on both sides, from block to block."""

    def __init__(self, budget: Budget, base: Side, head: Side) -> None:
        self._probes: dict[Name, CommandProbe] = {
            "base": CommandProbe(budget, base, other=head),
            "head": CommandProbe(budget, head, other=base),
        }
        self._prepared = False
        self._pairs = 0  # 0 until the warm-up has worked
        self._reads_waiting: bool | None = None  # unknown until the first block has ended
        self._meets = False  # whether both sides can run at the same time
        self._waited = 0  # how many pairs in a row have waited doing so

    def block(
        self, metrics: Sequence[str], seed: int, draw: random.Random, core: int | None
    ) -> dict[str, Block]:
        """A block of each metric; one failure is the error of all."""
        for probe in self._probes.values():
            probe.use_seed(seed)
        runs = self._warmed() or self._runs(metrics, draw, core)
        if isinstance(runs, Block):
            return dict.fromkeys(metrics, runs)
        if self._reads_waiting is None:
            self._reads_waiting = all(pair.reads_waiting for pair in runs)
        return {metric: self._values(metric, runs) for metric in metrics}

    def _warmed(self) -> Block | None:
        """Set up and run once on each side, unless that was done; a block is why it failed."""
        if self._pairs:
            return None
        if not self._prepared:
            for probe in self._probes.values():
                probe.prepare()
            self._prepared = True
        pair = self._judged({name: probe.run_guarded() for name, probe in self._probes.items()})
        if isinstance(pair, Block):
            return pair
        if not pair.reads_waiting:
            self._reads_waiting = False
        self._meets = may_meet(pair.costs)
        self._pairs = _pairs(pair)
        return None

    def _runs(
        self, metrics: Sequence[str], draw: random.Random, core: int | None
    ) -> list[_Pair] | Block:
        runs = []
        with pinned(None if self._reads_waiting is False else core):
            for _ in range(self._pairs):
                order = draw.sample(SIDES, 2)
                both = {name: self._probes[name].run for name in order}
                met = self._met(both) if self._meets and not self._alone(metrics) else None
                pair = met or self._judged(in_turn(both))
                if isinstance(pair, Block):
                    return pair  # no verdict from halves
                runs.append(pair)
        return runs

    def _met(self, both: Mapping[Name, Run]) -> _Pair | None:
        """Both at the same time; none where that went wrong, which alone may go well."""
        pair = self._judged(together(both))
        if isinstance(pair, Block):
            self._meets = False
            return None
        if pair.reads_waiting and has_waited(pair.costs):
            self._waited += 1
            self._meets = self._waited < _WAITS
            return None
        self._waited = 0
        return pair

    def _alone(self, metrics: Sequence[str]) -> bool:
        """Whether a metric is asked for that would show the other side's presence."""
        return not _CPU_METRICS.issuperset(metrics)

    def _judged(self, ended: Mapping[Name, Finished | Reading]) -> _Pair | Block:
        """Both costs, or what to say where one side failed."""
        base, head = ended["base"], ended["head"]
        if isinstance(head, Reading):
            return Block(error=f"on the head, {_said(head)}")
        if not isinstance(base, Reading):
            return _Pair(base, head)
        if self._probes["base"].is_missing():
            return Block(error=f"the base has no such command: {base.error}", new=True)
        return Block(
            error=f"on the base, {_said(base)}; it works on the head: where the base is too old for "
            f"it, move the base by budgetguard baseline update --time"
        )

    def _values(self, metric: str, runs: Sequence[_Pair]) -> Block:
        match metric:
            case "cpu":
                return _block(runs, "cpu_s")
            case "peak_rss":
                return _block(runs, "peak_rss_bytes")
            case "time" if not self._reads_waiting:
                return replace(_block(runs, "cpu_s"), note=f"CPU time only: {NO_WAITING}")
            case "blocked" if not self._reads_waiting:
                return Block(error=f"{NO_WAITING}; put the limit on cpu")
            case "time" | "blocked":
                return _waited(metric, runs)
        return self._numbers(metric, runs)

    def _numbers(self, metric: str, runs: Sequence[_Pair]) -> Block:
        """A declared number, as each run printed it."""
        values: dict[Name, list[float]] = {"base": [], "head": []}
        for pair in runs:
            for name in SIDES:
                finished: Finished = getattr(pair, name)
                reading = self._probes[name].numbers(finished, {metric})[metric]
                if reading.error:
                    return Block(error=f"on the {name}, {reading.error}")
                values[name].append(reading.value)
        return Block(base=tuple(values["base"]), head=tuple(values["head"]))


def _asked(budget: Budget) -> tuple[str, ...]:
    """The metrics of its relative limits that are sampled, each once."""
    return tuple(dict.fromkeys(limit.metric.name for limit in budget.in_turn.limits))


def _pairs(warm: _Pair) -> int:
    """How many pairs a block has, from what one took."""
    walls = warm.base.wall_s, warm.head.wall_s
    pairs = LONG_PAIRS if max(walls) > LONG_S else SHORT_PAIRS
    return max(1, min(pairs, int(BLOCK_S / sum(walls))))


def _block(runs: Sequence[_Pair], field: Literal["cpu_s", "peak_rss_bytes"]) -> Block:
    return Block(
        base=tuple(getattr(pair.base, field) for pair in runs),
        head=tuple(getattr(pair.head, field) for pair in runs),
    )


def _waited(metric: Literal["time", "blocked"], runs: Sequence[_Pair]) -> Block:
    """Waiting, with CPU time or alone; a pair that suddenly cannot tell it is left out."""
    read = [pair for pair in runs if pair.reads_waiting]
    if 2 * len(read) < len(runs):
        return Block(
            error=f"{NO_WAITING}, which this command does in some runs and not in others; "
            f"put the limit on cpu"
        )
    base, head = ([_blocked(getattr(pair, name)) for pair in read] for name in SIDES)
    if metric == "time":
        base = [blocked + pair.base.cpu_s for blocked, pair in zip(base, read, strict=True)]
        head = [blocked + pair.head.cpu_s for blocked, pair in zip(head, read, strict=True)]
    return Block(base=tuple(base), head=tuple(head))


def _blocked(finished: Finished) -> float:
    return finished.blocked_s or 0.0


def _said(reading: Reading) -> str:
    """Why a run failed, with its last words."""
    return (
        f"{reading.error}; its last line: {reading.evidence[-1]}"
        if reading.evidence
        else reading.error
    )
