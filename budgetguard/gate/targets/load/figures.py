"""Metrics of one run from its seconds, each with the interval it can be trusted to. Pure maths.

A quantile has the confidence limits of order statistics (Conover 1999, section 3.2), widened to what
groups of seconds differ by: requests of one moment are slow together, which order statistics, made
for independent readings, do not know.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

from budgetguard.gate.inference import ALPHA_WITHIN, readings_for, student_t
from budgetguard.gate.model import Metric, Reading
from budgetguard.gate.serve.server import Sample
from budgetguard.gate.targets.load.profiles import Plan
from budgetguard.gate.targets.load.seconds import Second, Window, most_users
from budgetguard.gate.targets.load.tally import Tally

GROUPS = 8
"""Groups of seconds whose differences widen an interval."""
_PARTS = 12
"""Stretches of a run through which growth is drawn."""
BROKEN_FAILURES = 0.05
BROKEN_TIMES = 4.0
"""A step is too much where so many of its requests failed, or p95 is so many times the first step's."""
RECOVERED = 1.2
"""p95 is back when it is within this ratio of what it was before."""
_RECOVERED_FLOOR_S = 0.010
_CALM_SECONDS = 3
"""So many seconds in a row have to be calm again."""
_Z = NormalDist().inv_cdf(1 - ALPHA_WITHIN)


def of_requests(metric: Metric, window: Window, selector: str = "") -> Reading:
    """A metric that each endpoint has; `selector` as `Window.endpoints` names it."""
    tally = window.tally(selector)
    match metric.name:
        case "failures":
            return _exactly(tally.failed / tally.count, tally)
        case "max":
            return _exactly(tally.max_s, tally)
        case "rps":
            return _rate(window, selector, tally)
        case "mean":
            groups = [one.mean_s for one in window.groups(selector, GROUPS) if one.count]
            return _between(tally.mean_s, _spread(groups), tally)
        case _:
            return _quantile(metric, window, selector, tally)


def of_users(seconds: Sequence[Second]) -> Reading:
    """The most users at a time."""
    most = most_users(seconds)
    return Reading(value=most, interval=(most, most))


def breaking_point(seconds: Sequence[Second], plan: Plan | None) -> Reading:
    """The users of the last step that held: between them and those of the next it breaks."""
    steps = plan.steps if plan else ()
    if len(steps) < 2:
        return Reading(
            error="breaking_point needs steps of ever more users; expected profile: stress"
        )
    if any(math.ceil(begin_s) >= end_s for _, begin_s, end_s in steps):
        return Reading(
            error="breaking_point needs a whole second of each step; make the run longer"
        )
    first, held = 0.0, 0
    for users, begin_s, end_s in steps:
        if not seconds or seconds[-1].at + 1 < end_s:
            break
        tally = Window.of(seconds, math.ceil(begin_s), end_s).tally()
        first = first or tally.quantile_s(0.95)
        if why := _why_broken(users, tally, first):
            return Reading(value=held, interval=(held, users), note=why)
        held = users
    return Reading(value=held, interval=(held, math.inf), note=f"nothing broke up to {held} users")


def recovery(seconds: Sequence[Second], plan: Plan | None) -> Reading:
    """From the end of the largest stage until p95 stays within 20 % of what it was before it."""
    peak = plan.peak if plan else None
    if plan is None or peak is None:
        return Reading(
            error="recovery needs a peak with calm before and after; expected profile: spike"
        )
    before = Window.of(seconds, plan.warmup_s, peak[0]).tally()
    after = [one for one in seconds if one.at >= peak[1]]
    if not before.count or not after:
        return Reading(error="no request was answered before the peak, or the run ended with it")
    bar_s = before.quantile_s(0.95) * RECOVERED + _RECOVERED_FLOOR_S
    calm = [bool(one.whole.count) and one.whole.quantile_s(0.95) <= bar_s for one in after]
    for number in range(len(after)):
        rest = calm[number : number + _CALM_SECONDS]
        if all(rest) and len(rest) == _CALM_SECONDS:
            waited_s = float(after[number].at - math.floor(peak[1]))
            return Reading(value=waited_s, interval=(max(0.0, waited_s - 1), waited_s + 1))
    lasted_s = float(len(after))
    return Reading(
        value=lasted_s,
        interval=(lasted_s, math.inf),
        note="it had not recovered when the run ended",
    )


def p95_growth(window: Window) -> Reading:
    """By how much p95 grows from the begin of the window to its end, by a line through its logarithm."""
    tallies = [part.tally() for part in window.parts(_PARTS)]
    p95s = [tally.quantile_s(0.95) for tally in tallies if tally.count]
    if len(p95s) < _PARTS or not all(p95s):
        return Reading(
            error=f"p95_growth needs requests in each of {_PARTS} parts of the run; make it longer"
        )
    slope, reach = _line([math.log(value) for value in p95s])
    low, value, high = (math.expm1(_PARTS * one) for one in (slope - reach, slope, slope + reach))
    return Reading(value=value, interval=(low, high))


