"""`budgetguard baseline update --time`: the base of time moves, and what was lost is shown."""

import difflib

import pytest

pytestmark = pytest.mark.timeout(900)


def test_the_base_moves(timed):
    """The change since the old base is shown, one line of the file moves, and its commit is the new base."""
    old = timed.based()
    timed.takes(8_000).commit("faster")
    before = timed.baseline.read_text().splitlines()

    told = timed.update("--time").ends(0, f"{timed.test} time", f"compared with {old}", "-> ")
    assert "the base of time is 20" in told.words
    after = timed.baseline.read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    assert [line[2:].split(":")[0].strip() for line in changed] == ['"time"', '"time"']
    timed.check("--strict").ends(3, "1 new", "commit budgetguard.baseline.json")
    new = timed.commit("move the base of time")
    timed.check("--strict").ends(0, "same code", f"compared with {new}")


def test_what_cannot_be_compared_is_told(timed):
    """A base that cannot be built any more is left behind, which is what the update is for; why is told."""
    timed.based()
    config = (timed.folder / "budgetguard.yml").read_text()
    timed.write({"budgetguard.yml": f'{config}setup: ["sh -c \\"echo no compiler; exit 1\\""]\n'})
    timed.takes(8_000)

    timed.update("--time").ends(0, f"{timed.test} time `setup:` failed", "no compiler", "is 20")
    timed.commit("move the base of time")
    timed.check("--strict").ends(0, "same code")


def test_names_do_not_go_with_it(timed):
    """The base is one commit for all: a NAME beside --time is refused, and nothing is written."""
    timed.based()

    timed.update(timed.test, "--time").ends(2, "--time moves the base of every benchmark")
    assert timed.git("status", "--porcelain") == ""
