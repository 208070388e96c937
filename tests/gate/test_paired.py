"""Base and head side by side: what blocks say, held against exact areas, properties and simulation."""

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import MeasureError
from budgetguard.gate.inference import student_t
from budgetguard.gate.model import Step
from budgetguard.gate.paired import (
    ALPHA,
    ALPHA_AGAIN,
    ALPHA_ALARM,
    LOOKS,
    LOOKS_AGAIN,
    block_value,
    canary,
    decide,
    risk,
    room_of,
)
from budgetguard.gate.side import Block

ROOM = 0.05
BAR = math.log1p(ROOM)
MOST = LOOKS[-1] + LOOKS_AGAIN[-1]
NOISE_SD = 0.012
OUTLIER = math.log1p(0.15)

ratios = st.floats(-0.3, 0.3)
anything = st.one_of(ratios, st.floats())


def heavy(rng):
    """A block's noise: Student's t with 3 degrees of freedom, scaled to a deviation of 1.2 %."""
    three = sum(rng.gauss(0, 1) ** 2 for _ in range(3))
    return NOISE_SD * rng.gauss(0, 1) / math.sqrt(three)


def with_outliers(rng):
    """The same with one block in a hundred 15 % off, to either side."""
    return rng.choice((-OUTLIER, OUTLIER)) if rng.random() < 0.01 else heavy(rng)


def with_slow_outliers(rng):
    """The same with one block in a hundred 15 % slower: the worst for false alarms."""
    return OUTLIER if rng.random() < 0.01 else heavy(rng)


def settled(draw, **options):
    """Decide with as many blocks as are asked for."""
    values = []
    for _ in range(MOST + 1):
        paired = decide(values, ROOM, **options)
        if paired.state != "more":
            return paired
        values += [draw() for _ in range(paired.more)]
    raise AssertionError("undecided after all looks")


def states(change, noise, runs, **options):
    """The states of so many simulated verdicts at a true change, always of the same seed."""
    rng, shift = random.Random(f"{change} {noise.__name__}"), math.log1p(change)
    return [settled(lambda: shift + noise(rng), **options).state for _ in range(runs)]


def test_a_block_is_the_median_of_its_pairs():
    """One pair that was disturbed does not move it."""
    block = Block(base=(1.0, 2.0, 1.0), head=(1.1, 2.2, 9.0))
    assert block_value(block) == pytest.approx(math.log(1.1))
    even = Block(base=(1.0, 1.0), head=(1.0, 1.2))
    assert block_value(even) == pytest.approx(math.log(1.2) / 2)


def test_a_floor_keeps_almost_nothing_finite():
    """Twice next to nothing is no change; without a floor it is infinite, and of two zeros none."""
    block = Block(base=(1e-9, 0.0, -1e-9), head=(2e-9, 1e-9, 1e-9))
    assert block_value(block, floor=1e-3) == pytest.approx(0, abs=1e-5)
    assert block_value(Block(base=(0.0,), head=(1.0,))) == math.inf
    assert block_value(Block(base=(1.0,), head=(-1e-9,))) == -math.inf
    assert block_value(Block(base=(0.0,), head=(0.0,))) == 0.0


@pytest.mark.parametrize(
    "block",
    [
        Block(),
        Block(base=(1.0, 2.0), head=(1.0,)),
        Block(base=(math.nan,), head=(1.0,)),
        Block(base=(1.0,), head=(math.inf,)),
    ],
)
def test_a_block_without_whole_pairs_has_no_value(block):
    """Halves and what is no number are errors, never a verdict."""
    with pytest.raises(MeasureError, match="a block h"):
        block_value(block)


def test_the_looser_step_is_the_room():
    """`baseline + 5% or 2 ms` gives 2 ms to what takes 10 ms, and 5 % to what takes a second."""
    steps = (Step(0.05, of_baseline=True), Step(0.002, of_baseline=False))
    assert room_of(steps, 0.010) == pytest.approx(0.2)
    assert room_of(steps, 1.0) == 0.05
    assert room_of(steps[:1], 0.0) == 0.05
    assert room_of(steps[1:], 0.0, floor=0.01) == pytest.approx(0.2)
    assert room_of((Step(0.0, of_baseline=False),), 0.0) == 0.0
    assert room_of((), 1.0) == 0.0