def server_rss_growth(usages: Sequence[Sample]) -> Reading:
    """By how many bytes the app's memory grows over the window, by a line through its parts."""
    size = len(usages) / _PARTS
    parts = [usages[round(i * size) : round((i + 1) * size)] for i in range(_PARTS)]
    if not all(parts):
        return Reading(
            error=f"server_rss_growth needs {_PARTS} seconds and more; make the run longer"
        )
    slope, reach = _line([fmean(one.rss_bytes for one in part) for part in parts])
    return Reading(
        value=_PARTS * slope, interval=(_PARTS * (slope - reach), _PARTS * (slope + reach))
    )


def server_cpu(usages: Sequence[Sample], window: Window) -> Reading:
    """CPU seconds of the app for each request of the window."""
    tally = window.tally()
    if len(usages) < 2 or not tally.count:
        return Reading(error="the app's CPU time was not read twice; make the run longer")
    value = (usages[-1].cpu_s - usages[0].cpu_s) / tally.count
    return _exactly(value, tally)


def server_peak_rss(usages: Sequence[Sample]) -> Reading:
    """The highest sum of resident memory over the app's processes."""
    if not usages:
        return Reading(error="the app's memory was not read; make the run longer")
    value = float(max(one.rss_bytes for one in usages))
    return Reading(value=value, interval=(value, value))


def _quantile(metric: Metric, window: Window, selector: str, tally: Tally) -> Reading:
    q, needed = metric.quantile or 0.5, readings_for(metric)
    if tally.count < needed:
        return Reading(
            error=f"{tally.count} requests are too few for {metric.name}, which takes {needed}; "
            f"make the run longer, or limit a lower quantile"
        )
    value = tally.quantile_s(q)
    around = _Z * math.sqrt(tally.count * q * (1 - q))
    low = tally.at_rank(max(1, math.floor(tally.count * q - around)))
    high = tally.at_rank(min(tally.count, math.ceil(tally.count * q + around)))
    reach = _spread([one.quantile_s(q) for one in window.groups(selector, GROUPS) if one.count])
    interval = (min(low, max(0.0, value - reach)), max(high, value + reach))
    return Reading(value=value, interval=interval, evidence=worst_errors(tally))


def _rate(window: Window, selector: str, tally: Tally) -> Reading:
    rates = [
        Window((one,)).tally(selector).count / one.seconds for one in window.seconds if one.seconds
    ]
    value = tally.count / window.length_s if window.length_s else 0.0
    return _between(value, _spread(rates), tally)


def _exactly(value: float, tally: Tally) -> Reading:
    """What was counted needs no interval: it is what this run had."""
    return Reading(value=value, interval=(value, value), evidence=worst_errors(tally))


def _between(value: float, reach: float, tally: Tally) -> Reading:
    interval = (max(0.0, value - reach), value + reach)
    return Reading(value=value, interval=interval, evidence=worst_errors(tally))


def _spread(values: Sequence[float]) -> float:
    """How far the mean of such groups may be off, 95 % a side."""
    if len(values) < 2:
        return 0.0
    return student_t(1 - ALPHA_WITHIN, len(values) - 1) * stdev(values) / math.sqrt(len(values))


def _line(values: Sequence[float]) -> tuple[float, float]:
    """Slope per step of the least squares line, and how far it may be off, 95 % a side."""
    n = len(values)
    middle, mean = (n - 1) / 2, fmean(values)
    width = math.fsum((i - middle) ** 2 for i in range(n))
    slope = math.fsum((i - middle) * (value - mean) for i, value in enumerate(values)) / width
    rest = math.fsum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, student_t(1 - ALPHA_WITHIN, n - 2) * math.sqrt(rest / (n - 2) / width)


def worst_errors(tally: Tally) -> tuple[str, ...]:
    """The commonest ways in which requests failed."""
    ranked = sorted(tally.errors.items(), key=lambda pair: -pair[1])
    return tuple(f"{number} x {error}" for error, number in ranked[:5])


def _why_broken(users: int, tally: Tally, first_s: float) -> str:
    """Why a step was too much; "" where it held."""
    if not tally.count:
        return f"at {users} users no request ended"
    if tally.failed > BROKEN_FAILURES * tally.count:
        return f"at {users} users {tally.failed / tally.count:.0%} of requests failed"
    if tally.quantile_s(0.95) > BROKEN_TIMES * first_s:
        times = tally.quantile_s(0.95) / first_s
        return f"at {users} users p95 was {times:.1f} times that of the first step"
    return ""
