"""limit + reading + baseline -> verdict. Pure, and the only place that decides."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from budgetguard.gate.inference import decide
from budgetguard.gate.model import (
    Accepted,
    Budget,
    Limit,
    Outcome,
    Point,
    Reading,
    Rule,
    Stored,
    Verdict,
)
from budgetguard.units import show, show_change, show_together

WARN_DAYS = 14
"""How long before its end an accepted regression is warned about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What a limit is judged by besides its reading."""

    entries: Mapping[Point, Mapping[str, Stored]] = field(default_factory=dict)
    key: str = ""
    accepted: Sequence[Accepted] = ()
    today: dt.date = dt.date.min

    def stored(self, point: Point, *, keyed: bool) -> tuple[Stored | None, str]:
        """The value recorded under this machine's key, and the other keys there are when it is missing."""
        values = self.entries.get(point, {})
        found = values.get(self.key if keyed else "")
        return found, "" if found else ", ".join(sorted(values))


def judge(
    budget: Budget, limit: Limit, selector: str, reading: Reading | None, by: Yardstick
) -> Verdict:
    """Judge one limit on one part of a target."""
    verdict = Verdict(
        budget=budget.name,
        target=budget.target,
        limit=limit.text,
        outcome=Outcome.ERROR,
        metric=limit.metric.name,
        unit=limit.metric.unit,
        selector=selector,
        where=budget.where,
        enforced=budget.enforce,
    )
    if reading is None:
        return replace(verdict, reason="not measured", hint=_rerun(budget))
    if reading.skipped and budget.may_skip:
        return replace(verdict, outcome=Outcome.SKIPPED, reason=budget.may_skip)
    if reading.skipped:
        return replace(
            verdict,
            reason=reading.error,
            hint="allow it with may_skip: and a reason, or let it run",
        )
    if reading.error:
        return replace(verdict, reason=reading.error, evidence=reading.evidence)
    limit, note = _accept(budget, limit, by)
    verdict = replace(
        verdict, measured=reading.value, evidence=reading.evidence, note=note or reading.note
    )
    if limit.bound.relative:
        return _against_baseline(verdict, limit, reading, by)
    return _against_bound(verdict, limit, reading, by)


def holds(limit: Limit, value: float, bound: float) -> bool:
    """Whether `value` is on the right side of `bound`."""
    match limit.operator:
        case "<=":
            return value <= bound
        case "<":
            return value < bound
        case ">=":
            return value >= bound
        case ">":
            return value > bound


def allowed(limit: Limit, stored: Stored) -> float:
    """The bound that a `baseline` limit means: the looser of its steps, from the end of the spread."""
    value = stored.value or 0.0
    room = max(
        abs(value) * step.amount if step.of_baseline else step.amount for step in limit.bound.steps
    )
    return stored.high + room if limit.metric.better == "lower" else stored.low - room


def _accept(budget: Budget, limit: Limit, by: Yardstick) -> tuple[Limit, str]:
    for accepted in by.accepted:
        same = (accepted.limit.selector, accepted.limit.metric.name) == (
            limit.selector,
            limit.metric.name,
        )
        if not same or not budget.called(accepted.budget):
            continue
        left = (dt.date.fromisoformat(accepted.until) - by.today).days
        if left < 0:
            return (
                limit,
                f"the acceptance of `{accepted.limit.text}` ended on {accepted.until}: {accepted.reason}",
            )
        soon = f"; {left} days left" if left <= WARN_DAYS else ""
        return replace(
            accepted.limit, text=limit.text
        ), f"accepted until {accepted.until}: {accepted.limit.text}, {accepted.reason}{soon}"
    return limit, ""


def _against_bound(verdict: Verdict, limit: Limit, reading: Reading, by: Yardstick) -> Verdict:
    bound = limit.bound.value or 0.0
    verdict = replace(verdict, allowed=bound)
    if limit.metric.rule is Rule.EXACT:
        return _exact(verdict, limit, reading, by)
    if limit.metric.rule is Rule.INTERVAL:
        return _interval(verdict, limit, reading)
    decision = decide(limit.metric, reading.samples or (reading.value,), bound)
    verdict = replace(verdict, measured=decision.value, reason=decision.reason)
    match decision.state:
        case "within":
            return replace(verdict, outcome=Outcome.PASS)
        case "over":
            return _fail(verdict, limit)
        case "open":
            return replace(
                verdict,
                outcome=Outcome.UNSETTLED,
                hint="give the limit more room, or a quieter machine",
            )
        case "more":
            return replace(
                verdict,
                reason=f"too few readings: {decision.reason}",
                hint="make the body shorter, or limit wall",
            )


