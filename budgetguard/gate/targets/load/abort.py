"""Whether a run can be ended early, because nothing that is still to come can save it. Pure values."""

import math
from collections.abc import Sequence

from budgetguard.gate.model import Limit
from budgetguard.gate.targets.load.profiles import Plan
from budgetguard.gate.targets.load.seconds import Window
from budgetguard.gate.targets.load.tally import Tally

_FIRST_S = 5
"""Nothing is hopeless before this."""
_MORE = 2.0
"""Requests may come so many times faster from here on than so far."""


def hopeless(limits: Sequence[Limit], window: Window, plan: Plan) -> str:
    """The absolute limit that is broken even if all further requests were perfect, as a sentence; else ""."""
    if window.length_s < _FIRST_S:
        return ""
    for limit in limits:
        tally = window.tally(limit.selector)
        if limit.bound.value is None or not tally.count:
            continue
        further = _MORE * tally.count / window.length_s * left_s(plan, window)
        if _bad(limit, tally, limit.bound.value) > _allowed(limit) * (tally.count + further):
            lasted = f"{window.length_s:.0f} s"
            return f"ended after {lasted}: `{limit.text}` could not hold any more, whatever came"
    return ""


def left_s(plan: Plan, window: Window) -> float:
    """How many seconds such as those so far the rest is worth: more than it lasts, if users rise."""
    if not window.seconds:
        return math.inf
    now_s = window.seconds[-1].at + 1
    spent = math.fsum(one.users * one.seconds for one in window.seconds)
    coming_s = plan.user_seconds(now_s) / spent * window.length_s if spent else math.inf
    return max(0.0, plan.seconds - now_s, coming_s)


def _bad(limit: Limit, tally: Tally, bound: float) -> int:
    """How many requests spoke against a limit so far."""
    if limit.metric.name == "failures":
        return tally.failed
    return tally.beyond(bound) if limit.metric.quantile is not None else 0


def _allowed(limit: Limit) -> float:
    """The share of requests that may."""
    if limit.metric.quantile is not None:
        return 1 - limit.metric.quantile
    return limit.bound.value or 0.0
