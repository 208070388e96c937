"""How two sides alternate: who waits for whom, and what a round is made of."""

import random
from dataclasses import replace
from typing import cast

import pytest

from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.rounds import (
    BLOCK_NS,
    MEET,
    PASS,
    ROUND_NS,
    SLICES,
    TOGETHER,
    WAIT,
    Plan,
    plan_of,
    rounds_of,
    steps_of,
)
from budgetguard.gate.sides.subjects import Cost, SweepOptions

MS = 1_000_000
OPTIONS = SweepOptions(reaper=cast("Reaper", None))  # nothing is started here


def unit(busy_ns: float, **more: object) -> dict[str, object]:
    """What a worker tells of one call."""
    told = {"mode": "straight", "busy_ns": busy_ns, "gross_ns": busy_ns, "alone": True, "waits": 0}
    return told | more


def planned(base: dict[str, object], head: dict[str, object], **options: object) -> Plan:
    return plan_of([base, head], replace(OPTIONS, **options))


def order_of(firsts: list[int]) -> list[int]:
    """The order in which two workers that follow their steps make their rounds; raises where they wait in vain."""
    steps = [list(one) for one in steps_of(firsts)]
    handed, order = [0, 0], []
    while any(steps):
        ready = [
            side for side in (0, 1) if steps[side] and (handed[side] or not steps[side][0] & WAIT)
        ]
        assert ready, "both wait for the other"
        assert len(ready) == 1 or not order, "both may run"
        side = ready[0] if order or len(ready) == 1 else firsts[0]
        step = steps[side].pop(0)
        handed[side] -= bool(step & WAIT)
        order.append(side)
        handed[1 - side] += bool(step & PASS)
    assert handed == [0, 0], f"a handover that nobody takes: {handed}"
    return order


@pytest.mark.parametrize("seed", range(30))
def test_one_side_runs_at_a_time(seed: int) -> None:
    """Whatever is drawn, each pair is made in its order and nobody is waited for in vain."""
    draw = random.Random(seed)
    firsts = [draw.randrange(2) for _ in range(1 + seed)]
    assert order_of(firsts) == [side for first in firsts for side in (first, 1 - first)]


def test_both_begin_together() -> None:
    """Rounds that run at the same time begin together, one by one."""
    assert steps_of([TOGETHER] * 3) == ([MEET] * 3, [MEET] * 3)


def test_short_calls_alternate_in_slices() -> None:
    """A round of short calls takes its time, in parts that are a tenth of it."""
    plan = planned(unit(10_000), unit(12_000))
    assert (plan.slices, plan.units) == (SLICES, ROUND_NS / SLICES / 10_000)
    assert plan.pairs * plan.units * plan.slices * 22_000 == pytest.approx(BLOCK_NS, rel=0.1)
    assert not plan.may_meet


def test_a_round_of_few_calls_has_no_more_slices() -> None:
    """A call cannot be cut."""
    plan = planned(unit(0.9 * MS), unit(0.9 * MS))
    assert (plan.slices, plan.units) == (6, 1)


@pytest.mark.parametrize(
    ("more", "may_meet"),
    [
        ({}, True),
        ({"mode": "fresh"}, False),
        ({"waits": 0.5}, False),
    ],
    ids=["works", "fresh fixtures", "waits"],
)
def test_long_calls_meet(more: dict[str, object], may_meet: bool) -> None:
    """Long calls run beside those of the other side where nothing speaks against it, and are not cut."""
    plan = planned(unit(3 * MS), unit(3 * MS, **more))
    assert (plan.slices, plan.units, plan.may_meet) == (1, 2, may_meet)


@pytest.mark.parametrize(("ms", "pairs"), [(4, 10), (20, 8), (40, 4), (500, 4), (3000, 1)])
def test_long_rounds_are_fewer(ms: float, pairs: int) -> None:
    """What takes long is called less often, and a subject takes no longer than it may."""
    assert planned(unit(ms * MS), unit(ms * MS)).pairs == pairs


def test_threads_do_not_alternate_finely() -> None:
    """What runs beside others is not cut into slices either."""
    assert planned(unit(10_000), unit(10_000, alone=False)).slices == 1


def test_a_slowdown_adds_whole_calls() -> None:
    """A part that is made slower by a tenth has ten calls at least."""
    assert planned(unit(0.5 * MS), unit(0.5 * MS), slowdown=0.1).units == 10


def test_a_round_is_the_sum_of_its_slices() -> None:
    """In seconds; blocked time is known where it is known of every slice."""
    plan = replace(planned(unit(10_000), unit(10_000)), slices=2)
    costs = [(MS, 0, MS), (MS, MS, 2 * MS), (MS, 0, MS), (MS, None, MS)]
    assert rounds_of(plan, costs) == [Cost(0.002, 0.001, 0.003), Cost(0.002, None, 0.002)]
