"""The growth of a series of memory levels per call: pure arithmetic, without numpy.

Method: of the last half of the calls, the Theil-Sen slope (Theil 1950) with Sen's interval by
Kendall's tau (Sen 1968), 99 %. Slopes alone take a filling cache or a random walk for a leak, so
the interval is widened to the growth of the quarter before and of each third of that half: a leak
has to show in all four. Growth fades when the last third grows less than half as fast as the
quarter before, or when the increments fall (Mann-Kendall) and the last third is a tenth slower.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_Z99 = statistics.NormalDist().inv_cdf(0.995)
_Z_DECAY = -2.0
# What an interpreter keeps once (integers beyond 256, grown tables) is no growth per call.
_RESOLUTION_BYTES, _RESOLUTION_PER_CALL = 512.0, 2.0


@dataclass(frozen=True)
class Growth:
    """Bytes per call: slope, interval, and whether the growth fades."""

    slope: float
    low: float
    high: float
    fading: bool


def estimate(calls: Sequence[int], levels: Sequence[float]) -> Growth:
    """Judge levels in bytes read after so many calls."""
    points = list(zip(calls, levels, strict=True))
    half, quarter = (calls[-1] / share for share in (2, 4))
    tail = [point for point in points if point[0] >= half]
    earlier = [point for point in points if quarter <= point[0] <= half]
    if _spread(tail) <= min(_RESOLUTION_BYTES, _RESOLUTION_PER_CALL * (calls[-1] - tail[0][0])):
        return Growth(0.0, 0.0, 0.0, fading=False)
    slope, low, high = theil_sen(tail)
    third = len(tail) / 3
    cuts = [tail[round(i * third) : round((i + 1) * third) + 1] for i in range(3)]
    rates = [_rise(cut) for cut in (earlier, *cuts)]
    return Growth(slope, min(low, *rates), max(high, *rates[1:]), _fades(earlier, tail, cuts[-1]))


def _spread(points: Sequence[tuple[float, float]]) -> float:
    levels = [level for _, level in points]
    return max(levels) - min(levels)


def _fades(
    earlier: Sequence[tuple[float, float]],
    tail: Sequence[tuple[float, float]],
    last: Sequence[tuple[float, float]],
) -> bool:
    """Whether growth slows down; a table that doubled once in `earlier` is no sign of it."""
    before, now = (statistics.median(_steps(part)) for part in (earlier, last))
    ratio = _ratio(_rise(last), _rise(earlier))
    slower = ratio < 0.5 and _ratio(now, before) < 0.5
    return slower or (ratio < 0.9 and _kendall_z(_steps((*earlier, *tail))) < _Z_DECAY)


def _ratio(now: float, before: float) -> float:
    """How `now` compares with `before`: 0 where nothing grows now, infinite where nothing did."""
    if now <= 0:
        return 0.0
    return now / before if before > 0 else math.inf


def _steps(points: Sequence[tuple[float, float]]) -> list[float]:
    pairs = itertools.pairwise(points)
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] > a[0]] or [0.0]


def theil_sen(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The median slope of all pairs and its 99 % limits (Sen 1968); infinite for too few points."""
    slopes = sorted(
        (b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2) if b[0] > a[0]
    )
    if not slopes:
        return 0.0, -math.inf, math.inf
    reach = _Z99 * math.sqrt(_kendall_variance([level for _, level in points]))
    below, above = (len(slopes) - reach) / 2, (len(slopes) + reach) / 2
    low = slopes[int(below) - 1] if below >= 1 else -math.inf
    high = slopes[math.ceil(above)] if above <= len(slopes) - 1 else math.inf
    return statistics.median(slopes), low, high


def _kendall_variance(values: Sequence[float]) -> float:
    """The variance of Kendall's S, ties taken into account (Kendall 1970)."""
    n = len(values)
    ties = (len(list(same)) for _, same in itertools.groupby(sorted(values)))
    tied = sum(t * (t - 1) * (2 * t + 5) for t in ties)
    return (n * (n - 1) * (2 * n + 5) - tied) / 18


def _kendall_z(values: Sequence[float]) -> float:
    score = sum((b > a) - (b < a) for a, b in itertools.combinations(values, 2))
    variance = _kendall_variance(values)
    return score / math.sqrt(variance) if variance > 0 else 0.0


def _rise(points: Sequence[tuple[float, float]]) -> float:
    """Bytes per call from one end to the other, each end the median of up to three points."""
    if len(points) < 2:
        return 0.0
    width = 3 if len(points) >= 6 else 1
    ends = (points[:width], points[-width:])
    (x0, y0), (x1, y1) = (
        (statistics.median(x for x, _ in end), statistics.median(y for _, y in end)) for end in ends
    )
    return (y1 - y0) / (x1 - x0)
