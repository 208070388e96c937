"""Two versions of a configuration and its baseline -> what is looser in the later one.

The earlier limits hold, as the later version's accepted entries leave them. The recorded values are
put to the same judge as measured ones. Pure.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from budgetguard.gate.config import Config
from budgetguard.gate.items import TARGET, TestOptions, budget_of, covers
from budgetguard.gate.judge import Yardstick, in_force, judge
from budgetguard.gate.limits import select
from budgetguard.gate.model import Accepted, Baseline, Budget, Limit, Point, Reading, Step, Stored
from budgetguard.gate.review.wording import entry, needed, widened
from budgetguard.gate.verdict import Outcome
from budgetguard.units import show_together

_NO_BASELINE = Baseline(exists=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one version says; the paths are for people."""

    config: Config | None
    baseline: Baseline = _NO_BASELINE
    config_path: str = ""
    baseline_path: str = ""

    @property
    def budgets(self) -> Mapping[str, Budget]:
        """The budgets of the configuration by name."""
        return {one.name: one for one in self.config.budgets} if self.config else {}

    @property
    def accepted(self) -> Sequence[Accepted]:
        """The accepted regressions of the configuration."""
        return self.config.accepted if self.config else ()


@dataclass(frozen=True, slots=True)
class Loosened:
    """One limit or value that is looser than before; `subject` says which, whatever the numbers."""

    subject: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """What a person has to accept, and what one should know."""

    loosened: tuple[Loosened, ...] = ()
    notes: tuple[str, ...] = ()


def review(before: State, after: State, today: dt.date) -> Review:
    """Compare two versions of one configuration and its baseline."""
    by = Yardstick(accepted=after.accepted, today=today)
    gone = replace(by, accepted=(*before.accepted, *after.accepted))
    found = [
        one
        for budget in before.budgets.values()
        if budget.enforce
        for one in _of_budget(budget, _successor(budget, before, after), after, by, gone)
    ]
    values = list(_of_values(before, after, by))
    return Review(
        loosened=(*found, *(one for one in values if isinstance(one, Loosened))),
        notes=(*_notes(before, after), *(one for one in values if isinstance(one, str))),
    )


def _successor(budget: Budget, before: State, after: State) -> Budget | None:
    """The same budget later; under another name, where it measures the same and only its name is new."""
    if budget.name in after.budgets:
        return after.budgets[budget.name]
    renamed = [
        one
        for one in after.budgets.values()
        if one.name not in before.budgets
        and (one.target, one.options) == (budget.target, budget.options)
    ]
    return renamed[0] if len(renamed) == 1 else None


def _of_budget(
    budget: Budget, now: Budget | None, after: State, by: Yardstick, gone: Yardstick
) -> Iterator[Loosened]:
    budget = replace(budget, name=now.name) if now else budget  # as an acceptance calls it
    for limit in budget.limits:
        held, _ = in_force(budget, limit, by)
        same = [one for one in now.limits if _kind(one) == _kind(limit)] if now else []
        if same and now and now.enforce:
            if _weaker(same[0], held):
                yield _weakened(limit, same[0], now, after, by.today)
        elif in_force(budget, limit, gone)[0] is limit:
            yield _removed(limit, budget, now, after, by.today)


def _kind(limit: Limit) -> tuple[str, str, str, bool]:
    return limit.selector, limit.metric.name, limit.metric.unit, limit.bound.relative


def _weaker(now: Limit, was: Limit) -> bool:
    """Whether a limit lets more through than another on the same metric."""
    if now.bound.value is not None and was.bound.value is not None:
        if now.bound.value == was.bound.value:
            return now.operator.endswith("=") and not was.operator.endswith("=")
        return (now.bound.value > was.bound.value) is (now.metric.better == "lower")
    if was.bound.value is not None:  # an absolute bound that was accepted for this relative limit
        return False
    return any(not _within(step, was.bound.steps) for step in now.bound.steps)


def _within(step: Step, steps: Sequence[Step]) -> bool:
    return step.amount == 0 or any(
        one.of_baseline is step.of_baseline and one.amount >= step.amount for one in steps
    )


