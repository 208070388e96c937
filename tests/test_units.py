"""Quantities: what is read, what is refused with which hint, and what rounding may never hide."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import QuantityError
from budgetguard.units import (
    EXAMPLES,
    SYMBOLS,
    Unit,
    parse_quantity,
    show,
    show_change,
    show_together,
)

UNITS = st.sampled_from(list(Unit))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_unit_is_read_with_and_without_a_space(symbol):
    """`5kB` and `5 kB` are the same number in the unit's canonical scale."""
    unit, factor = SYMBOLS[symbol]
    for text in (f"5{symbol}", f"5 {symbol}", f"  5   {symbol} "):
        assert parse_quantity(text) == (float(5 * factor), unit)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("5 µs", 5e-6, Unit.SECONDS),
        ("5 μs", 5e-6, Unit.SECONDS),
        ("1.5 min", 90.0, Unit.SECONDS),
        ("0", 0.0, Unit.COUNT),
        ("0 B", 0.0, Unit.BYTES),
        ("1_000_000", 1e6, Unit.COUNT),
        ("1e3 kB", 1e6, Unit.BYTES),
        ("0.1 ms", 0.0001, Unit.SECONDS),
        ("5%", 0.05, Unit.RATIO),
        ("200 /s", 200.0, Unit.PER_SECOND),
        ("1e18 B", 1e18, Unit.BYTES),
        ("1e-9 ns", 1e-18, Unit.SECONDS),
    ],
)
def test_a_quantity_is_read_to_the_nearest_float(text, value, unit):
    """Reading goes through decimals, so that 0.1 ms is the float of 0.0001 and not one beside it."""
    assert parse_quantity(text) == (value, unit)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1 KB", "write kB (1000 bytes) or KiB (1024 bytes)"),
        ("1 K", "write kB or KiB"),
        ("1 M", "write MB or MiB"),
        ("1 TB", "write 1000 GB"),
        ("5 m", "write min or ms"),
        ("1 h", "write 60 min"),
        ("1 kb", "did you mean kB?"),
        ("1 mb", "did you mean MB?"),
        ("5 sec", "did you mean s?"),
        ("5 bytes", "did you mean B?"),
        ("5%%", "did you mean %?"),
        ("1:30", "90 s or 1.5 min"),
        ("1,5 s", "write a point before decimals"),
        ("1.5.2 s", "write a point before decimals"),
        ("500 bytes/s", "a rate is a count per second"),
        ("500 B/s", "a rate is a count per second"),
        ("5 parsecs", "units are B kB"),
        ("5\0kB", r"'\x00kB'"),
        ("-5 ms", "not below 0"),
        ("ms", "a number with a unit"),
        ("", "a number with a unit"),
        (".5 s", "a number with a unit"),
        ("\uff15 kB", "a number with a unit"),
        ("inf s", "a number with a unit"),
        ("nan", "a number with a unit"),
        ("0x10", "unknown unit"),
        ("1__0", "unknown unit"),
        ("5 kB 3", "unknown unit"),
        ("1e400", "too large"),
        ("1e999999999", "unknown unit"),
        ("1e9999 kB", "too large"),
        ("1e-400", "too small"),
        ("9" * 5000, "5000 characters"),
    ],
)
def test_what_is_not_a_quantity_is_refused_with_the_next_step(text, hint):
    """A wrong, ambiguous, huge or hostile quantity ends in `QuantityError` that says what to write."""
    with pytest.raises(QuantityError, match=re.escape(hint)) as error:
        parse_quantity(text)
    assert len(str(error.value)) < 300


@given(st.text(max_size=80))
def test_no_text_crashes_the_reader(text):
    """Any text is a finite quantity that is not negative, or a `QuantityError`."""
    try:
        value, unit = parse_quantity(text)
    except QuantityError:
        return
    assert 0 <= value <= 1e18
    assert unit in Unit


@given(st.integers(0, 10**9), st.integers(0, 3), st.sampled_from(sorted(SYMBOLS)))
def test_reading_scales_exactly(whole, places, symbol):
    """The canonical value is the decimal as written times its unit, rounded once."""
    number = Decimal(whole).scaleb(-places)
    unit, factor = SYMBOLS[symbol]
    assert parse_quantity(f"{number:f} {symbol}") == (float(number * factor), unit)