def test_an_amount_on_a_base_of_nothing_is_never_green():
    """From 0 there is no ratio: it stays open, whatever the blocks say."""
    room = room_of((Step(0.002, of_baseline=False),), 0.0)
    assert room == math.inf
    for values in ([], [0.0] * 4, [5.0] * MOST):
        assert decide(values, room).state == "open"


def test_many_benchmarks_share_the_risk():
    """With its confirmation, a false red of any of them is no likelier than that of one."""
    assert risk(1) == risk(0) == risk(10) == ALPHA_ALARM
    for count in (1, 10, 11, 5000):
        assert count * risk(count) * ALPHA_AGAIN <= ALPHA * (1 + 1e-9)


@pytest.mark.parametrize("noise", [with_outliers, with_slow_outliers])
def test_unchanged_code_is_never_red(noise):
    """No false red in thousands of verdicts of heavy-tailed blocks, and nearly all are green."""
    found = states(0, noise, 4000)
    assert found.count("over") == 0
    assert found.count("within") > 0.995 * len(found)


def test_a_change_exactly_at_its_limit_is_hardly_ever_red():
    """Under 1 in 100, by heavy-tailed blocks; green in under a fifth."""
    found = states(ROOM, with_outliers, 1500)
    assert found.count("over") < 0.01 * len(found)
    assert found.count("within") < 0.2 * len(found)


@pytest.mark.parametrize(
    ("change", "noise", "least"),
    [
        (0.10, heavy, 0.99),
        (0.075, heavy, 0.90),
        (0.10, with_outliers, 0.92),
        (0.075, with_outliers, 0.80),
    ],
)
def test_a_real_slowdown_is_found(change, noise, least):
    """5 points beyond the limit 99 times in 100, 2.5 beyond 90 times; blocks 15 % off cost some of it."""
    found = states(change, noise, 1500)
    assert found.count("over") >= least * len(found)
    assert found.count("within") <= 0.002 * len(found)


def test_many_benchmarks_in_one_run_are_still_guarded():
    """The corrected risk costs blocks, and hardly a doubled cost that goes unseen."""
    assert states(0.10, heavy, 800, alpha=risk(500)).count("over") >= 0.97 * 800


@given(
    st.lists(anything, max_size=MOST + 6), st.floats(0, 0.3), st.sampled_from(("lower", "higher"))
)
def test_a_decision_once_taken_stays(values, room, better):
    """Asked after each block, it says "more" until it says something else for good."""
    taken = None
    for count in range(len(values) + 1):
        paired = decide(values[:count], room, better=better)
        assert taken is None or paired == taken
        if paired.state == "more":
            assert 0 < paired.more <= LOOKS_AGAIN[0]
            assert paired.blocks == count
        else:
            taken = paired
            assert paired.more == 0
            assert paired.blocks <= count or math.isinf(room)
    assert taken is not None or len(values) < MOST


@given(st.lists(st.floats(0.03, 0.15), min_size=MOST, max_size=MOST))
def test_what_is_told_of_a_decision_agrees_with_it(values):
    """The interval of what is over lies beyond the limit, of what is within below it."""
    paired = decide(values, ROOM)
    assert paired.low <= paired.change <= paired.high
    assert paired.visible > ROOM
    if paired.state == "over":
        assert paired.low >= ROOM
        again = next(n for n in LOOKS_AGAIN if f"again in {n} fresh" in paired.reason)
        fresh = values[paired.blocks - again : paired.blocks]
        assert paired.change == pytest.approx(math.expm1(sum(fresh) / len(fresh)))
    elif paired.state == "within":
        assert paired.high <= ROOM
    assert paired.reason


@given(st.lists(ratios, max_size=MOST), st.floats(0, 0.3))
def test_better_higher_is_the_mirror_image(values, room):
    """A rate that falls to 1 / (1 + room) is judged as a time that rises by the room."""
    here = decide(values, room)
    there = decide([-v for v in values], 1 - 1 / (1 + room) if room else 0.0, better="higher")
    assert (here.state, here.more, here.blocks) == (there.state, there.more, there.blocks)
    assert 1 + here.change == pytest.approx(1 / (1 + there.change))
    if values:
        assert 1 + here.visible == pytest.approx(1 / (1 + there.visible))


