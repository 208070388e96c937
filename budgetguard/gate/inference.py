"""What readings of a sampled metric say about a bound. Pure maths; numbers in the metric's unit.

Every decision is replayed from the flat list of readings, so that the loop that takes readings and
the judge that reads them can never disagree.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, median, stdev
from typing import Literal

from budgetguard.gate.model import Better, Metric, Rule

State = Literal["within", "over", "open", "more"]

ALPHA_WITHIN = 0.05
"""Risk, at each look, of calling a value within its bound that is not; p95 needs 59 readings for it.

Over all looks it stays under 0.09.
"""
ALPHA_OVER = 0.01
"""The same for over it; a red is measured again, so that the risk of a false one is its square."""
CEILING_READINGS = 5
SET_READINGS = 30
"""Readings of one set for a mean or a maximum, from which a t interval is fair to skewed times."""
LOOKS = (1, 2, 4)
"""How many sets of readings are taken at most, look by look, before it stays open."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a value lies; with state "more", how many further readings it takes to say."""

    state: State
    value: float
    reason: str
    more: int = 0


def decide(
    metric: Metric, samples: Sequence[float], bound: float, *, strict: bool = False
) -> Decision:
    """Decide an absolute limit on a sampled metric, or say how many more readings it takes.

    With `strict` a reading exactly at the bound is beyond it, as `<` and `>` say.
    """
    worse = _worse(metric.better, strict=strict)
    if metric.rule is Rule.QUANTILE:
        return _in_sets(samples, readings_for(metric), _quantile_look(metric, bound, worse))
    if metric.rule is Rule.MEAN:
        return _in_sets(samples, SET_READINGS, _mean_look(metric.better, bound))
    if metric.rule is Rule.MAXIMUM:
        return _in_sets(samples, SET_READINGS, _maximum_look(metric.better, bound, worse))
    return _ceiling(samples, metric.better, bound, worse)


def readings_for(metric: Metric) -> int:
    """How many readings, all within the bound, prove the limit: 59 for p95, 299 for p99."""
    if metric.quantile is not None:
        return math.ceil(math.log(ALPHA_WITHIN) / math.log(1 - _beyond_share(metric)))
    return SET_READINGS if metric.rule in (Rule.MEAN, Rule.MAXIMUM) else 1


def quantile(samples: Sequence[float], q: float) -> float:
    """The sample quantile by linear interpolation (Hyndman and Fan 1996, type 7)."""
    ordered = sorted(samples)
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


