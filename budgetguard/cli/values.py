"""Entries of the baseline and their changes, as lines for people and rows for programs."""

from budgetguard.gate.changes import Change
from budgetguard.gate.model import Point, Stored
from budgetguard.gate.report.wording import visible
from budgetguard.gate.verdict import Verdict
from budgetguard.units import show, show_change, show_together


def stored_line(point: Point, key: str, stored: Stored) -> str:
    """`app-bundle brotli  142 kB, 141.9 to 142.1 kB, cpython-3.11-linux-x86_64`."""
    told = [value_of(stored)]
    if stored.spread:
        told.append(f"spread {' to '.join(show_together(stored.spread, stored.unit))}")
    told += [part for part in (stored.made_with, key) if part]
    return f"{name_of(point)}  {' · '.join(visible(part) for part in told)}"


def stored_row(point: Point, key: str, stored: Stored) -> dict[str, object]:
    """The same in canonical units."""
    return {
        "budget": point.budget,
        "target": stored.target,
        "selector": point.selector,
        "metric": point.metric,
        "key": key,
        "value": stored.value,
        "unit": str(stored.unit),
        "spread": list(stored.spread) if stored.spread else None,
        "made_with": stored.made_with,
        "better": stored.better,
    }


def change_line(change: Change) -> str:
    """`app-bundle brotli  142 kB -> 146 kB, +2.8 %`."""
    return f"{name_of(change.point)}  {_change(change.old, change.new)}" + (
        f" · {visible(change.key)}" if change.key else ""
    )


def time_line(verdict: Verdict) -> str:
    """`test_cart time  3.48 ms -> 3.91 ms, +12.4 % (+10.9 % to +13.9 %)`, or why nothing was compared."""
    name = name_of(Point(verdict.budget, verdict.selector, verdict.metric))
    if verdict.measured is None or verdict.baseline is None or verdict.change is None:
        return f"{name}  {visible(verdict.reason)}"
    low, _, high = verdict.change
    before, after = show_together((verdict.baseline, verdict.measured), verdict.unit)
    changed = show_change(verdict.measured, verdict.baseline)
    return f"{name}  {before} -> {after}, {changed} ({low:+.1%} to {high:+.1%})"


def value_of(stored: Stored) -> str:
    """The value, or that a sampled metric has none."""
    return (
        "no value, read anew by each run"
        if stored.value is None
        else show(stored.value, stored.unit)
    )


def name_of(point: Point) -> str:
    """Budget, part and metric."""
    return visible(" ".join(part for part in point if part))


def _change(old: Stored | None, new: Stored | None) -> str:
    if old is None or new is None:
        one = old or new
        shown = value_of(one) if one else ""
        return f"added, {shown}" if old is None else f"dropped, was {shown}"
    if old.value is None or new.value is None or old.unit is not new.unit:
        return f"{value_of(old)} -> {value_of(new)}"
    if old.value != new.value:
        before, after = show_together((old.value, new.value), new.unit)
        return f"{before} -> {after}, {show_change(new.value, old.value)}"
    if old.spread != new.spread:
        return f"{value_of(new)}, spread {_spread(old)} -> {_spread(new)}"
    return f"{value_of(new)}, with {old.made_with or 'nothing named'} -> {new.made_with or 'nothing named'}"


def _spread(stored: Stored) -> str:
    return " to ".join(show_together(stored.spread, stored.unit)) if stored.spread else "none"