def test_only_the_worse_direction_is_red():
    """10 % less time passes and 10 % less of a rate does not, and the other way round."""
    less, more = [math.log(0.9)] * MOST, [math.log(1.1)] * MOST
    assert decide(less, ROOM).state == decide(more, ROOM, better="higher").state == "within"
    fallen = decide(less, ROOM, better="higher")
    assert decide(more, ROOM).state == fallen.state == "over"
    assert fallen.change == pytest.approx(-0.1)
    assert fallen.low < fallen.change < fallen.high < -ROOM
    assert -1 < fallen.visible < -ROOM


def test_a_floor_of_nothing_is_always_kept():
    """A rate that may fall by all of it or more has no limit left to break."""
    assert decide([-5.0] * 4, 1.0, better="higher").state == "within"
    assert decide([-5.0] * 4, 20.0, better="higher").state == "within"


@given(
    st.lists(st.floats(-0.1, BAR), min_size=MOST, max_size=MOST),
    st.integers(0, MOST - 1),
    st.floats(0.1, 5.0),
)
def test_one_outlier_is_never_red(values, place, size):
    """Wherever it falls, and however far off it is."""
    values[place] = size
    assert decide(values, ROOM).state != "over"


def test_the_median_has_to_be_over_the_limit_too():
    """A mean that one block carries over the limit raises no alarm, even at a risk that would allow it."""
    raised = decide([BAR + 0.1] * 2 + [0.5], ROOM, alpha=0.9)
    carried = decide([BAR - 0.01] * 2 + [0.5], ROOM, alpha=0.9)
    assert raised.more == LOOKS_AGAIN[0]
    assert carried.more == LOOKS[1] - LOOKS[0]


def test_blocks_that_agree_to_the_digit_do_not_look_certain():
    """Equal blocks have the spread that blocks are known to have: a bit over 5 % is not proved."""
    assert decide([0.0] * 3, ROOM).state == "within"
    assert decide([BAR + 0.001] * MOST, ROOM).state == "open"
    assert decide([BAR] * MOST, ROOM).state == "open"
    equal = decide([0.0] * 3, ROOM)
    assert equal.change == 0
    assert equal.high == pytest.approx(math.expm1(3.1427 * 0.012 * math.sqrt(4 / 6 / 3)), rel=1e-3)


def test_three_blocks_have_to_be_surer_than_four():
    """What four blocks would call within its limit, at 5 % of risk, three may not, at 1 %."""
    near = BAR - 0.012
    assert decide([near] * 3, ROOM).state == "more"
    assert decide([near] * 4, ROOM).state == "within"


def test_the_t_of_a_look_is_the_moderated_one():
    """The formula of the docstring, by hand: the visible change of six blocks."""
    values = [0.05, 0.06, 0.04, 0.07, 0.03, 0.065]
    mean = sum(values) / 6
    variance = sum((v - mean) ** 2 for v in values) / 5
    error = math.sqrt((4 * 0.012**2 + 5 * variance) / 9 / 6)
    paired = decide(values, ROOM)
    assert (paired.state, paired.more) == ("more", 2)
    assert paired.visible == pytest.approx(
        math.expm1(BAR + student_t(1 - ALPHA_ALARM / len(LOOKS), 9) * error)
    )


