"""Return on investment and the next month: true where the days tell it, and refused where they do not."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from budgetguard.cache.ledger import Kind, Ledger, Movement, Row
from budgetguard.cache.policy import Place
from budgetguard.cache.projection import HORIZON_DAYS, Projection, project_month, roi
from budgetguard.errors import UsageError

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = (1.2, 1.3, 1.25, 1.2, 1.0, 0.45, 0.4)


def row(day: int, saved, count: int = 100, spent="0", loads: int = 0, hour: int = 12) -> Row:
    return Row(
        start=MONDAY + day * DAY + timedelta(hours=hour),
        hours=1,
        operation="openai.chat",
        counts={Kind.HIT_MEMORY: count, Kind.LOAD: loads},
        usd={Kind.HIT_MEMORY: Decimal(saved), Kind.LOAD: Decimal(spent)},
    )


def edged(rows: list[Row], days: int) -> list[Row]:
    """Days 0 to `days` - 1, between two that are not whole."""
    return [row(-1, 1), *rows, row(days, 1)]


# --- return on investment


def test_the_return_is_the_gain_over_its_cost(tmp_path):
    """From movements to the figure: (saved - storage) / storage, and hit ratios of every place."""
    ledger = Ledger(tmp_path / "ledger.db", clock=MONDAY.timestamp)
    at = MONDAY.timestamp()
    ledger.add(
        [
            Movement(operation="a", at=at, kind=Kind.LOAD, count=40, usd=Decimal(20)),
            Movement(operation="a", at=at, kind=Kind.HIT_MEMORY, count=30, usd=Decimal(15)),
            Movement(operation="a", at=at, kind=Kind.HIT_REDIS, count=20, usd=Decimal(10)),
            Movement(operation="b", at=at, kind=Kind.COALESCED, count=10, usd=Decimal(5)),
            Movement(operation="b", at=at + 40 * 86_400, kind=Kind.HIT_SQL, usd=Decimal(99)),
        ]
    )
    month = timedelta(days=1) * 365.2425 / 12
    found = roi(ledger.rows(), storage_usd_per_month=Decimal(6), since=MONDAY, until=MONDAY + month)
    assert (found.spent, found.saved, found.storage) == (20, 30, 6)
    assert found.roi == 4
    assert found.saved_share == Decimal("0.6")
    assert (found.calls, found.hit_ratio) == (100, Decimal("0.5"))
    assert found.hit_ratios == {
        Place.MEMORY: Decimal("0.3"), Place.REDIS: Decimal("0.2"), Place.SQL: 0,
    }  # fmt: skip


@pytest.mark.parametrize(("price", "expected"), [("10", 2), ("30", 0), ("60", "-0.5"), ("0", None)])
def test_a_cache_that_costs_more_than_it_saves_returns_less_than_nothing(price, expected):
    """At 0 it has paid for itself, below it has not; what costs nothing has no return on its cost."""
    span = timedelta(days=365.2425)
    found = roi(
        [row(0, "30")],
        storage_usd_per_month=Decimal(price) / 12,
        since=MONDAY,
        until=MONDAY + span,
    )
    assert found.roi == (None if expected is None else Decimal(expected))


def test_a_span_without_calls_has_no_ratios():
    """Nothing is divided by nothing."""
    found = roi([], storage_usd_per_month=Decimal(1), since=MONDAY, until=MONDAY + DAY)
    assert (found.saved_share, found.hit_ratio, found.hit_ratios, found.calls) == (
        None,
        None,
        {},
        0,
    )
    assert found.roi == -1
    assert found.storage == Decimal("0.032855")


@pytest.mark.parametrize(
    ("price", "days", "told"),
    [("-1", 1, "storage of 0 or more"), ("NaN", 1, "storage of 0"), ("1", 0, "`since` before")],
)
def test_spans_and_prices_that_cannot_be(price, days, told):
    """A wrong question has no answer."""
    with pytest.raises(UsageError, match=told):
        roi([], storage_usd_per_month=Decimal(price), since=MONDAY, until=MONDAY + days * DAY)


# --- what is refused


def refused(rows: list[Row], **options) -> str:
    """The reason, of a projection that holds no figure."""
    found = project_month(rows, **options)
    assert (found.expected, found.low, found.high) == (None, None, None)
    assert found.refused
    return found.refused


def test_too_few_days_are_refused():
    """Six full days are not a week, whatever happened on them; nor are no days at all."""
    assert "stands on 6 full days; expected 7" in refused(edged([row(i, 5) for i in range(6)], 6))
    assert "stands on 0 full days" in refused([])
    assert "stands on 0 full days" in refused([row(0, 5)])
    assert "stands on 0 full days" in refused([row(0, 5)], since=MONDAY, until=MONDAY - DAY)


def test_too_few_events_are_refused():
    """199 hits say too little, however much money they are."""
    rows = edged([row(i, 50, count=199 // 7 + (i < 199 % 7)) for i in range(7)], 7)
    assert "stands on 199 events; expected 200" in refused(rows)
    assert project_month([*rows, row(3, 0, count=1)]).expected is not None


def test_events_are_those_of_the_money_that_is_asked_for():
    """Thousands of hits say nothing of what is spent, nor loads of what is saved."""
    rows = edged([row(i, 5, count=1000, spent="1", loads=10) for i in range(14)], 14)
    assert "stands on 140 events" in refused(rows, of="spent")
    assert project_month(rows).events == 14_000


@pytest.mark.parametrize(
    "saved",
    [
        [10 + 3 * i for i in range(14)],
        [1.15**i for i in range(28)],
        [20] * 14 + [60] * 14,
        [50 - 2 * i for i in range(21)],
        [WEEK[i % 7] * (10 + i) for i in range(28)],
    ],
    ids=["line", "growth", "step", "decline", "growth of weeks"],
)
def test_days_that_are_not_alike_are_refused(saved):
    """What grows, shrinks or has moved to another level says nothing sure of the month to come."""
    rows = edged([row(i, repr(money)) for i, money in enumerate(saved)], len(saved))
    assert "trend or a step" in refused(rows)


def test_a_single_large_day_is_refused():
    """A migration on one day is no month of migrations."""
    rows = edged([row(i, 100 if i == 9 else 5) for i in range(14)], 14)
    assert "more than half of the money is that of one day" in refused(rows)


def test_who_knows_from_when_days_are_alike_can_say_so():
    """After a step, `since` leaves out what was before it."""
    saved = [20, 21, 19, 20, 22, 18, 20] + [60, 61, 59, 63, 58, 60, 62] * 2
    rows = edged([row(i, money) for i, money in enumerate(saved)], len(saved))
    assert "trend or a step" in refused(rows)
    found = project_month(rows, since=MONDAY + 7 * DAY)
    assert found.refused == ""
    assert (found.days, found.since) == (14, MONDAY + 7 * DAY)
    assert 1780 < found.expected < 1840


# --- what is projected


def test_it_tells_what_it_stands_on():
    """Only whole days and whole weeks, the last ones; the interval is around what is expected."""
    rows = edged([row(i, 3 + i % 2, count=20) for i in range(17)], 17)
    found = project_month(rows)
    assert (found.days, found.events) == (14, 280)
    assert (found.since, found.until) == (MONDAY + 3 * DAY, MONDAY + 17 * DAY)
    assert found.low < found.expected < found.high
    assert found.confidence == Decimal("0.9")
    assert project_month(rows) == found


def test_a_span_may_be_given():
    """With `since` and `until` its own whole days count, those without any row as well."""
    rows = [row(i, 4) for i in (0, 1, 2, 3, 4, 6, 7)]
    found = project_month(rows, since=MONDAY, until=MONDAY + 7 * DAY + timedelta(hours=5))
    assert (found.days, found.since, found.until) == (7, MONDAY, MONDAY + 7 * DAY)
    assert found.expected == round(Decimal(24) * 30 / 7, 6)
    late = project_month(rows, since=MONDAY - timedelta(hours=1), until=MONDAY + 7 * DAY)
    assert late.since == MONDAY


def test_days_that_are_all_the_same_have_an_interval_of_no_width():
    """Where nothing varies, the month is thirty of those days."""
    found = project_month(edged([row(i, "2.5") for i in range(7)], 7))
    assert (found.low, found.expected, found.high) == (75, 75, 75)


def test_the_days_of_the_week_count_as_they_will_come():
    """Thirty days from a Monday have five Mondays and Tuesdays, and four of each other day."""
    rows = edged([row(i, [70, 0, 0, 0, 0, 0, 7][i % 7]) for i in range(28)], 28)
    assert project_month(rows).expected == 5 * 70 + 4 * 7


def test_hours_days_and_operations_are_one_sum():
    """It does not matter in how many rows a day's money is, nor that old days are single rows."""
    fine = [row(i, 1, count=5, hour=hour) for i in range(14) for hour in range(4)]
    whole = [
        Row(
            start=MONDAY + i * DAY,
            hours=24,
            operation=name,
            counts={Kind.COALESCED: 10},
            usd={Kind.COALESCED: Decimal(2)},
        )
        for i in range(14)
        for name in ("a", "b")
    ]
    one, other = project_month(edged(fine, 14)), project_month(edged(whole, 14))
    assert (one.expected, one.low, one.events) == (other.expected, other.low, other.events)