def _weakened(was: Limit, now: Limit, budget: Budget, after: State, today: dt.date) -> Loosened:
    paste = _paste(budget.name, widened(was, now), after, today)
    text = (
        f"{_place(budget, after)}: budget {budget.name}: `{was.text}` became `{now.text}`\n"
        f"take it back, or accept it with a reason and an end, {paste}"
    )
    return Loosened(("limit", budget.name, *map(str, _kind(was))), text)


def _removed(
    limit: Limit, budget: Budget, now: Budget | None, after: State, today: dt.date
) -> Loosened:
    """What is not there any more can have no acceptance beside it: that one comes first."""
    if now is None:
        what = f"budget {budget.name} is gone, and its limit `{limit.text}`"
    elif not now.enforce:
        what = f"budget {budget.name}: `enforce: false`, so `{limit.text}` stops no build"
    else:
        what = f"budget {budget.name}: the limit `{limit.text}` is gone"
    paste = _paste(budget.name, limit.text, after, today)
    place = _place(now, after) if now else after.config_path
    text = (
        f"{place}: {what}\nput it back; or accept that in a commit of its own and take both out in "
        f"a later one, {paste}"
    )
    return Loosened(("removed", budget.name, *map(str, _kind(limit))), text)


def _paste(budget: str, limit: str, after: State, today: dt.date) -> str:
    under = "" if after.accepted else ", a new key at its end"
    item = entry(budget, limit, after.config_path, today)
    return f"under `accepted:` in {after.config_path}{under}:\n{item}"


def _place(budget: Budget, after: State) -> str:
    line = budget.where.line
    return after.config_path if line is None else f"{after.config_path}:{line}"


def _of_values(before: State, after: State, by: Yardstick) -> Iterator[Loosened | str]:
    """What was recorded anew, by the limits of before; a note where those are not known here."""
    if before.baseline.entries and after.config and not after.baseline.exists:
        yield _deleted(before, after)
        return
    unknown = []
    for point, values in before.baseline.entries.items():
        limits = list(_limits_on(point, values, before, after))
        for budget, limit in limits:
            yield from _of_point(point, budget, limit, before, after, by)
        if not limits and "::" in point.budget:
            unknown += list(_worse(point, values, after.baseline.entries.get(point, {})))
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        yield (
            f"{after.baseline_path}: {unknown[0]}{more}: no limit of the configuration is on it; "
            f"those of markers are not read here, budgetguard check judges by them"
        )


def _deleted(before: State, after: State) -> Loosened:
    path = before.baseline_path
    number = len(before.baseline.entries)
    many = "1 recorded value" if number == 1 else f"{number} recorded values"
    text = (
        f"{path}: is deleted, and with it {many}: what it guarded would be NEW, which is green\n"
        f"restore it: git checkout HEAD -- {path}; or move it along with "
        f"{after.config_path}"
    )
    return Loosened(("deleted", "baseline"), text)


def _limits_on(
    point: Point, values: Mapping[str, Stored], before: State, after: State
) -> Iterator[tuple[Budget, Limit]]:
    """The relative limits on a recorded value, of before; of now where that could not be read."""
    budgets = before.budgets if before.config else after.budgets
    budget = budgets.get(point.budget)
    if budget is None and any(stored.target == TARGET for stored in values.values()):
        budget = _item(point.budget, budgets.values())
    if budget is None or not budget.enforce:
        return
    now = _successor(budget, before, after)
    budget = replace(budget, name=now.name) if now else budget  # as an acceptance calls it
    for limit in budget.limits:
        recorded = limit.bound.relative and limit.metric.exact and limit.metric.name == point.metric
        same = point.selector == limit.selector
        if recorded and (same or select(limit.selector, [point.selector]) == [point.selector]):
            yield budget, limit


def _item(name: str, groups: Collection[Budget]) -> Budget | None:
    """The budget of a test by the groups that name it; an expression on markers is not evaluated here."""
    own = [
        group
        for group in groups
        if isinstance(group.options, TestOptions) and covers(group.options, name, _unmarked)
    ]
    return budget_of(name, (), own) if own else None


