"""Base and head face to face over one subject: one mode, one number of calls, rounds in turn."""

import random
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from budgetguard.gate.sides.pinning import metronome, pinned
from budgetguard.gate.sides.rounds import (
    TOGETHER,
    Plan,
    firsts_of,
    plan_of,
    rounds_of,
    steps_of,
    waited,
)
from budgetguard.gate.sides.subjects import Cost, Served, SweepOptions
from budgetguard.gate.sides.workers import Worker, answers

END_S = 120.0
"""Until an item's asserts and tear-downs have run."""
_PATIENCE = 20.0
_MOST_MESSAGES = 8
_MODES = {"straight": 0, "fresh": 1, "process": 2}
SHOWN_MODES = {
    "straight": "called again in place",
    "fresh": "called again with fresh fixtures",
    "process": "one process per call",
}

Message = Mapping[str, Any]


class AnotherProcess(Exception):
    """The subject's calls need a process each, so that it has to be served again from its start."""


class Turn:
    """One subject, from the set-up of its item to the tear-down, on both sides."""

    def __init__(
        self, workers: Sequence[Worker], number: int, options: SweepOptions, order: random.Random
    ) -> None:
        self._workers = workers
        self._number = number
        self._options = options
        self._order = order
        self._told: list[Message] = []
        self._batches = 0

    def serve(self, core: int | None) -> Served:
        """Rounds in pairs, or why there are none. Raises `WorkerDied` and `AnotherProcess`."""
        self._told = [self._expect(told, n) for n, told in enumerate(self._both())]
        served = self._recorded() if self._options.record else self._rounds(core)
        unrepeatable = any(told["kind"] == "unrepeatable" for told in self._told)
        self._finish()
        problem = self._outcomes() or origins(self._told)
        if problem:
            return Served(error=problem, mode=served.mode)
        if unrepeatable:
            raise AnotherProcess
        return served

    def _recorded(self) -> Served:
        if any(told["kind"] != "prints" for told in self._told):
            return Served(error=self._stuck())
        base, head = (dict(told["prints"]) for told in self._told)
        return Served(prints=(base, head))

    def _rounds(self, core: int | None) -> Served:
        """Negotiate and measure; a body that fails in a later call begins again in another mode."""
        for _ in _MODES:
            self._agree()
            if any(told["kind"] != "ready" for told in self._told):
                return Served(error=self._stuck())
            problem = origins(self._told)
            if problem:
                return Served(error=problem)
            core = core if all(told["alone"] for told in self._told) else None
            with pinned([worker.pid for worker in self._workers], core) as placed:
                served = self._measure(core if placed else None)
            if served is not None:
                return served
        return Served(error="its body cannot be called again on one of the sides")

    def _agree(self) -> None:
        """Both in the more conservative mode of the two: a call must be the same thing on both sides."""
        if any(told["kind"] != "ready" for told in self._told):
            return
        modes = [str(told["mode"]) for told in self._told]
        common = max(modes, key=lambda mode: _MODES.get(mode, 0))
        for which, mode in enumerate(modes):
            if mode != common:
                self._workers[which].send({"do": "mode", "mode": common})
                self._told[which] = self._next(which, self._options.reach_s)

    def _measure(self, core: int | None) -> Served | None:
        """The pairs of rounds; None where a side has to begin again."""
        plan = plan_of(self._told, self._options)
        if core is None or not plan.may_meet:
            return self._in_turn(plan)
        with metronome(core):
            served = self._rounds_of(plan, lambda: TOGETHER)
        if served is None or not any(waited(cost) for pair in served.rounds for cost in pair):
            return served
        return self._in_turn(plan)

    def _in_turn(self, plan: Plan) -> Served | None:
        return self._rounds_of(plan, lambda: self._order.randrange(2))

    def _rounds_of(self, plan: Plan, first: Callable[[], int]) -> Served | None:
        """Batch after batch; `first` says who begins each pair of slices."""
        rounds: list[tuple[Cost, Cost]] = []
        while len(rounds) < plan.pairs:
            count = min(plan.batch, plan.pairs - len(rounds))
            batch = self._batch(plan, count, firsts_of(plan, count, first))
            if batch is None:
                return None
            rounds += batch
        mode = str(self._told[0]["mode"])
        calls = plan.units * plan.slices
        return Served(rounds=tuple(rounds), units=calls, mode=SHOWN_MODES.get(mode, mode))

    def _batch(
        self, plan: Plan, count: int, firsts: Sequence[int]
    ) -> list[tuple[Cost, Cost]] | None:
        """So many pairs of rounds; None where a side has to begin again."""
        self._batches += 1
        calls = (plan.units, ceil(plan.units * (1 + self._options.slowdown)))
        within_s = self._options.round_s + _PATIENCE * 2 * count * plan.slowest_s
        order = {"do": "rounds", "batch": self._batches, "within_s": 0.9 * within_s}
        for worker, units, steps in zip(self._workers, calls, steps_of(firsts), strict=True):
            worker.send({**order, "units": units, "steps": steps})
        told = answers(self._workers, within_s)
        for which, one in enumerate(told):
            if self._expect(one, which)["kind"] != "rounds":
                self._told[which] = one
        if any(one["kind"] != "rounds" for one in told):
            return None
        for worker, one, units in zip(self._workers, told, calls, strict=True):
            if one["units"] != units or len(one["costs"]) != len(firsts):
                raise worker.died("was ended: it made another number of calls")
        base, head = (rounds_of(plan, one["costs"]) for one in told)
        return list(zip(base, head, strict=True))

    def _stuck(self) -> str:
        """Why a side did not become ready, where the outcome of its item does not tell."""
        whys = [
            f"{worker.name}: it cannot be called again: {told['why']}"
            for worker, told in zip(self._workers, self._told, strict=True)
            if told["kind"] in ("stuck", "unrepeatable")
        ]
        return "; ".join(whys) or "its body was not measured on one of the sides"

    def _finish(self) -> None:
        """Let the items end, with their asserts and tear-downs."""
        for which, worker in enumerate(self._workers):
            if self._told[which]["kind"] in ("ready", "rounds"):
                worker.send({"do": "done"})
        for which in range(len(self._workers)):
            for _ in range(_MOST_MESSAGES):
                if self._told[which]["kind"] == "end":
                    break
                self._told[which] = self._next(which, END_S)
                if self._told[which]["kind"] == "ready":
                    self._workers[which].send({"do": "done"})
            else:
                raise self._workers[which].died("was ended: it did not come to an end")

    def _outcomes(self) -> str:
        """What is wrong with how the items ended: an error on one side is never a verdict."""
        base, head = self._told
        if base["outcome"] == head["outcome"] == "passed":
            return ""
        if base["outcome"] == head["outcome"]:
            same = "the test is skipped" if head["outcome"] == "skipped" else "the test fails"
            if head["outcome"] == "problem":
                return str(head["why"])
            return f"{same} by itself on both sides: {head['why']}; mend it first"
        shown = [
            f"{worker.name} {_ENDS.get(told['outcome'], told['outcome'])}"
            + (f" ({told['why']})" if told["why"] else "")
            for worker, told in zip(self._workers, self._told, strict=True)
        ]
        return f"the sides end differently: {', '.join(shown)}"

    def _both(self) -> list[dict[str, Any]]:
        return answers(self._workers, self._options.reach_s)

    def _next(self, which: int, timeout_s: float) -> Message:
        return self._expect(answers([self._workers[which]], timeout_s)[0], which)

    def _expect(self, told: Message, which: int) -> Message:
        if told["kind"] == "broken":
            raise self._workers[which].died(f"ended pytest: {told.get('why')}")
        if told.get("id") != self._number:
            raise self._workers[which].died("is out of step")
        return told


_ENDS = {
    "passed": "passes",
    "failed": "fails",
    "skipped": "is skipped",
    "problem": "is not measured",
}


def origins(told: Sequence[Message]) -> str:
    """What is wrong with where the sides' code came from."""
    names = ("base", "head")
    for name, other, one in zip(names, reversed(names), told, strict=True):
        if one.get("foreign"):
            loaded = ", ".join(one["foreign"])
            return (
                f"{name} loaded modules of {other}: {loaded}; "
                f"its environment must hold its own build, see `setup:`"
            )
    tops = {str(top) for one in told for top in one.get("tops", ())}
    base, head = (
        {str(name) for name in one.get("extensions", ()) if name.partition(".")[0] in tops}
        for one in told
    )
    if base != head:
        only = [
            f"{', '.join(sorted(more))} only on {name}"
            for name, more in (("base", base - head), ("head", head - base))
            if more
        ]
        return (
            f"the sides load other extension modules: {'; '.join(only)}; build both, see `setup:`"
        )
    return ""