def test_days_that_resemble_each_other_widen_the_interval():
    """Good and bad times that last for days make a month less sure than days that know nothing of others."""
    rng, waves, level = random.Random(4), [], 0.0
    for _ in range(56):
        level = 0.7 * level + rng.gauss(0, 5)
        waves.append(round(50 + level, 6))
    shuffled = waves[:]
    rng.shuffle(shuffled)
    one, other = (
        project_month(edged([row(i, repr(money)) for i, money in enumerate(series)], 56))
        for series in (waves, shuffled)
    )
    assert one.high - one.low > Decimal("1.3") * (other.high - other.low)


@pytest.mark.parametrize("confidence", ["0.4", "1", "1.5", "NaN"])
def test_confidences_that_are_none(confidence):
    """A level outside a half and one has no meaning here."""
    with pytest.raises(UsageError, match="confidence from"):
        project_month([], confidence=Decimal(confidence))


def test_moments_without_a_time_zone():
    """A day begins at no known moment without one."""
    naive = datetime(2026, 9, 7)
    with pytest.raises(UsageError, match="time zone"):
        project_month([], since=naive)
    with pytest.raises(UsageError, match="time zone"):
        roi([], storage_usd_per_month=Decimal(1), since=MONDAY, until=naive)


def test_more_confidence_is_a_wider_interval():
    """And the most likely month stays where it is."""
    rows = edged([row(i, 3 + i * i % 5) for i in range(21)], 21)
    narrow, wide = (project_month(rows, confidence=Decimal(level)) for level in ("0.8", "0.99"))
    assert narrow.expected == wide.expected
    assert wide.low < narrow.low
    assert narrow.high < wide.high