def _unmarked(_: str) -> bool:
    return False


def _of_point(
    point: Point, budget: Budget, limit: Limit, before: State, after: State, by: Yardstick
) -> Iterator[Loosened | str]:
    old = before.baseline.entries[point]
    new = _moved(point, before, after)
    if not new:
        named = limit.selector == point.selector and "::" not in point.budget
        still = budget.name in after.budgets
        if named and still and in_force(budget, limit, by)[0] is limit:
            yield _dropped(point, budget, limit, after, by.today)
        return
    for key in sorted(old.keys() & new.keys()):
        if old[key].value is not None and new[key].value is not None:
            told = _recorded(point, key, budget, limit, (old[key], new[key]), after, by)
            yield from told


def _moved(point: Point, before: State, after: State) -> Mapping[str, Stored]:
    """The later values of a point, under the new name of its budget where that was renamed."""
    entries = after.baseline.entries
    budget = before.budgets.get(point.budget)
    now = _successor(budget, before, after) if budget else None
    return entries.get(point, {}) or entries.get(
        point._replace(budget=now.name) if now else point, {}
    )


def _dropped(point: Point, budget: Budget, limit: Limit, after: State, today: dt.date) -> Loosened:
    name = " ".join(part for part in point if part)
    paste = _paste(budget.name, limit.text, after, today)
    text = (
        f"{after.baseline_path}: {name} is dropped, so `{limit.text}` would be NEW, which is green\n"
        f"record it: budgetguard baseline update; or accept that with a reason and an end, "
        f"{paste}"
    )
    return Loosened(("dropped", *point), text)


def _recorded(
    point: Point,
    key: str,
    budget: Budget,
    limit: Limit,
    values: tuple[Stored, Stored],
    after: State,
    by: Yardstick,
) -> Iterator[Loosened | str]:
    """What the judge says when the later value is measured and the earlier one is the baseline."""
    old, new = values
    worst = new.high if limit.metric.better == "lower" else new.low
    entries = {point._replace(budget=budget.name): {key: old}}
    yardstick = replace(by, entries=entries, key=key)
    reading = Reading(value=worst, made_with=new.made_with)
    verdict = judge(budget, limit, point.selector, reading, yardstick)
    name = " ".join(part for part in point if part)
    if verdict.outcome is Outcome.ERROR:
        yield f"{after.baseline_path}: {name}: not compared with the value before: {verdict.reason}"
    elif verdict.outcome is Outcome.FAIL:
        paste = _paste(budget.name, needed(limit, old, worst), after, by.today)
        yield Loosened(
            ("value", *point, key),
            f"{after.baseline_path}: {name}: {verdict.reason}; the limit is `{limit.text}`\n"
            f"bring it down and record it again, or accept it with a reason and an end, {paste}",
        )


def _worse(point: Point, values: Mapping[str, Stored], now: Mapping[str, Stored]) -> Iterator[str]:
    name = " ".join(part for part in point if part)
    for key in sorted(values.keys() & now.keys()):
        old, new = values[key], now[key]
        worst, bound = (new.high, old.high) if old.better == "lower" else (-new.low, -old.low)
        if old.value is not None and new.value is not None and worst > bound:
            was, is_now = show_together((old.value, new.value), new.unit)
            yield f"{name} went from {was} to {is_now}"


def _notes(before: State, after: State) -> Iterator[str]:
    was, now = before.baseline.time, after.baseline.time
    if was and now and was != now:
        yield (
            f"{after.baseline_path}: time is compared with {now} instead of {was}: "
            f"what was lost between is not looked for any more"
        )
    for name, budget in before.budgets.items():
        same = after.budgets.get(name)
        if same and (same.target, same.options) != (budget.target, budget.options):
            yield f"{_place(same, after)}: budget {name} measures something else than before"
        if same and same.may_skip and not budget.may_skip:
            yield f"{_place(same, after)}: budget {name} may be skipped now: {same.may_skip}"
