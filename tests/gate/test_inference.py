"""The maths of sampled limits, held against tables, exact probabilities and simulation."""

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.inference import (
    ALPHA_OVER,
    ALPHA_WITHIN,
    CEILING_READINGS,
    LOOKS,
    SET_READINGS,
    binomial_at_most,
    decide,
    quantile,
    readings_for,
    student_t,
)
from budgetguard.gate.model import Metric, Rule
from budgetguard.units import Unit

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


def metric(rule, q=None, better="lower"):
    return Metric(
        name="m", unit=Unit.SECONDS, about="", better=better, exact=False, rule=rule, quantile=q
    )


RULES = [
    metric(Rule.CEILING),
    metric(Rule.MEAN),
    metric(Rule.MAXIMUM),
    metric(Rule.QUANTILE, 0.5),
    metric(Rule.QUANTILE, 0.9),
    metric(Rule.QUANTILE, 0.95),
]
MOST = {Rule.CEILING: CEILING_READINGS, Rule.QUANTILE: 59, Rule.MEAN: 30, Rule.MAXIMUM: 30}


def settled(subject, draw, bound, **options):
    """Decide with as many readings as are asked for, and no more than any rule may ask."""
    samples = [draw()]
    for _ in range(100):
        decision = decide(subject, samples, bound, **options)
        if decision.state != "more":
            return decision, len(samples)
        assert decision.more > 0
        samples += [draw() for _ in range(decision.more)]
    raise AssertionError("undecided after a hundred looks")


@pytest.mark.parametrize(
    ("q", "readings"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)]
)
def test_the_number_of_readings_follows_from_the_quantile(q, readings):
    """So many readings within the bound prove it; one less would not."""
    assert readings_for(metric(Rule.QUANTILE, q)) == readings
    assert q**readings <= ALPHA_WITHIN < q ** (readings - 1)


def test_the_number_of_readings_is_the_same_seen_from_above():
    """The 5th percentile of what is better higher needs as many as the 95th of what is better lower."""
    assert readings_for(metric(Rule.QUANTILE, 0.05, "higher")) == 59


@pytest.mark.parametrize(
    ("p", "df", "table"),
    [(0.95, 29, 1.699), (0.99, 29, 2.462), (0.95, 59, 1.671), (0.99, 59, 2.391), (0.95, 119, 1.658), (0.99, 119, 2.358)],
)  # fmt: skip
def test_students_t_is_that_of_the_tables(p, df, table):
    """To three decimals where it is used, from 29 degrees of freedom."""
    assert student_t(p, df) == pytest.approx(table, abs=6e-4)


@pytest.mark.parametrize(
    ("k", "n", "p", "expected"),
    [
        (0, 59, 0.05, 0.95**59),
        (2, 10, 0.5, 56 / 1024),
        (5, 10, 0.1, 0.9998530974),
        (10, 10, 0.3, 1.0),
        (12, 10, 0.3, 1.0),
        (-1, 10, 0.3, 0.0),
        (0, 10, 0.0, 1.0),
        (9, 10, 1.0, 0.0),
        (10, 10, 1.0, 1.0),
        (6000, 12_000, 0.5, 0.5036417),
        (12, 11_980, 0.001, 0.5782537),
        (11_999, 12_000, 0.999, 1 - 0.999**12_000),
    ],
)
def test_the_binomial_is_that_of_the_tables(k, n, p, expected):
    """Also at the edges and for 12 000 readings, whose coefficients no float can hold."""
    assert binomial_at_most(k, n, p) == pytest.approx(expected, abs=1e-4 if n > 100 else 1e-9)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0.001, 0.999))
def test_the_binomial_is_a_sum_of_coefficients(k, n, p):
    """The logarithms say the same as the definition, where that can be computed."""
    plain = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))
    assert binomial_at_most(k, n, p) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize(("q", "expected"), [(0, 1), (0.25, 2), (0.5, 3), (0.9, 4.6), (1, 5)])
def test_the_sample_quantile_interpolates(q, expected):
    """Type 7 of Hyndman and Fan, in any order, also of one reading."""
    assert quantile([5, 3, 1, 4, 2], q) == pytest.approx(expected)
    assert quantile([7.0], q) == 7.0


