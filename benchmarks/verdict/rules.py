"""The decision rules of peers that are no Python programs, on pairs of samples taken in turn."""

import math
import random
from collections.abc import Sequence
from statistics import fmean, variance

NOISE = 0.01
"""What both hold for noise: criterion's `noise_threshold` and tango's `--noise-threshold` in its code."""
TANGO_Z, CRITERION_P, CRITERION_CONFIDENCE = 2.6, 0.05, 0.95
RESAMPLES = 2000
"""criterion draws 100 000; so many give its p within 0.01 at 0.05, in a thousandth of the time."""


def tango(base: Sequence[float], head: Sequence[float]) -> bool:
    """Whether tango tells of a regression: z of the paired differences, and more than noise.

    Its default without the filter of outliers (tango-bench/src/lib.rs, `DiffEstimate::build`).
    """
    differences = [after - before for before, after in zip(base, head, strict=True)]
    error = math.sqrt(variance(differences) / len(differences))
    moved = fmean(differences)
    return moved > TANGO_Z * error and moved / fmean(base) > NOISE


def criterion(base: Sequence[float], head: Sequence[float], seed: int = 1) -> bool:
    """Whether criterion says "regressed": bootstrapped t test, and the interval beyond the noise.

    From criterion.rs: src/analysis/compare.rs, and `compare_to_threshold` in src/report.rs.
    """
    draw = random.Random(seed)
    seen = _t(head, base)
    pool = [*head, *base]
    drawn = (draw.choices(pool, k=len(pool)) for _ in range(RESAMPLES))
    by_chance = [_t(mixed[: len(head)], mixed[len(head) :]) for mixed in drawn]
    below = sum(t < seen for t in by_chance)
    if 2 * min(below, RESAMPLES - below) / RESAMPLES >= CRITERION_P:
        return False
    changes = sorted(
        fmean(draw.choices(head, k=len(head))) / fmean(draw.choices(base, k=len(base))) - 1
        for _ in range(RESAMPLES)
    )
    return changes[int(RESAMPLES * (1 - CRITERION_CONFIDENCE) / 2)] > NOISE


def _t(first: Sequence[float], second: Sequence[float]) -> float:
    """Welch's t, as criterion has it."""
    error = variance(first) / len(first) + variance(second) / len(second)
    return (fmean(first) - fmean(second)) / math.sqrt(error) if error else 0.0
