"""Student's t, held against the area under its density and printed tables."""

import math

import pytest

from budgetguard.gate.inference import student_t


def area_beyond(t, df, strips=4000):
    """P(T > t) by Simpson's rule over the angle, from the density alone."""
    start = math.atan(t / math.sqrt(df))
    step = (math.pi / 2 - start) / strips
    heights = [math.cos(start + i * step) ** (df - 1) for i in range(strips + 1)]
    total = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    return scale * total * step / 3


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 8, 9, 11, 15, 19, 29, 119])
@pytest.mark.parametrize("tail", [0.4, 0.05, 0.01, 2e-4, 4e-6])
def test_students_t_leaves_the_area_it_says(df, tail):
    """Also far out with few degrees of freedom, where an expansion doubles the risk."""
    assert area_beyond(student_t(1 - tail, df), df) == pytest.approx(tail, rel=1e-6)
    assert student_t(tail, df) == pytest.approx(-student_t(1 - tail, df), rel=1e-6)


@pytest.mark.parametrize(
    ("p", "df", "table"), [(0.975, 1, 12.706), (0.9995, 7, 5.408), (0.999, 10, 4.144), (0.5, 7, 0)]
)
def test_students_t_is_that_of_the_tables_in_the_tails(p, df, table):
    """To three decimals, as printed."""
    assert student_t(p, df) == pytest.approx(table, abs=6e-4)


@pytest.mark.parametrize(("p", "df"), [(0, 7), (1, 7), (math.nan, 7), (0.9, 0)])
def test_students_t_refuses_what_has_no_quantile(p, df):
    """Never a quiet infinity."""
    with pytest.raises(ValueError, match="expected 0 < p < 1"):
        student_t(p, df)
