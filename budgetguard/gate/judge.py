"""limit + reading + baseline -> verdict. Pure, and the only place that decides."""

import datetime as dt
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from budgetguard.gate.inference import decide
from budgetguard.gate.judge_pairs import judge_pairs
from budgetguard.gate.model import Accepted, Budget, Limit, Point, Reading, Rule, Step, Stored
from budgetguard.gate.verdict import Outcome, Verdict
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
        where=limit.where or budget.where,
        enforced=budget.enforce and limit.enforce,
    )
    if reading is None:
        return replace(verdict, reason="not measured", hint=_rerun(budget))
    if reading.skipped or reading.error or reading.unsettled:
        return _unread(verdict, budget, reading)
    if strange := _no_number(reading):
        return replace(verdict, reason=f"read as {strange}, which is no number to judge")
    limit, note = in_force(budget, limit, by)
    verdict = replace(
        verdict, measured=reading.value, evidence=reading.evidence, note=note or reading.note
    )
    if reading.compared:
        return judge_pairs(verdict, limit, reading.compared)
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


def beyond(limit: Limit, reading: Reading) -> bool:
    """Whether the whole interval of a reading lies on the wrong side of an absolute limit."""
    low, high = reading.interval or (reading.value, reading.value)
    best = low if limit.metric.better == "lower" else high
    return not holds(limit, best, limit.bound.value or 0.0)


def allowed(limit: Limit, stored: Stored) -> float:
    """The bound that a `baseline` limit means: the looser of its steps, from the end of the spread."""
    room = _loosest(limit.bound.steps, stored)
    return stored.high + room if limit.metric.better == "lower" else stored.low - room


def _unread(verdict: Verdict, budget: Budget, reading: Reading) -> Verdict:
    if reading.unsettled:
        reason, evidence = reading.unsettled, reading.evidence
        return replace(verdict, outcome=Outcome.UNSETTLED, reason=reason, evidence=evidence)
    if reading.skipped and budget.may_skip:
        return replace(verdict, outcome=Outcome.SKIPPED, reason=budget.may_skip)
    hint = "allow it with may_skip: and a reason, or let it run" if reading.skipped else ""
    return replace(verdict, reason=reading.error, evidence=reading.evidence, hint=hint)


def _no_number(reading: Reading) -> str:
    """What was read in place of a number; NaN lies on no side of any bound."""
    strange = [v for v in (reading.value, *reading.samples) if not math.isfinite(v)]
    strange += [v for v in reading.interval or () if math.isnan(v)]
    return str(strange[0]) if strange else ""


def in_force(budget: Budget, limit: Limit, by: Yardstick) -> tuple[Limit, str]:
    """The limit that holds today and what to tell of it; of several acceptances the loosest holds.

    Whoever takes readings asks here, too: how many it takes depends on the bound.
    """
    mine = [accepted for accepted in by.accepted if _accepts(accepted, budget, limit)]
    if not mine:
        return limit, ""
    today = by.today.isoformat()
    live = [accepted for accepted in mine if accepted.until >= today]
    accepted = max(live, key=_looseness) if live else max(mine, key=lambda one: one.until)
    text, until = accepted.limit.text, accepted.until
    left = (dt.date.fromisoformat(until) - by.today).days
    if left < 0:
        return limit, f"the acceptance of `{text}` ended on {until}: {accepted.reason}"
    soon = f"; {left} days left" if left <= WARN_DAYS else ""
    loosened = replace(accepted.limit, text=limit.text, enforce=limit.enforce, where=limit.where)
    return loosened, f"accepted until {until}: {text}, {accepted.reason}{soon}"


def _accepts(accepted: Accepted, budget: Budget, limit: Limit) -> bool:
    """Whether a limit is loosened: of an absolute and a relative one only that of the same kind."""
    if not budget.called(accepted.budget) or _subject(accepted.limit) != _subject(limit):
        return False
    kinds = {one.bound.relative for one in budget.limits if _subject(one) == _subject(limit)}
    other = accepted.limit.bound
    if other.relative is not limit.bound.relative:
        return not other.relative and False not in kinds
    if other.value is None or limit.bound.value is None:
        return _at_least(other.steps, limit.bound.steps)
    return holds(limit, limit.bound.value, other.value) or other.value == limit.bound.value


def _at_least(loose: Sequence[Step], tight: Sequence[Step]) -> bool:
    """Whether every step of one bound has its equal or better in the other; none of 0 needs one."""
    return all(
        step.amount == 0
        or any(one.of_baseline is step.of_baseline and one.amount >= step.amount for one in loose)
        for step in tight
    )


def _looseness(accepted: Accepted) -> tuple[float, str]:
    bound, better = accepted.limit.bound, accepted.limit.metric.better
    room = bound.value if bound.value is not None else sum(step.amount for step in bound.steps)
    return (room if better == "lower" or bound.relative else -room), accepted.until


def _subject(limit: Limit) -> tuple[str, str]:
    return limit.selector, limit.metric.name


