"""A/A on this machine: the work tree against itself, and what that says of each limit on time."""

import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from budgetguard.errors import MeasureError
from budgetguard.gate.config import Config
from budgetguard.gate.contest import no_wait, steps_of
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Baseline, Budget, Limit, Point, Request
from budgetguard.gate.paired import Floor, block_value, floor_of, room_of
from budgetguard.gate.run import check_names, measure, yardstick
from budgetguard.gate.side import CANARY_POINT, Block, Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets import COMPARED, TARGETS, duel_of

BLOCKS = 8
PROPOSED = {
    "test": "time <= baseline + 5%",
    "command": "time <= baseline + 5%",
    "load": "p95 <= baseline + 10%",
}
"""What a benchmark without a relative limit on time is tried with."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One limit on this machine: its noise, or why there is none."""

    budget: str
    limit: Limit
    own: bool
    """Whether the budget has this limit, or it is only proposed."""
    room: float = 0.0
    floor: Floor | None = None
    error: str = ""

    @property
    def too_tight(self) -> bool:
        """Whether unchanged code would not pass it here, even with all blocks."""
        return self.floor is not None and self.room <= self.floor.passes

    @property
    def finds(self) -> float | None:
        """The smallest change, as a ratio, that is nearly always found; None without an end."""
        if self.floor is None or not math.isfinite(self.room):
            return None
        return self.floor.finds(self.room)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The noise of every limit, and of the canary, by which machines can be compared."""

    limits: tuple[Calibrated, ...]
    canary: Floor | None


def calibrate(config: Config, request: Request, blocks: int = BLOCKS) -> Calibration:
    """Measure the same code on both sides, `blocks` times. Raises `MeasureError` where nothing can be."""
    measured = measure(config, request)
    check_names(request, [*measured.budgets, *config.budgets])
    known = {one.name: one for one in measured.budgets if one.target in COMPARED}
    if not known:
        raise MeasureError(
            "no test or command to time was found; write a budget first: budgetguard init"
        )
    broken = {
        point.budget: reading.error
        for point, reading in measured.readings.items()
        if not point.metric and reading.error
    }
    tried = [_tried(one) for one in known.values()]
    taken = _taken([one for one in tried if one.name not in broken], config, request, blocks)
    by = yardstick(config, Baseline())
    rows = []
    for budget in tried:
        for limit in budget.limits:
            row = Calibrated(budget.name, limit, own=limit in known[budget.name].limits)
            why = broken.get(budget.name, "")
            rows.append(replace(row, error=why) if why else _calibrated(row, budget, taken, by))
    canary = [block_value(one) for one in taken.get(CANARY_POINT, ()) if one.base]
    return Calibration(tuple(rows), floor_of(canary) if canary else None)


def _tried(budget: Budget) -> Budget:
    """The budget with its relative limits on sampled metrics, or with the one that is proposed."""
    target = TARGETS[budget.target]
    proposed = parse_limit(PROPOSED[target.NAME], target.METRICS)
    return replace(budget, limits=budget.in_turn.limits or (proposed,))


def _taken(
    budgets: Sequence[Budget], config: Config, request: Request, blocks: int
) -> dict[Point, list[Block]]:
    """The blocks of every limit; what fails once is not asked again."""
    head = Side("head", config.folder, sys.executable)
    draw = random.Random()  # noqa: S311  # hash seeds, no secret
    taken: dict[Point, list[Block]] = {}
    with Reaper() as reaper:
        for target in COMPARED:
            own = [budget for budget in budgets if budget.target == target]
            duel = duel_of(target, replace(head, name="base"), head, request, reaper)
            for number in range(blocks if own else 0):
                request.watch(f"the work tree against itself, block {number + 1} of {blocks}")
                told = duel.block(own, draw.randrange(2**32))
                for point, block in told.items():
                    taken.setdefault(point, []).append(block)
                failed = {point.budget for point, block in told.items() if block.error}
                own = [budget for budget in own if budget.name not in failed]
                if not own:
                    break
    return taken


def _calibrated(
    row: Calibrated, budget: Budget, taken: Mapping[Point, Sequence[Block]], by: Yardstick
) -> Calibrated:
    """What the blocks of a limit say."""
    limit = row.limit
    blocks = taken.get(Point.of(budget, limit), ())
    failed = next((block.error for block in blocks if block.error), "")
    if failed or not blocks:
        return replace(row, error=failed or "it was not measured")
    no_wait_s = no_wait(limit)
    sign = 1 if limit.metric.better == "lower" else -1
    values = [sign * block_value(block, no_wait_s) for block in blocks]
    if not all(map(math.isfinite, values)):
        return replace(row, error="it was read as 0 on one side only, which has no ratio")
    base = median(median(block.base) for block in blocks)
    room = room_of(steps_of(budget, limit, by), base, no_wait_s)
    return replace(row, room=room, floor=floor_of(values))
