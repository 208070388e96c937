"""Quantities as people write them, "170 kB", "50 ms", "5 %", and the canonical numbers behind them.

The canonical units are bytes, seconds, ratio (0.05 is 5 %), count and per second.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from itertools import repeat
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
_MEANT = {
    "KB": "write kB (1000 bytes) or KiB (1024 bytes)",
    "K": "write kB or KiB",
    "k": "write kB or KiB",
    "M": "write MB or MiB",
    "G": "write GB or GiB",
    "TB": "write 1000 GB for 1 TB",
    "TiB": "write 1024 GiB for 1 TiB",
    "m": "write min or ms",
    "h": "write 60 min for 1 h",
    "byte": "did you mean B?",
    "bytes": "did you mean B?",
    "sec": "did you mean s?",
    "second": "did you mean s?",
    "seconds": "did you mean s?",
    "minutes": "did you mean min?",
    "percent": "did you mean %?",
}
_QUANTITY = re.compile(
    r"(?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?)\s*(?P<symbol>[^\s0-9].*)?",
    re.DOTALL,
)
_LARGEST = Decimal(10) ** 18
_SMALLEST = Decimal(10) ** -18
_LONGEST_CHARS = 60


def parse_quantity(text: str) -> Quantity:
    """Read "170 kB" in full, or raise `QuantityError` with the nearest right unit."""
    written = text.strip()
    if len(written) > _LONGEST_CHARS:
        raise QuantityError(
            f"expected a number with a unit; got {len(written)} characters, {written[:20]!r}…"
        )
    found = _QUANTITY.fullmatch(written)
    if not found:
        raise QuantityError(f"expected {_expected(written)}; got {written!r}")
    symbol = (found["symbol"] or "").strip().replace("µ", "u").replace("μ", "u")
    if symbol not in SYMBOLS:
        raise QuantityError(f"unknown unit {symbol!r} in {written!r}; {_nearest(symbol)}")
    unit, factor = SYMBOLS[symbol]
    value = Decimal(found["number"]) * factor
    if value > _LARGEST:
        raise QuantityError(f"{written!r} is too large to be meant; at most 1e18 of {unit}")
    if 0 < value < _SMALLEST:
        raise QuantityError(f"{written!r} is too small to be meant; at least 1e-18 of {unit}")
    return Quantity(float(value), unit)


def _expected(written: str) -> str:
    if written.startswith("-"):
        return "a number that is not below 0"
    return "a number with a unit, such as 150 kB or 50 ms"


def _nearest(symbol: str) -> str:
    if symbol.startswith(":"):
        return "write a time in one unit: 90 s or 1.5 min"
    if symbol.startswith((",", ".")):
        return "write a point before decimals and nothing between thousands, as in 1500.5"
    if symbol.endswith("/s"):
        return "a rate is a count per second, such as 200 /s"
    if symbol in _MEANT:
        return _MEANT[symbol]
    same = [known for known in SYMBOLS if known and known.lower() == symbol.lower()]
    close = same or get_close_matches(symbol, [known for known in SYMBOLS if known], n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "units are " + " ".join(known for known in SYMBOLS if known)


Scale = tuple[Decimal, str]

_SCALES: dict[Unit, tuple[Scale, ...]] = {
    Unit.BYTES: tuple((SYMBOLS[one][1], f" {one}") for one in ("GB", "MB", "kB", "B")),
    Unit.SECONDS: tuple((SYMBOLS[one][1], f" {one}") for one in ("s", "ms", "us", "ns")),
    Unit.RATIO: ((Decimal("0.01"), " %"),),
    Unit.COUNT: ((Decimal(1), ""),),
    Unit.PER_SECOND: ((Decimal(1), " /s"),),
}


def show(value: float, unit: Unit, *, digits: int = 3) -> str:
    """A quantity for people, in the scale that fits it, with `digits` significant figures."""
    return _shown(value, _scale(value, unit), digits)


def show_together(values: tuple[float, ...], unit: Unit) -> tuple[str, ...]:
    """Quantities for one sentence, in one unit where that reads well.

    They get as many digits as it takes to keep unequal numbers apart.
    """
    scales = _scales_together(values, unit)
    shown: tuple[str, ...] = ()
    for digits in (3, 4, 5, 6, 8, 12, 17):
        shown = tuple(map(_shown, values, scales, repeat(digits)))
        if _apart(values, scales, shown):
            break
    return shown


def _apart(values: Sequence[float], scales: Sequence[Scale], shown: Sequence[str]) -> bool:
    """Whether a reader can tell unequal numbers apart: 1000 kB and 1 MB are one number in two texts."""
    finite = [item for item in zip(values, scales, shown, strict=True) if math.isfinite(item[0])]
    read = {Decimal(text.removesuffix(symbol)) * factor for _, (factor, symbol), text in finite}
    return len(read) == len({value for value, _, _ in finite})


def show_change(measured: float, baseline: float) -> str:
    """The change from `baseline` to `measured` in percent, "+2.4 %"; from nothing, "from 0"."""
    if measured == baseline:
        return "no change"
    if baseline == 0:
        return "from 0"
    change = (measured - baseline) / abs(baseline) * 100
    return f"{change:+.1f} %" if abs(change) >= 0.1 else f"{change:+.2g} %"


def _scale(value: float, unit: Unit) -> Scale:
    scales = _SCALES[unit]
    if value == 0 or not math.isfinite(value):
        return scales[0] if unit is Unit.SECONDS else scales[-1]
    return next((scale for scale in scales if abs(_decimal(value)) >= scale[0]), scales[-1])


def _scales_together(values: tuple[float, ...], unit: Unit) -> list[Scale]:
    """The scale of the largest for all, unless the smallest would become a tiny fraction of it."""
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if not sizes:
        return [_scale(value, unit) for value in values]
    common = _scale(max(sizes), unit)
    one_reads_well = _decimal(min(sizes)) >= common[0] / 100
    return [common if one_reads_well or not value else _scale(value, unit) for value in values]


def _shown(value: float, scale: Scale, digits: int) -> str:
    factor, symbol = scale
    if not math.isfinite(value):
        return f"{value}{symbol}"
    return f"{_rounded(_decimal(value) / factor, digits)}{symbol}"


def _rounded(scaled: Decimal, digits: int) -> str:
    """Plain digits, or an exponent where those would fill a line."""
    size = abs(scaled)
    if not size:
        return "0"
    if size >= 10**15 or size < Decimal("1e-6"):
        mantissa, _, exponent = f"{scaled:.{digits - 1}e}".partition("e")
        return f"{_trimmed(mantissa)}e{exponent}"
    if scaled == scaled.to_integral_value() and size < 10 ** max(digits, 6):
        return str(int(scaled))
    return _trimmed(f"{scaled:.{max(0, digits - 1 - scaled.adjusted())}f}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: float) -> Decimal:
    """The shortest decimal that is this float, so that 1e-6 is not below a microsecond."""
    return Decimal(repr(float(value)))
