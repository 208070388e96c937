"""How sure a share is that was counted: exact limits of Clopper and Pearson."""

import math


def upper_bound(hits: int, tries: int, confidence: float = 0.95) -> float:
    """The one-sided upper limit of a share (Clopper and Pearson, Biometrika 26, 1934); 1 without tries."""
    if hits >= tries:
        return 1.0
    return _share_where(hits, tries, 1.0 - confidence)


def lower_bound(hits: int, tries: int, confidence: float = 0.95) -> float:
    """The one-sided lower limit of a share; 0 without tries."""
    return 1.0 - upper_bound(tries - hits, tries, confidence) if tries else 0.0


def of_job(share: float, verdicts: int = 50) -> float:
    """How often at least one of so many independent verdicts is among the share."""
    return 1.0 - (1.0 - share) ** verdicts


def at_most(hits: int, tries: int, share: float) -> float:
    """How likely so many hits or fewer are (binomial distribution)."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return float(hits >= tries)
    one, rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(tries + 1)
    logs = (
        whole - math.lgamma(n + 1) - math.lgamma(tries - n + 1) + n * one + (tries - n) * rest
        for n in range(hits + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def _share_where(hits: int, tries: int, probability: float) -> float:
    """The share at which so few hits are as unlikely as `probability`, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(hits, tries, middle) > probability:
            low = middle
        else:
            high = middle
    return high
