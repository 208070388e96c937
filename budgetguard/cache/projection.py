"""What a cache has returned on what it costs, and what the next 30 days may bring, from a ledger's rows.

Nothing here is assumed: every figure is made of rows, and where there are too few of them, or where they do
not look like the days to come, there is a reason instead of a figure.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from statistics import NormalDist
from typing import Final, Literal

from budgetguard.cache.movements import Row, Sums
from budgetguard.cache.policy import Place
from budgetguard.errors import UsageError

FEWEST_DAYS: Final = 7
FEWEST_EVENTS: Final = 200
HORIZON_DAYS: Final = 30
_WEEK_DAYS: Final = 7
_MOST_WEEKS: Final = 8
_DAY: Final = timedelta(days=1)
_MONTHS_A_DAY: Final = Decimal(12) / Decimal("365.2425")
_SHOWN: Final = Decimal("1e-6")
_SURE_TREND: Final = 0.01
_LARGEST_SHARE: Final = Decimal("0.5")
_STRONGEST_ECHO: Final = Decimal("0.8")
_PRECISION: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Roi:
    """What a cache has returned in a span of time; ratios are parts of 1, None where the whole is 0."""

    since: datetime
    until: datetime
    spent: Decimal
    saved: Decimal
    storage: Decimal
    """What keeping the values cost in this span."""
    roi: Decimal | None
    """(saved - storage) / storage, the gain from an investment over its cost; at 0 it has paid for itself."""
    saved_share: Decimal | None
    """saved / (saved + spent): the part of the bill that did not come."""
    hit_ratio: Decimal | None
    """Hits of all places among all calls."""
    hit_ratios: dict[Place, Decimal]
    """The same for each place; empty without calls."""
    calls: int
    unpriced: int
    """Loads whose cost is not known; with any, spent and saved are lower bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The money of the 30 days to come, and what it stands on; `refused` says why there is none."""

    refused: str = ""
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    """With that confidence, the money of these days will be from `low` to `high`."""
    confidence: Decimal
    since: datetime | None = None
    until: datetime | None = None
    days: int = 0
    """Full days that it stands on: whole weeks, the last ones."""
    events: int = 0
    """Calls of these days that spent, or that saved."""
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class _Day:
    start: datetime
    sums: Sums


def roi(
    rows: Iterable[Row], *, storage_usd_per_month: Decimal, since: datetime, until: datetime
) -> Roi:
    """The return of a cache from `since` to before `until`, over what its storage cost in that time.

    A month is 1/12 of 365.2425 days. Raises `UsageError` for a span or a price that cannot be.
    """
    _check_moments(since, until)
    if not since < until:
        raise UsageError(f"expected `since` before `until`; got {since} and {until}")
    if not (storage_usd_per_month.is_finite() and storage_usd_per_month >= 0):
        raise UsageError(f"expected a price of storage of 0 or more; got {storage_usd_per_month}")
    sums = Sums.of(row for row in rows if since <= row.start < until)
    storage = _storage(storage_usd_per_month, until - since)
    hits = sum(sums.hits.values())
    shares = {place: _ratio(count, sums.calls) for place, count in sums.hits.items()}
    return Roi(
        since=since,
        until=until,
        spent=sums.spent,
        saved=sums.saved,
        storage=storage,
        roi=_ratio(sums.saved - storage, storage),
        saved_share=_ratio(sums.saved, sums.saved + sums.spent),
        hit_ratio=_ratio(hits, sums.calls),
        hit_ratios={place: share for place, share in shares.items() if share is not None},
        calls=sums.calls,
        unpriced=sums.unpriced,
    )


def _check_moments(*moments: datetime | None) -> None:
    for moment in moments:
        if moment is not None and moment.tzinfo is None:
            raise UsageError(f"expected a moment with a time zone; got {moment.isoformat()}")


def _storage(usd_per_month: Decimal, span: timedelta) -> Decimal:
    days = Decimal(span // timedelta(microseconds=1)) / Decimal(_DAY // timedelta(microseconds=1))
    return (usd_per_month * days * _MONTHS_A_DAY).quantize(_SHOWN)


def _ratio(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return (Decimal(part) / Decimal(whole)).quantize(_SHOWN) if whole else None


def project_month(
    rows: Iterable[Row],
    *,
    of: Literal["saved", "spent"] = "saved",
    since: datetime | None = None,
    until: datetime | None = None,
    confidence: Decimal = Decimal("0.9"),
) -> Projection:
    """What will be saved, or spent, in the 30 days after the last full one.

    Full days are those of UTC between `since` and `until`; without these, those after the day of the first
    row and before the day of the last, which are seldom whole. A day without rows is one without money. It
    stands on whole weeks, at most the last 8, so that each day of the week counts alike.

    The method: a prediction interval by Student's t for a sum of future days (Hahn and Meeker, Statistical
    Intervals, 1991, chapter 4), around the mean of each day of the week, or around that of all days where
    only one week is known. Where a day resembles the one before, with a correlation r above 0, the variance
    is widened by (1 + r) / (1 - r) (von Storch and Zwiers, Statistical Analysis in Climate Research, 1999,
    section 6.6).

    Refused are: fewer than 7 full days or 200 events; a trend or a step, by the test of Mann (Econometrica
    13, 1945) and Kendall at 1 %; sums of which more than half is one day's. Raises `UsageError` for a
    confidence that is none, and for moments without a time zone.
    """
    _check_moments(since, until)
    if confidence.is_nan() or not Decimal("0.5") <= confidence < 1:
        raise UsageError(f"expected a confidence from 0.5 to below 1; got {confidence}")
    days = _whole_weeks(_full_days(list(rows), since, until))
    about = Sums.of(day.sums for day in days)
    base = Projection(
        confidence=confidence,
        since=days[0].start if days else None,
        until=days[-1].start + _DAY if days else None,
        days=len(days),
        events=_events(about, of),
        unpriced=about.unpriced,
    )
    with localcontext(prec=_PRECISION):
        values = [day.sums.saved if of == "saved" else day.sums.spent for day in days]
        if refused := _refusal(values, base.events):
            return replace(base, refused=refused)
        expected, margin = _interval(values, confidence)
        return replace(
            base,
            expected=expected.quantize(_SHOWN),
            low=max(Decimal(0), expected - margin).quantize(_SHOWN),
            high=(expected + margin).quantize(_SHOWN),
        )


def _events(sums: Sums, of: Literal["saved", "spent"]) -> int:
    if of == "saved":
        return sum(sums.hits.values()) + sums.coalesced
    return sums.loads + sums.errors


def _full_days(rows: Sequence[Row], since: datetime | None, until: datetime | None) -> list[_Day]:
    """The full days of a span, also those on which nothing happened."""
    by_day: dict[datetime, list[Row]] = {}
    for row in rows:
        by_day.setdefault(_midnight(row.start), []).append(row)
    if not by_day:
        return []
    start = min(by_day) + _DAY if since is None else _next_midnight(since)
    end = max(by_day) if until is None else _midnight(until)
    starts = [start + number * _DAY for number in range(max(0, (end - start) // _DAY))]
    return [_Day(day, Sums.of(by_day.get(day, ()))) for day in starts]


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _next_midnight(moment: datetime) -> datetime:
    """That moment, if it is a midnight; else the first one after it."""
    day = _midnight(moment)
    return day if day == moment else day + _DAY


def _whole_weeks(days: list[_Day]) -> list[_Day]:
    weeks = min(len(days) // _WEEK_DAYS, _MOST_WEEKS)
    return days[len(days) - weeks * _WEEK_DAYS :] if weeks else days


def _refusal(values: Sequence[Decimal], events: int) -> str:
    """Why nothing can be said of the days to come; "" where something can."""
    if len(values) < FEWEST_DAYS:
        return (
            f"it stands on {len(values)} full days; expected {FEWEST_DAYS} or more, come back later"
        )
    if events < FEWEST_EVENTS:
        return f"it stands on {events} events; expected {FEWEST_EVENTS} or more, come back later"
    if max(values) > _LARGEST_SHARE * sum(values):
        return "more than half of the money is that of one day, which says little of others"
    chance = _trend_by_chance(_residuals(values))
    if chance < _SURE_TREND:
        return (
            f"the days have a trend or a step, which chance makes in {chance:.2g} of cases; give `since` the "
            f"day from which on they are alike"
        )
    return ""


def _interval(values: Sequence[Decimal], confidence: Decimal) -> tuple[Decimal, Decimal]:
    """What is expected of the days to come, and how far it may be off on either side."""
    means, residuals = _means(values), _residuals(values)
    coming = [HORIZON_DAYS // _WEEK_DAYS + (day < HORIZON_DAYS % _WEEK_DAYS) for day in range(7)]
    expected = sum((mean * n for mean, n in zip(means, coming, strict=True)), start=Decimal(0))
    weeks = len(values) // _WEEK_DAYS
    if weeks == 1:
        freedom, of_means = _WEEK_DAYS - 1, Decimal(HORIZON_DAYS**2) / _WEEK_DAYS
    else:
        freedom, of_means = len(values) - _WEEK_DAYS, Decimal(sum(n * n for n in coming)) / weeks
    squares = sum((each * each for each in residuals), start=Decimal(0))
    variance = squares / freedom * (HORIZON_DAYS + of_means)
    if weeks > 1:
        variance *= _echo(residuals, squares)
    return expected, _student_t((1 + float(confidence)) / 2, freedom) * variance.sqrt()


def _means(values: Sequence[Decimal]) -> list[Decimal]:
    """The mean of each of the seven days that come next; that of all where there is but one week."""
    weeks = len(values) // _WEEK_DAYS
    if weeks == 1:
        return [sum(values, start=Decimal(0)) / _WEEK_DAYS] * _WEEK_DAYS
    return [sum(values[day::_WEEK_DAYS], start=Decimal(0)) / weeks for day in range(_WEEK_DAYS)]


def _residuals(values: Sequence[Decimal]) -> list[Decimal]:
    means = _means(values)
    return [value - means[day % _WEEK_DAYS] for day, value in enumerate(values)]


def _echo(residuals: Sequence[Decimal], squares: Decimal) -> Decimal:
    """By how much days that resemble the one before widen the variance of a sum."""
    products = (one * following for one, following in pairwise(residuals))
    r = sum(products, start=Decimal(0)) / squares if squares else Decimal(0)
    r = min(max(r, Decimal(0)), _STRONGEST_ECHO)
    return (1 + r) / (1 - r)


def _trend_by_chance(values: Sequence[Decimal]) -> float:
    """How often chance alone makes such a trend (Mann and Kendall's test, two-sided, corrected for ties)."""
    n = len(values)
    score = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if not variance or not score:
        return 1.0
    return 2 * (1 - NormalDist().cdf((abs(score) - 1) / math.sqrt(variance)))


def _student_t(p: float, freedom: int) -> Decimal:
    """The quantile of Student's t for p of 0.5 or more (Abramowitz and Stegun 26.7.5)."""
    z, v = NormalDist().inv_cdf(p), float(freedom)
    terms = (
        z,
        (z**3 + z) / 4 / v,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / v**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / v**3,
    )
    return Decimal(repr(sum(terms)))