def _risks(q):
    """The exact probabilities to be told within, and over twice, when the quantile lies at the bound."""
    share, size = 1 - q, readings_for(metric(Rule.QUANTILE, q))

    def mass(k, n):
        return binomial_at_most(k, n, share) - binomial_at_most(k - 1, n, share)

    def over(k, n):
        return k > 0 and 1 - binomial_at_most(k - 1, n, share) <= ALPHA_OVER

    within = over_twice = 0.0
    undecided, taken = {0: 1.0}, 0
    for sets in LOOKS:
        further, taken = sets * size - taken, sets * size
        again = sum(mass(k, taken) for k in range(taken + 1) if over(k, taken))
        masses = [mass(k, further) for k in range(further + 1)]
        reached: dict[int, float] = {}
        for so_far, chance in undecided.items():
            for k, weight in enumerate(masses):
                reached[so_far + k] = reached.get(so_far + k, 0.0) + chance * weight
        undecided = {}
        for k, chance in reached.items():
            if binomial_at_most(k, taken, share) <= ALPHA_WITHIN:
                within += chance
            elif over(k, taken):
                over_twice += chance * again
            else:
                undecided[k] = chance
    return within, over_twice


@pytest.mark.parametrize("q", [0.5, 0.75, 0.9, 0.95])
def test_a_quantile_at_its_bound_is_hardly_ever_red(q):
    """Exactly at the bound, under 1 in 1000 is told over it, and under 9 in 100 within it, over all looks."""
    within, over_twice = _risks(q)
    assert over_twice < 0.001
    assert within < 0.09


@pytest.mark.parametrize("q", [0.5, 0.75, 0.9, 0.95])
def test_the_simulated_rule_has_the_computed_risk(q):
    """What `decide` does is what the probabilities were computed of."""
    seeded, runs = random.Random(20_240_501), 400
    subject = metric(Rule.QUANTILE, q)
    states = [settled(subject, seeded.random, q)[0].state for _ in range(runs)]
    within, _ = _risks(q)
    spread = 4 * math.sqrt(within * (1 - within) / runs)
    assert abs(states.count("within") / runs - within) < spread
    assert states.count("over") <= 2


@pytest.mark.parametrize("q", QUANTILES)
def test_a_quantile_far_from_its_bound_is_decided_by_the_first_look(q):
    """Far within is proved by the fewest readings; far over is red, also for a median."""
    subject = metric(Rule.QUANTILE, q)
    assert settled(subject, lambda: 1.0, 2.0) == (
        decide(subject, [1.0] * readings_for(subject), 2.0),
        readings_for(subject),
    )
    decision, taken = settled(subject, lambda: 3.0, 2.0)
    assert decision.state == "over"
    assert taken <= 4 * readings_for(subject)


def test_a_mean_at_its_bound_is_hardly_ever_red():
    """Also of skewed times, whose mean is the hardest."""
    seeded, runs = random.Random(7), 500
    centre = math.exp(0.5 * 0.5**2)
    states = [
        settled(metric(Rule.MEAN), lambda: seeded.lognormvariate(0, 0.5), centre)[0].state
        for _ in range(runs)
    ]
    assert states.count("over") <= 2
    assert states.count("within") < 0.2 * runs


@pytest.mark.parametrize(("factor", "state"), [(0.5, "within"), (2.0, "over")])
def test_a_mean_far_from_its_bound_is_decided(factor, state):
    """Half the bound is within and twice the bound over, every time."""
    seeded = random.Random(3)
    for _ in range(50):
        decision, _ = settled(metric(Rule.MEAN), lambda: seeded.gauss(factor, 0.1), 1.0)
        assert decision.state == state


