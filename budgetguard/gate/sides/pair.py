"""Base and head face to face over one subject: one mode, one number of calls, rounds in turn."""

import random
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from budgetguard.gate.sides.pinning import pinned
from budgetguard.gate.sides.subjects import Cost, Served, SweepOptions
from budgetguard.gate.sides.workers import Worker, answers

ROUND_NS = 5_000_000
"""What a round of the faster side should take. Sixteen pairs of such rounds vary half as much on a
loaded machine as eight pairs of twice the length, because neighbours come and go within them."""
FEWEST_PAIRS = 8
"""Of rounds that are longer, as a body is that takes longer."""
BLOCK_NS = 160_000_000
"""What the rounds of one subject should take together, where that is enough for `FEWEST_PAIRS`."""
LONGEST_NS = 250_000_000
"""A round of several calls takes at most this on the slower side."""
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
            alone = all(told["alone"] for told in self._told)
            with pinned([worker.pid for worker in self._workers], core if alone else None):
                served = self._measure()
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

    def _measure(self) -> Served | None:
        """The pairs of rounds; None where a side has to begin again."""
        units, pairs = plan(self._told, self._options)
        calls = (units, ceil(units * (1 + self._options.slowdown)))
        slowest_s = units * max(float(told["gross_ns"]) for told in self._told) / 1e9
        rounds: list[tuple[Cost, Cost]] = []
        for _ in range(pairs):
            costs: dict[int, Cost] = {}
            for which in self._order.sample((0, 1), 2):
                self._workers[which].send({"do": "round", "units": calls[which]})
                told = self._next(which, self._options.round_s + _PATIENCE * slowest_s)
                if told["kind"] != "round":
                    self._told[which] = told
                    return None
                if told["units"] != calls[which]:
                    raise self._workers[which].died("was ended: it made another number of calls")
                costs[which] = to_cost(told["cost"])
            rounds.append((costs[0], costs[1]))
        mode = str(self._told[0]["mode"])
        return Served(rounds=tuple(rounds), units=units, mode=SHOWN_MODES.get(mode, mode))

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
            if self._told[which]["kind"] in ("ready", "round"):
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


def plan(told: Sequence[Message], options: SweepOptions) -> tuple[int, int]:
    """Calls a round, the same on both sides, and pairs.

    The larger number of calls of the two: the faster side's rounds must be long enough for the clock,
    and the slower side's are only longer for it. Both are bounded by what a round and a subject may take.
    """
    busy_ns = [max(float(one["busy_ns"]), 1.0) for one in told]
    gross_ns = [max(float(one["gross_ns"]), 1.0) for one in told]
    wanted = max(ceil(ROUND_NS / one) for one in busy_ns)
    units = max(1, min(wanted, int(LONGEST_NS / max(gross_ns))))
    enough = max(FEWEST_PAIRS, int(BLOCK_NS / (units * sum(busy_ns))))
    bearable = int(options.subject_s * 1e9 / (units * sum(gross_ns)))
    return units, max(1, min(options.pairs, enough, bearable))


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


def to_cost(told: Sequence[int | None]) -> Cost:
    """A round's cost in seconds."""
    cpu_ns, blocked_ns, wall_ns = told
    blocked_s = None if blocked_ns is None else blocked_ns / 1e9
    return Cost((cpu_ns or 0) / 1e9, blocked_s, (wall_ns or 0) / 1e9)