def _exact(verdict: Verdict, limit: Limit, reading: Reading, by: Yardstick) -> Verdict:
    bound = limit.bound.value or 0.0
    if holds(limit, reading.value, bound):
        return replace(verdict, outcome=Outcome.PASS)
    stored, _ = by.stored(_point(verdict), keyed=limit.metric.keyed)
    if (
        stored
        and stored.spread
        and stored.low <= reading.value <= stored.high
        and _straddles(limit, stored, bound)
    ):
        low, high = show_together((stored.low, stored.high), verdict.unit)
        reason = (
            f"the limit lies inside the spread of this value on unchanged code, {low} to {high}"
        )
        return replace(
            verdict,
            outcome=Outcome.UNSETTLED,
            reason=reason,
            hint="move the limit out of the spread",
        )
    return _fail(verdict, limit)


def _straddles(limit: Limit, stored: Stored, bound: float) -> bool:
    return holds(limit, stored.low, bound) != holds(limit, stored.high, bound)


def _interval(verdict: Verdict, limit: Limit, reading: Reading) -> Verdict:
    bound = limit.bound.value or 0.0
    low, high = reading.interval or (reading.value, reading.value)
    shown = " to ".join(show_together((low, high), verdict.unit))
    if holds(limit, high, bound):
        return replace(verdict, outcome=Outcome.PASS, reason=shown)
    if not holds(limit, low, bound):
        return _fail(replace(verdict, reason=shown), limit)
    return replace(verdict, outcome=Outcome.UNSETTLED, reason=f"between {shown}")


def _against_baseline(verdict: Verdict, limit: Limit, reading: Reading, by: Yardstick) -> Verdict:
    update = f"budgetguard baseline update {verdict.budget}"
    stored, others = by.stored(_point(verdict), keyed=limit.metric.keyed)
    if stored is None or stored.value is None:
        if others:
            reason = f"recorded under {others} only; this is {by.key}"
            return replace(verdict, reason=reason, hint=f"record it here: {update}")
        return replace(
            verdict, outcome=Outcome.NEW, reason="no value in the baseline yet", hint=update
        )
    bound = allowed(limit, stored)
    verdict = replace(verdict, allowed=bound, baseline=stored.value)
    if holds(limit, reading.value, bound):
        better = (
            reading.value < stored.low
            if limit.metric.better == "lower"
            else reading.value > stored.high
        )
        hint = f"better than the baseline; keep it: {update}" if better else ""
        return replace(verdict, outcome=Outcome.PASS, hint=hint)
    if stored.made_with != reading.made_with:
        now, then = reading.made_with or "nothing named", stored.made_with or "nothing named"
        reason = f"over the limit, but counted with {now}; the baseline was with {then}"
        return replace(verdict, reason=reason, hint=f"record it here: {update}")
    return _fail(verdict, limit)


def _fail(verdict: Verdict, limit: Limit) -> Verdict:
    measured, bound = verdict.measured or 0.0, verdict.allowed or 0.0
    shown, shown_bound = show_together((measured, bound), verdict.unit)
    beyond = "over" if limit.metric.better == "lower" else "under"
    change = ""
    if verdict.baseline is not None:
        change = f", {show_change(measured, verdict.baseline)} from {show(verdict.baseline, verdict.unit)}"
    said = f" ({verdict.reason})" if verdict.reason else ""
    reason = f"{shown} is {beyond} {shown_bound}{change}{said}"
    return replace(verdict, outcome=Outcome.FAIL, reason=reason, hint=_next_step(verdict))


def _next_step(verdict: Verdict) -> str:
    if verdict.baseline is not None:
        return f"find the change, or record it on purpose: budgetguard baseline update {verdict.budget}"
    return (
        f"bring it down, or change the limit at {verdict.where}"
        if verdict.where.file
        else "bring it down, or change the limit"
    )


def _rerun(budget: Budget) -> str:
    return f"see why: budgetguard explain {budget.name}"


def _point(verdict: Verdict) -> Point:
    return Point(verdict.budget, verdict.selector, verdict.metric)