@given(st.floats(1e-9, 1e15), st.sampled_from([Unit.BYTES, Unit.SECONDS, Unit.RATIO, Unit.COUNT]))
def test_what_is_shown_can_be_read_again(value, unit):
    """A shown quantity is in the limit language, off by no more than its rounding."""
    text = show(value, unit, digits=6)
    read = parse_quantity(text)
    assert read.unit is unit
    assert read.value == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, Unit.BYTES, "0 B"),
        (0.0, Unit.SECONDS, "0 s"),
        (999, Unit.BYTES, "999 B"),
        (1000, Unit.BYTES, "1 kB"),
        (170_200, Unit.BYTES, "170 kB"),
        (1e12, Unit.BYTES, "1000 GB"),
        (0.05, Unit.SECONDS, "50 ms"),
        (1e-6, Unit.SECONDS, "1 us"),
        (90, Unit.SECONDS, "90 s"),
        (0.05, Unit.RATIO, "5 %"),
        (0.29, Unit.RATIO, "29 %"),
        (6.0, Unit.COUNT, "6"),
        (123_456, Unit.COUNT, "123456"),
        (200, Unit.PER_SECOND, "200 /s"),
        (-5, Unit.BYTES, "-5 B"),
        (1e300, Unit.COUNT, "1e+300"),
        (5e-324, Unit.COUNT, "5e-324"),
        (float("inf"), Unit.SECONDS, "inf s"),
        (float("nan"), Unit.BYTES, "nan B"),
    ],
)
def test_a_quantity_is_shown_in_the_scale_that_fits(value, unit, shown):
    """From nothing over the huge to no number at all, a quantity stays short and in a known unit."""
    assert show(value, unit) == shown


@given(FINITE, UNITS)
def test_a_shown_quantity_stays_on_a_line(value, unit):
    """No number, however huge or tiny, fills a line."""
    assert len(show(value, unit)) <= 24


def _read_by_people(shown):
    number, _, symbol = shown.partition(" ")
    return Decimal(number) * SYMBOLS[symbol][1]


@given(st.lists(FINITE, min_size=1, max_size=4), UNITS)
def test_unequal_numbers_never_look_equal(values, unit):
    """However close, unequal numbers of one sentence are shown as unequal quantities."""
    shown = show_together(tuple(values), unit)
    read = [_read_by_people(text) for text in shown]
    assert len(set(read)) == len(set(values))


@given(FINITE, st.sampled_from([1, 2, 1000, 10**9]), UNITS)
def test_neighbouring_floats_never_look_equal(value, steps, unit):
    """Two floats with nothing between them are told apart, in their order."""
    other = value + steps * abs(value) * 2**-52
    if other in (value, float("inf")):
        return
    low, high = map(_read_by_people, show_together((value, other), unit))
    assert low < high


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ((170_000, 170_001), Unit.BYTES, ("170 kB", "170.001 kB")),
        ((999_999, 1_000_000), Unit.BYTES, ("0.999999 MB", "1 MB")),
        ((950, 1200), Unit.BYTES, ("0.95 kB", "1.2 kB")),
        ((0, 0.05), Unit.SECONDS, ("0 ms", "50 ms")),
        ((1, 5_000_000), Unit.BYTES, ("1 B", "5 MB")),
        ((59.9999, 60), Unit.SECONDS, ("59.9999 s", "60 s")),
        ((5, 5), Unit.COUNT, ("5", "5")),
        ((5, float("nan")), Unit.COUNT, ("5", "nan")),
        ((), Unit.COUNT, ()),
    ],
)
def test_numbers_of_a_sentence_share_a_unit(values, unit, shown):
    """Both sides stand in one unit, unless one of them would become a tiny fraction of it."""
    assert show_together(values, unit) == shown


@pytest.mark.parametrize(
    ("measured", "baseline", "shown"),
    [
        (105, 100, "+5.0 %"),
        (95, 100, "-5.0 %"),
        (100, 100, "no change"),
        (0, 0, "no change"),
        (3, 0, "from 0"),
        (0, 3, "-100.0 %"),
        (100.0001, 100, "+0.0001 %"),
        (-1, -2, "+50.0 %"),
    ],
)
def test_a_change_is_told_with_its_direction(measured, baseline, shown):
    """A change too small for a decimal is still a change, and one from nothing has no percentage."""
    assert show_change(measured, baseline) == shown


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_only_equal_numbers_have_no_change(measured, baseline):
    """`no change` is said of equal numbers only."""
    assert (show_change(measured, baseline) == "no change") == (measured == baseline)


@pytest.mark.parametrize("unit", Unit)
def test_every_unit_has_an_example_that_can_be_read(unit):
    """What an error offers as an example is itself right."""
    first = EXAMPLES[unit].split(",")[0].removeprefix("a plain number such as ")
    assert parse_quantity(first).unit is unit