def test_the_looks_of_a_confirmation_share_its_risk():
    """The interval of what is over is that of its fresh blocks; three looks share the 1 % a side."""
    paired = decide([0.2] * 11, ROOM)
    reach = student_t(1 - 0.01 / 3, 11) * 0.012 * math.sqrt(4 / 11 / 8)
    assert paired.low == pytest.approx(math.expm1(0.2 - reach), rel=1e-4)
    assert paired.high == pytest.approx(math.expm1(0.2 + reach), rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_what_is_no_number_settles_nothing(bad, better):
    """A block of which nothing is known leaves it open, says so, and tells no false number."""
    values = [0.0, bad] + [0.0] * MOST
    assert decide(values[:2], ROOM, better=better).state == "more"
    paired = decide(values, ROOM, better=better)
    assert (paired.state, paired.change, paired.low, paired.high) == ("open", 0, -1, math.inf)
    assert "no finite change" in paired.reason
    assert decide([0.0] * 3 + [bad], ROOM, better=better).state == "within"


def test_what_is_no_number_confirms_nothing():
    """An alarm whose fresh blocks hold one stays open."""
    paired = decide([0.2] * 10 + [math.inf], ROOM)
    assert paired.state == "open"
    assert "no finite change" in paired.reason


def test_without_room_any_proved_change_is_red():
    """`<= baseline`: 10 % more is red, 10 % less is green, and no change cannot be proved."""
    assert decide([0.1] * MOST, 0.0).state == "over"
    assert decide([-0.1] * MOST, 0.0).state == "within"
    assert decide([0.0] * MOST, 0.0).state == "open"


@pytest.mark.parametrize("room", [-0.01, math.nan])
def test_a_room_below_nothing_is_refused(room):
    """A limit cannot ask for less than the baseline here."""
    with pytest.raises(ValueError, match="room of 0 or more"):
        decide([0.0] * 4, room)


def test_a_red_that_does_not_repeat_stays_open():
    """Over by three blocks, no change by eight fresh ones: neither red nor green, and it says why."""
    asked = decide([0.2] * 3, ROOM)
    assert (asked.state, asked.more) == ("more", LOOKS_AGAIN[0])
    assert decide([0.2] * 3 + [0.0] * 3, ROOM).more == 5
    paired = decide([0.2] * 3 + [0.0] * 8, ROOM)
    assert (paired.state, paired.blocks) == ("open", 11)
    assert paired.change == 0
    assert "not again in 8 fresh ones" in paired.reason


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([BAR - 0.15, BAR + 0.15] * 24, "too noisy to judge"),
        ([BAR - 0.001, BAR + 0.001] * 24, "too near the limit"),
    ],
)
def test_what_stays_open_says_why(values, why):
    """Noise of the machine and a change right at the limit are different news."""
    paired = decide(values, ROOM)
    assert (paired.state, paired.blocks) == ("open", LOOKS[-1])
    assert why in paired.reason
    assert paired.low < ROOM < paired.high


def test_more_blocks_see_smaller_changes():
    """The visible change nears the limit with each look, and keeps further off for many benchmarks."""
    values = [BAR - 0.01, BAR + 0.01] * 24
    seen = [decide(values[:look], ROOM).visible for look in LOOKS]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] > ROOM
    assert decide(values, ROOM, alpha=risk(5000)).visible > seen[-1]
    assert decide([], ROOM).visible == math.inf


def test_the_canary_sings_only_in_quiet():
    """The same code has to come out the same; faster is as suspicious as slower."""
    assert canary([0.001, -0.002, 0.0, 0.001]).state == "within"
    assert (canary([]).more, canary([0.2] * 3).more) == (LOOKS[0], LOOKS_AGAIN[0])
    for change in (0.2, -0.2):
        paired = canary([change] * MOST)
        assert paired.state == "open"
        assert paired.change == pytest.approx(math.expm1(change))
        assert "the same code on both sides" in paired.reason


def test_a_canary_in_doubt_is_measured_on():
    """Too few or too noisy blocks ask for more, as any benchmark does, and end open."""
    noisy = [-0.3, 0.3] * 24
    assert [canary(noisy[:look]).more for look in LOOKS[:-1]] == [1, 2, 2, 4, 4, 8, 8, 16]
    assert canary(noisy).state == "open"
    assert "too noisy" in canary(noisy).reason
    assert canary([math.nan] * 4).more == 2


@given(st.lists(ratios, max_size=MOST))
def test_the_canary_keeps_its_word(values):
    """Once it is trusted or not, further blocks do not change that."""
    taken = ""
    for count in range(len(values) + 1):
        state = canary(values[:count]).state
        assert state != "over"
        assert not taken or state == taken
        taken = state if state != "more" else ""


def test_a_block_of_real_pairs_goes_the_whole_way():
    """From readings to a verdict: a head 20 % slower is over, the same code within."""
    rng = random.Random(5)

    def block(change):
        base = [rng.gauss(0.01, 0.0001) for _ in range(8)]
        head = [rng.gauss(0.01, 0.0001) * (1 + change) for _ in range(8)]
        return Block(base=tuple(base), head=tuple(head))

    slower = [block_value(block(0.2)) for _ in range(12)]
    same = [block_value(block(0.0)) for _ in range(4)]
    told = decide(slower, ROOM)
    assert (told.state, told.blocks) == ("over", 11)
    assert told.change == pytest.approx(0.2, abs=0.01)
    assert median(same) == pytest.approx(0, abs=0.01)
    assert decide(same, ROOM).state == "within"
