"""Quantities as people write them, "170 kB", "50 ms", "5 %", and the canonical numbers behind them.

The canonical units are bytes, seconds, ratio (0.05 is 5 %), count and per second.
"""

import math
import re
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

from budgetguard.errors import QuantityError


class Unit(StrEnum):
    """What a number counts; its value is the word used in files and messages."""

    BYTES = "bytes"
    SECONDS = "seconds"
    RATIO = "ratio"
    COUNT = "count"
    PER_SECOND = "per second"


class Quantity(NamedTuple):
    """A number in the canonical scale of its unit."""

    value: float
    unit: Unit


SYMBOLS: dict[str, tuple[Unit, Decimal]] = {
    "B": (Unit.BYTES, Decimal(1)),
    "kB": (Unit.BYTES, Decimal(1000)),
    "MB": (Unit.BYTES, Decimal(1000**2)),
    "GB": (Unit.BYTES, Decimal(1000**3)),
    "KiB": (Unit.BYTES, Decimal(1024)),
    "MiB": (Unit.BYTES, Decimal(1024**2)),
    "GiB": (Unit.BYTES, Decimal(1024**3)),
    "ns": (Unit.SECONDS, Decimal("1e-9")),
    "us": (Unit.SECONDS, Decimal("1e-6")),
    "ms": (Unit.SECONDS, Decimal("1e-3")),
    "s": (Unit.SECONDS, Decimal(1)),
    "min": (Unit.SECONDS, Decimal(60)),
    "%": (Unit.RATIO, Decimal("0.01")),
    "/s": (Unit.PER_SECOND, Decimal(1)),
    "": (Unit.COUNT, Decimal(1)),
}
EXAMPLES: dict[Unit, str] = {
    Unit.BYTES: "150 kB, 64 MiB or 500 B",
    Unit.SECONDS: "50 ms, 2.5 s or 300 us",
    Unit.RATIO: "1%",
    Unit.COUNT: "a plain number such as 6",
    Unit.PER_SECOND: "200 /s",
}
_AMBIGUOUS = {
    "KB": "kB (1000 bytes) or KiB (1024 bytes)",
    "K": "kB or KiB",
    "M": "MB or MiB",
    "m": "min or ms",
}
_QUANTITY = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([^\s0-9].*)?")
_LARGEST = Decimal(10) ** 18


def parse_quantity(text: str) -> Quantity:
    """Read "170 kB" in full, or raise `QuantityError` with the nearest right unit."""
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        raise QuantityError(
            f"expected a number with a unit, such as 150 kB or 50 ms; got {text.strip()!r}"
        )
    number, symbol = found[1], (found[2] or "").strip().replace("µ", "u").replace("μ", "u")
    if symbol not in SYMBOLS:
        raise QuantityError(f"unknown unit {symbol!r} in {text.strip()!r}; {_nearest(symbol)}")
    unit, factor = SYMBOLS[symbol]
    try:
        value = Decimal(number) * factor
    except InvalidOperation:
        raise QuantityError(f"{number!r} is not a number") from None
    if value > _LARGEST:
        raise QuantityError(f"{text.strip()!r} is too large to be meant; at most 1e18 of {unit}")
    return Quantity(float(value), unit)


def _nearest(symbol: str) -> str:
    if symbol in _AMBIGUOUS:
        return f"write {_AMBIGUOUS[symbol]}"
    same = [known for known in SYMBOLS if known and known.lower() == symbol.lower()]
    close = same or get_close_matches(symbol, [known for known in SYMBOLS if known], n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "units are " + " ".join(known for known in SYMBOLS if known)


_SCALES: dict[Unit, tuple[tuple[float, str], ...]] = {
    Unit.BYTES: ((1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1, " B")),
    Unit.SECONDS: ((1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns")),
    Unit.RATIO: ((0.01, " %"),),
    Unit.COUNT: ((1, ""),),
    Unit.PER_SECOND: ((1, " /s"),),
}


def show(value: float, unit: Unit, *, digits: int = 3) -> str:
    """A quantity for people, in the scale that fits it, with `digits` significant figures."""
    factor, symbol = _scale(value, unit)
    return f"{_rounded(value / factor, digits)}{symbol}"


def show_together(values: tuple[float, ...], unit: Unit) -> tuple[str, ...]:
    """Quantities for one sentence, with as many digits as it takes to keep unequal numbers apart."""
    unequal = len(set(values))
    for digits in (3, 4, 5, 6, 8):
        shown = tuple(show(value, unit, digits=digits) for value in values)
        if len(set(shown)) == unequal:
            return shown
    symbol = _SCALES[unit][-1][1] if unit is not Unit.SECONDS else " s"
    factor = 0.01 if unit is Unit.RATIO else 1
    return tuple(f"{value / factor:.15g}{symbol}" for value in values)


def show_change(measured: float, baseline: float) -> str:
    """The change from `baseline` to `measured` in percent, "+2.4 %"; from nothing, "from 0"."""
    if baseline == 0:
        return "from 0" if measured else "no change"
    change = (measured / baseline - 1) * 100
    if change == 0:
        return "no change"
    return f"{change:+.1f} %" if abs(change) >= 0.1 else f"{change:+.2g} %"


def _scale(value: float, unit: Unit) -> tuple[float, str]:
    scales = _SCALES[unit]
    return next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])


def _rounded(value: float, digits: int) -> str:
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if value == int(value) and abs(value) < 10 ** max(digits, 6):
        return str(int(value))
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