def test_nothing_is_less_than_nothing():
    """No month saves less than nothing, so that the interval ends there."""
    rows = edged([row(i, money) for i, money in enumerate([0, 9, 0, 0, 1, 9, 8])], 7)
    found = project_month(rows, confidence=Decimal("0.99"))
    assert (found.low, found.expected > 100) == (0, True)


def simulated(rng: random.Random, days: int, skew: float) -> list[Decimal]:
    """The money of days: many calls of unequal worth, fewer at week-ends, and a chance of each day's own."""
    first = rng.randrange(7)
    worth = [rng.lognormvariate(-4, skew) for _ in range(400)]
    money = []
    for day in range(days):
        calls = max(0, round(rng.gauss(60, 8) * WEEK[(first + day) % 7]))
        total = sum(rng.choices(worth, k=calls)) * rng.lognormvariate(0, 0.25)
        money.append(Decimal(repr(round(total, 9))))
    return money


@pytest.mark.parametrize(
    ("weeks", "skew", "at_most"), [(1, 0.8, 1.0), (2, 0.8, 0.97), (4, 1.2, 0.97), (8, 0.8, 0.97)]
)
def test_the_interval_covers_the_true_month_as_often_as_it_says(weeks, skew, at_most):
    """Of months that were simulated on, about 90 % end within the interval of 90 %; few are refused.

    From a single week the week-ends cannot be told from chance, and the interval is wider than it need be.
    """
    rng = random.Random(1000 * weeks)
    covered = projected = 0
    for _ in range(150):
        money = simulated(rng, 7 * weeks + HORIZON_DAYS, skew)
        past, month = money[: 7 * weeks], sum(money[7 * weeks :])
        found: Projection = project_month(
            edged([row(i, each) for i, each in enumerate(past)], len(past))
        )
        if not found.refused:
            projected += 1
            covered += found.low <= month <= found.high
    assert projected >= 135
    assert 0.83 <= covered / projected <= at_most
