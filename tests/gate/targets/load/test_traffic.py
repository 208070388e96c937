"""How many users there are when, and whose turn it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.targets.load.traffic import Stage, Traffic, Turns, ends

HOST = "http://127.0.0.1:1"
SPIKE = Traffic(
    host=HOST,
    stages=(
        Stage(users=10, seconds=4, ramp_s=2),
        Stage(users=50, seconds=3),
        Stage(users=10, seconds=2, ramp_s=4),
    ),
)


@pytest.mark.parametrize(
    ("second", "users"),
    [(0, 0), (1, 5), (2, 10), (3.9, 10), (4, 50), (6.9, 50), (7, 50), (8, 40), (9, None)],
)
def test_stages(second: float, users: int | None) -> None:
    """Ramps are straight, a stage without one jumps, one that ends early is cut, and then it is over."""
    assert SPIKE.users_at(second) == users


def test_length() -> None:
    """Of all stages, and of none."""
    assert SPIKE.seconds == 9
    assert ends(SPIKE.stages) == [4, 7, 9]
    own_shape = Traffic(host=HOST)
    assert (own_shape.seconds, own_shape.users_at(0)) == (0, None)


TURNS = Turns(start=1000.0, slice_s=2.0, own=(0, 3, 4))


@pytest.mark.parametrize(
    ("now", "lived", "slice_of"),
    [
        (990.0, 0.0, None),
        (1000.0, 0.0, 0),
        (1001.5, 1.5, 0),
        (1002.0, 2.0, None),
        (1005.9, 2.0, None),
        (1007.0, 3.0, 3),
        (1009.0, 5.0, 4),
        (1010.0, 6.0, None),
        (2000.0, 6.0, None),
    ],
)
def test_own_time(now: float, lived: float, slice_of: int | None) -> None:
    """It goes by in own slices only."""
    assert TURNS.lived(now) == pytest.approx(lived)
    assert TURNS.slice_of(now) == slice_of


@given(st.floats(min_value=0.0, max_value=5.999))
def test_there_and_back(lived: float) -> None:
    """The moment at which so much own time has gone by lies in an own slice."""
    wall = TURNS.wall(lived)
    assert TURNS.lived(wall) == pytest.approx(lived, abs=1e-6)
    assert TURNS.slice_of(wall + 1e-6) in TURNS.own


def test_after_the_last_slice() -> None:
    """More own time never comes."""
    assert TURNS.wall(6.0) == float("inf")


@pytest.mark.parametrize("turns", [None, TURNS])
def test_json_and_back(turns: Turns | None) -> None:
    """What a generator is told is what was meant."""
    one = Traffic(
        host=HOST, stages=SPIKE.stages, model="open", rate=5.5, seed=3,
        headers={"X-Key": "ü"}, allow_remote=True, turns=turns,
    )  # fmt: skip
    assert Traffic.from_json(one.to_json()) == one


def test_headers_do_not_show() -> None:
    """Their values may be secrets."""
    assert "sesame" not in repr(Traffic(host=HOST, headers={"X-Key": "sesame"}))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"turns": null}'])
def test_what_is_no_traffic(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        Traffic.from_json(text)
