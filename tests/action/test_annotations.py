"""Verdicts as annotations: level, place, order, and an escape for everything that could end one."""

import pytest

from budgetguard.action.annotations import annotations, problem
from budgetguard.action.runner import command
from budgetguard.gate.model import Where
from budgetguard.gate.verdict import Outcome, Report, Verdict

PLACE = Where("web/budgetguard.yml", 3)


def verdict(outcome=Outcome.FAIL, **fields):
    known = {"budget": "app", "target": "bundle", "limit": "raw <= 1 kB", "where": PLACE}
    return Verdict(outcome=outcome, **{**known, **fields})


@pytest.mark.parametrize(
    ("one", "strict", "level"),
    [
        (verdict(), False, "error"),
        (verdict(Outcome.VANISHED, where=Where("")), False, "error"),
        (verdict(Outcome.ERROR), False, "error"),
        (verdict(enforced=False), False, "warning"),
        (verdict(Outcome.UNSETTLED), False, "warning"),
        (verdict(Outcome.UNSETTLED), True, "error"),
        (verdict(Outcome.NEW), False, "notice"),
        (verdict(Outcome.NEW), True, "error"),
    ],
)
def test_levels(one, strict, level):
    """What stops the build is an error, what may is a warning, what is new a notice."""
    [line] = annotations(Report(verdicts=(one,), strict=strict), (), 10)
    assert line.startswith(f"::{level} ")


def test_what_is_fine_is_silent():
    """Neither a pass nor what may be skipped is annotated."""
    report = Report(verdicts=(verdict(Outcome.PASS), verdict(Outcome.SKIPPED)))
    assert annotations(report, (), 10) == []


def test_places_are_the_repositorys():
    """A configuration in a folder is named from the root of the repository."""
    [line] = annotations(Report(verdicts=(verdict(),), folder="shop/"), (), 10)
    assert "file=shop/web/budgetguard.yml,line=3," in line


def test_worst_first_and_the_rest_is_counted():
    """Of many the worst are shown; the last annotation says how many more, at the level of the worst hidden."""
    many = [verdict(Outcome.NEW, budget=f"n{number}") for number in range(5)]
    lines = annotations(Report(verdicts=(*many, verdict(), verdict())), (), 4)
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::notice", "::notice"]
    assert lines[-1].endswith("::4 more in the summary of this job")


def test_nothing_ends_an_annotation_early():
    """Line breaks, commas, colons and percent signs of names and texts are escaped."""
    evil = "a,file=x::b\n::error::%0A\r\u202e"
    [line] = annotations(
        Report(verdicts=(verdict(budget=evil, reason=evil, evidence=(evil,)),)), (), 9
    )
    assert "\n" not in line
    assert "\r" not in line
    assert "\u202e" not in line
    head = line.removeprefix("::").partition("::")[0]
    assert "a%2Cfile=x%3A%3Ab" in head
    assert command("error", "100 %\n", title="a:b,c%") == "::error title=a%3Ab%2Cc%25::100 %25%0A"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("error: budgetguard.yml:5 budgets.app: wrong", "file=web/budgetguard.yml,line=5,"),
        ("tests/test_a.py:12: wrong", "file=web/tests/test_a.py,line=12,"),
        ("no budgetguard.yml here", ""),
    ],
)
def test_a_problem_is_shown_where_it_is(text, place):
    """Why nothing was judged stands on the first line that it names."""
    assert problem(text, "web").startswith(f"::error {place}title=budgetguard::")


def test_what_is_looser_comes_first():
    """Each is an error on its line, before the verdicts, and they share one bound."""
    looser = "web/budgetguard.yml:3: `a` became `b`\n  accept it"
    report = Report(verdicts=(verdict(), verdict(Outcome.NEW)))
    first, second, last = annotations(report, [looser, looser], 3)
    assert first == second
    assert first.startswith("::error file=web/budgetguard.yml,line=3,title=budgetguard::")
    assert first.endswith("`b`%0A  accept it")
    assert last == "::error title=budgetguard::2 more in the summary of this job"
