"""Whether a run says anything: of the load generator, before anything is said of the app. Pure values."""

import math

from budgetguard.gate.targets.load.seconds import Window, most_users
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.units import Unit, show

LATE_SHARE = 0.10
LATE_S = 0.010
"""The generator may be late by this share of the median, or by so little that nobody minds. Of the median,
because a late generator makes the slow times slower, and would excuse itself by them."""
FULL_CORE = 0.90
"""A process busier than this is late whatever its clock says."""
_REACHED = 0.95
_LONG_ENOUGH = 0.8
"""The share of the planned seconds that has to be there."""
_ADVICE = "use FastHttpUser, fewer users, processes: 2 or a quieter machine"


def empty(window: Window, host: str, planned_s: float) -> str:
    """Why there is too little to measure, with the next step; "" where there is enough."""
    tally, lasted_s = window.tally(), window.length_s
    if not tally.count:
        return (
            f"no request ended in {show(lasted_s, Unit.SECONDS)}; do the users of the locustfile have tasks, "
            f"and does {host} answer?"
        )
    if lasted_s < _LONG_ENOUGH * planned_s:
        return (
            f"it lasted {show(lasted_s, Unit.SECONDS)} of {show(planned_s, Unit.SECONDS)}; "
            f"does the locustfile end the run?"
        )
    return ""


def saturated(
    window: Window,
    users_wanted: int = 0,
    *,
    late_share: float = LATE_SHARE,
    late_s: float = LATE_S,
) -> str:
    """Why the times are the generator's own, with the next step; "" where it kept up."""
    lag_s = Tally.of(one.lag for one in window.seconds).quantile_s(0.95)
    median_s = window.tally().quantile_s(0.5)
    if lag_s > max(late_s, late_share * median_s):
        late, median = show(lag_s, Unit.SECONDS, digits=2), show(median_s, Unit.SECONDS, digits=2)
        return (
            f"the load generator itself was {late} late (p95), where half of the requests took {median} "
            f"at most: {_ADVICE}"
        )
    busy = _busy(window)
    if busy > FULL_CORE:
        return f"the load generator used {busy:.0%} of a core, and can do no more: {_ADVICE}"
    reached = most_users(window.seconds)
    if reached < _REACHED * users_wanted:
        return f"{reached} of {users_wanted} users came: {_ADVICE}"
    return ""


def _busy(window: Window) -> float:
    used = math.fsum(one.cpu * one.seconds for one in window.seconds)
    return used / window.length_s if window.seconds else 0.0