def test_a_maximum_is_over_when_two_sets_have_one_beyond():
    """One outlier is measured again and stays open; one in each set is over the bound."""
    subject = metric(Rule.MAXIMUM)
    calm, spike = [1.0] * (SET_READINGS - 1), [3.0]
    assert decide(subject, [*calm, 1.0], 2.0).state == "within"
    assert decide(subject, calm + spike, 2.0).state == "more"
    assert decide(subject, calm + spike + calm + [1.0], 2.0).state == "open"
    assert decide(subject, calm + spike + calm + spike, 2.0) == decide(
        subject, (calm + spike) * 3, 2.0
    )
    assert decide(subject, (calm + spike) * 2, 2.0).state == "over"
    assert decide(subject, (calm + spike) * 2, 2.0).value == 3.0


def test_a_ceiling_is_broken_by_five_fresh_readings_only():
    """One reading within is enough; over it, four more are asked for; the best of five is told."""
    subject = metric(Rule.CEILING)
    assert decide(subject, [2.0], 2.0).state == "within"
    first = decide(subject, [3.0], 2.0)
    assert (first.state, first.more) == ("more", 4)
    assert decide(subject, [3, 4, 5, 6, 1.5], 2.0).state == "within"
    broken = decide(subject, [3, 4, 2.5, 6, 5], 2.0)
    assert (broken.state, broken.value) == ("over", 2.5)
    assert decide(subject, [], 2.0).more == 1


def test_a_ceiling_of_what_is_better_higher_is_a_floor():
    """The best of five below it is the highest."""
    subject = metric(Rule.CEILING, better="higher")
    assert decide(subject, [2.0], 2.0).state == "within"
    broken = decide(subject, [1.0, 0.5, 1.5, 0.2, 0.1], 2.0)
    assert (broken.state, broken.value) == ("over", 1.5)


@pytest.mark.parametrize("subject", RULES, ids=lambda one: f"{one.rule}-{one.quantile}")
def test_a_strict_limit_counts_what_lies_at_the_bound(subject):
    """`< 2 s` is not kept by readings of exactly 2 s, `<= 2 s` is."""
    assert settled(subject, lambda: 2.0, 2.0)[0].state == "within"
    if subject.rule is not Rule.MEAN:  # of a mean no reading lies exactly anywhere
        assert settled(subject, lambda: 2.0, 2.0, strict=True)[0].state == "over"


@given(
    st.sampled_from(RULES),
    st.lists(st.floats(0, 2), min_size=1, max_size=300),
    st.floats(0.1, 1.9),
)
def test_a_decision_once_taken_stays(subject, samples, bound):
    """Replaying more readings never contradicts what a prefix of them decided."""
    taken = ""
    for length in range(1, len(samples) + 1, 7):
        state = decide(subject, samples[:length], bound).state
        assert not taken or state == taken
        taken = state if state != "more" else taken


@given(
    st.sampled_from(RULES),
    st.lists(st.integers(0, 20), min_size=1, max_size=250),
    st.integers(0, 20),
    st.booleans(),
)
def test_better_higher_is_the_mirror_image(subject, samples, bound, strict):
    """Numbers and bound with the other sign, and the quantile from the other end, decide the same."""
    q = None if subject.quantile is None else 1 - subject.quantile
    mirrored = metric(subject.rule, q, "higher")
    here = decide(subject, samples, bound, strict=strict)
    there = decide(mirrored, [-sample for sample in samples], -bound, strict=strict)
    assert (here.state, here.more) == (there.state, there.more)
    assert here.value == pytest.approx(-there.value, abs=1e-9)


@given(st.sampled_from(RULES), st.lists(st.floats(0, 2), min_size=1, max_size=500), st.floats(0, 2))
def test_what_is_asked_for_is_enough(subject, samples, bound):
    """With the further readings that a decision asks for, it looks again; in the end it settles."""
    decision = decide(subject, samples, bound)
    most = 2 * LOOKS[-1] * MOST[subject.rule]
    assert decision.more <= most
    if len(samples) >= most:
        assert decision.state != "more"


def test_a_limit_on_p99_9_is_decided_with_twelve_thousand_readings():
    """The third look at p99.9 has 11 980 readings, which a plain formula cannot hold."""
    subject = metric(Rule.QUANTILE, 0.999)
    samples = [1.0 if n % 1000 else 3.0 for n in range(11_980)]
    assert decide(subject, samples, 2.0).state == "open"
    assert fmean(samples) < 2.0