@lru_cache(maxsize=512)
def student_t(p: float, df: int) -> float:
    """The quantile of Student's t for a whole `df`, by bisection of the exact area.

    Raises `ValueError` unless `0 < p < 1` and `df >= 1`.
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"expected 0 < p < 1 and df >= 1; got p={p} and df={df}")
    if p < 0.5:
        return -student_t(1 - p, df)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _t_area(middle, df) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan(low)


def _t_area(angle: float, df: int) -> float:
    """P(|T| < sqrt(df) tan(angle)) in closed form (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    odd, square = df % 2, math.cos(angle) ** 2
    term = total = math.cos(angle) * (df > 1) if odd else 1.0
    for k in range(1 + odd, df - 2, 2):
        term *= k / (k + 1) * square
        total += term
    half = math.sin(angle) * total
    return 2 / math.pi * (angle + half) if odd else half


def binomial_at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p); in logarithms, because the coefficients outgrow a float."""
    if k >= n or p <= 0:
        return float(k >= 0)
    if p >= 1:
        return 0.0
    ways = math.lgamma(n + 1)
    yes, no = math.log(p), math.log1p(-p)
    return math.fsum(
        math.exp(ways - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * yes + (n - i) * no)
        for i in range(k + 1)
    )


Look = Callable[[Sequence[float]], Decision]
Worse = Callable[[float, float], bool]


def _worse(better: Better, *, strict: bool) -> Worse:
    if better == "lower":
        return operator.ge if strict else operator.gt
    return operator.le if strict else operator.lt


def _beyond_share(metric: Metric) -> float:
    """The share of readings beyond the bound when the quantile lies right at it."""
    q = metric.quantile or 0.5
    return 1 - q if metric.better == "lower" else q


def _in_sets(samples: Sequence[float], size: int, look: Look) -> Decision:
    """Look at growing sets of readings; what is over must be over again in a fresh set."""
    decision = Decision("more", 0.0, "", size)
    for sets in LOOKS:
        wanted = sets * size
        if len(samples) < wanted:
            return Decision(
                "more",
                _centre(samples),
                f"{len(samples)} of {wanted} readings",
                wanted - len(samples),
            )
        decision = look(samples[:wanted])
        if decision.state == "within":
            return decision
        if decision.state == "over":
            return _again(samples, wanted, look, decision)
    return decision


def _again(samples: Sequence[float], taken: int, look: Look, first: Decision) -> Decision:
    """A fresh set as large as the first: a smaller one could never say `over` of a median."""
    missing = 2 * taken - len(samples)
    if missing > 0:
        return Decision("more", first.value, "over once, to be measured again", missing)
    second = look(samples[taken : 2 * taken])
    if second.state == "over":
        return Decision("over", second.value, f"{second.reason}, twice")
    return Decision("open", second.value, f"{first.reason}; measured again: {second.reason}")


def _centre(samples: Sequence[float]) -> float:
    return median(samples) if samples else 0.0


def _ceiling(samples: Sequence[float], better: Better, bound: float, worse: Worse) -> Decision:
    """A ceiling for a body read once: it is broken when five fresh readings are all over it."""
    if not samples:
        return Decision("more", 0.0, "no reading", 1)
    taken = samples[:CEILING_READINGS]
    good = [sample for sample in taken if not worse(sample, bound)]
    if good:
        reason = "" if len(taken) == 1 else f"{len(good)} of {len(taken)} readings within"
        return Decision("within", good[0], reason)
    if len(taken) < CEILING_READINGS:
        return Decision(
            "more",
            taken[0],
            f"{len(taken)} of {CEILING_READINGS} readings",
            CEILING_READINGS - len(taken),
        )
    best = min(taken) if better == "lower" else max(taken)
    return Decision("over", best, f"best of {CEILING_READINGS} fresh readings, all over")


def _quantile_look(metric: Metric, bound: float, worse: Worse) -> Look:
    """The exact binomial test on how many readings are beyond the bound (Conover 1999, section 3.2)."""
    q, share = metric.quantile or 0.5, _beyond_share(metric)

    def look(samples: Sequence[float]) -> Decision:
        beyond = sum(worse(sample, bound) for sample in samples)
        value = quantile(samples, q)
        reason = f"{beyond} of {len(samples)} readings beyond"
        if binomial_at_most(beyond, len(samples), share) <= ALPHA_WITHIN:
            return Decision("within", value, reason)
        if beyond and 1 - binomial_at_most(beyond - 1, len(samples), share) <= ALPHA_OVER:
            return Decision("over", value, reason)
        return Decision("open", value, reason)

    return look


def _mean_look(better: Better, bound: float) -> Look:
    sign = 1 if better == "lower" else -1

    def look(samples: Sequence[float]) -> Decision:
        centre, n = fmean(samples), len(samples)
        error = stdev(samples) / math.sqrt(n)
        reason = f"mean of {n} readings, standard error {error:.2g}"
        if sign * (bound - centre) >= student_t(1 - ALPHA_WITHIN, n - 1) * error:
            return Decision("within", centre, reason)
        if sign * (centre - bound) > student_t(1 - ALPHA_OVER, n - 1) * error:
            return Decision("over", centre, reason)
        return Decision("open", centre, reason)

    return look


def _maximum_look(better: Better, bound: float, worse: Worse) -> Look:
    def look(samples: Sequence[float]) -> Decision:
        worst = max(samples) if better == "lower" else min(samples)
        state: State = "over" if worse(worst, bound) else "within"
        return Decision(state, worst, f"worst of {len(samples)} readings")

    return look
