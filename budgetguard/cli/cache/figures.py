"""Figures of a cache as people read them, and as programs do."""

from decimal import Decimal

from budgetguard.cache.inspection import Held
from budgetguard.units import Unit, show

_CENTS_FROM = Decimal(1)


def usd(amount: Decimal) -> str:
    """`12.40`, and as much of less than a dollar as it has."""
    if amount >= _CENTS_FROM or not amount:
        return f"{amount:,.2f}"
    return f"{amount:.12f}".rstrip("0")


def size(number: int) -> str:
    """`142 kB`."""
    return show(float(number), Unit.BYTES)


def life(seconds: float) -> str:
    """`12 s`; stale is below 0."""
    return show(seconds, Unit.SECONDS) if seconds > 0 else "stale"


def plain(held: Held) -> dict[str, object]:
    """An entry for a program."""
    known = {"tier": held.tier, "digest": held.digest, "stored_bytes": held.stored_bytes}
    if held.problem:
        return {**known, "problem": held.problem}
    return {
        **known,
        "outdated": held.outdated,
        "left_s": round(held.left_s, 3),
        "age_s": round(held.age_s, 3),
        "cost_usd": f"{held.cost_usd:f}",
        "tags": list(held.tags),
    }