def _against_bound(verdict: Verdict, limit: Limit, reading: Reading, by: Yardstick) -> Verdict:
    bound = limit.bound.value or 0.0
    verdict = replace(verdict, allowed=bound)
    if limit.metric.rule is Rule.EXACT:
        return _exact(verdict, limit, reading, by)
    if limit.metric.rule in (Rule.INTERVAL, Rule.TWICE):
        return _interval(verdict, limit, reading)
    samples, strict = reading.samples or (reading.value,), limit.operator in ("<", ">")
    decision = decide(limit.metric, samples, bound, strict=strict)
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
    shown = " to ".join(show_together((low, high), verdict.unit)) if low != high else ""
    if holds(limit, high if limit.metric.better == "lower" else low, bound):
        return replace(verdict, outcome=Outcome.PASS, reason=shown)
    if beyond(limit, reading):
        twice = "twice" if len(reading.samples) > 1 else ""
        return _fail(replace(verdict, reason=", ".join(filter(None, (shown, twice)))), limit)
    return replace(verdict, outcome=Outcome.UNSETTLED, reason=f"between {shown}")


def _against_baseline(verdict: Verdict, limit: Limit, reading: Reading, by: Yardstick) -> Verdict:
    update = _update(verdict.budget)
    stored, others = by.stored(_point(verdict), keyed=limit.metric.keyed)
    if stored is not None and stored.value is None:
        return replace(verdict, reason="its entry in the baseline has lost its value", hint=update)
    if stored is None or stored.value is None:
        if others:
            reason = f"recorded under {others} only; this is {by.key}"
            return replace(verdict, reason=reason, hint=f"record it here: {update}")
        return replace(
            verdict, outcome=Outcome.NEW, reason="no value in the baseline yet", hint=update
        )
    if (stored.unit, stored.better) != (limit.metric.unit, limit.metric.better):
        reason = f"recorded in {stored.unit}, {stored.better} is better; it is now in "
        reason += f"{limit.metric.unit}, {limit.metric.better} is better"
        return replace(verdict, reason=reason, hint=f"record it anew: {update}")
    bound = allowed(limit, stored)
    verdict = replace(verdict, allowed=bound, baseline=stored.value)
    unchanged = stored.low <= reading.value <= stored.high
    if unchanged or holds(limit, reading.value, bound):
        better = (
            reading.value < stored.low
            if limit.metric.better == "lower"
            else reading.value > stored.high
        )
        hint = f"better than the baseline; keep it: {update}" if better else ""
        return replace(verdict, outcome=Outcome.PASS, hint=hint)
    return _beyond(verdict, limit, reading, stored)


def _beyond(verdict: Verdict, limit: Limit, reading: Reading, stored: Stored) -> Verdict:
    if stored.made_with != reading.made_with:
        now, then = reading.made_with or "nothing named", stored.made_with or "nothing named"
        reason = f"over the limit, but counted with {now}; the baseline was with {then}"
        hint = f"record it here: {_update(verdict.budget)}"
        return replace(verdict, reason=reason, hint=hint)
    if holds(limit, reading.value, _doubtful(limit, stored, verdict.allowed or 0.0)):
        return _within_grain(verdict, stored)
    return _fail(verdict, limit)


def _doubtful(limit: Limit, stored: Stored, bound: float) -> float:
    """How far beyond `bound` unchanged code may still come: the grain, and once more the spread seen.

    Three sessions see less than the whole spread of a value that never repeats.
    """
    if not limit.metric.grain:
        return bound
    doubt = _loosest(limit.metric.grain, stored) + stored.high - stored.low
    return bound + doubt if limit.metric.better == "lower" else bound - doubt


def _loosest(steps: Sequence[Step], stored: Stored) -> float:
    value = abs(stored.value or 0.0)
    return max(value * step.amount if step.of_baseline else step.amount for step in steps)


def _within_grain(verdict: Verdict, stored: Stored) -> Verdict:
    measured, bound = show_together((verdict.measured or 0.0, verdict.allowed or 0.0), verdict.unit)
    seen = "" if stored.spread is None else ", which varied between sessions"
    reason = f"{measured} is over {bound} by less than {verdict.metric} repeats to{seen}"
    hint = "give the limit a step, such as baseline + 2%"
    return replace(verdict, outcome=Outcome.UNSETTLED, reason=reason, hint=hint)


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
        return f"find the change, or record it on purpose: {_update(verdict.budget)}"
    return (
        f"bring it down, or change the limit at {verdict.where}"
        if verdict.where.file
        else "bring it down, or change the limit"
    )


def _rerun(budget: Budget) -> str:
    return f"see why: budgetguard explain {shlex.quote(budget.name)}"


def _update(name: str) -> str:
    """The command that records a budget, as a shell reads it: names hold spaces and brackets."""
    return f"budgetguard baseline update {shlex.quote(name)}"


def _point(verdict: Verdict) -> Point:
    return Point(verdict.budget, verdict.selector, verdict.metric)
