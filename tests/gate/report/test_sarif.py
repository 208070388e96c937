"""The report for what shows findings beside code."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from budgetguard.gate.model import Where
from budgetguard.gate.report import sarif
from budgetguard.gate.verdict import Outcome, Report

from .conftest import over


def run_of(*verdicts, **fields):
    """The one run, after the official schema has taken the document: its classes forbid what it does not name."""
    text = sarif.render(Report(verdicts=verdicts, tool="budgetguard 1.2", **fields))
    Sarif.model_validate_json(text)
    (run,) = json.loads(text)["runs"]
    return run


def test_a_finding_stands_on_the_line_of_its_budget():
    """One result per limit that is over or not measured, at the repository's path; rules are metrics."""
    run = run_of(
        over(Outcome.PASS),
        over(),
        over(Outcome.ERROR, metric="", limit="", where=Where("tests/test a.py", 9)),
        folder="web/",
    )

    assert [one["ruleId"] for one in run["results"]] == ["gzip", "not-measured"]
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == ["gzip", "not-measured"]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert [one["artifactLocation"]["uri"] for one in places] == [
        "web/budgetguard.yml",
        "web/tests/test%20a.py",
    ]
    assert [one["region"]["startLine"] for one in places] == [4, 9]
    assert "154.3 kB is over 150 kB" in run["results"][0]["message"]["text"]
    assert run["tool"]["driver"]["version"] == "1.2"


def test_what_has_no_line_is_a_notification():
    """A red verdict without a place is not lost."""
    run = run_of(over(Outcome.VANISHED, where=Where("")), over(where=Where("x.py")))

    assert run["results"] == []
    (invocation,) = run["invocations"]
    assert len(invocation["toolExecutionNotifications"]) == 2
    assert invocation["exitCode"] == 1


def test_nothing_measured_is_no_success():
    """An empty list of findings is told from a run that found none."""
    (invocation,) = run_of()["invocations"]

    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "nothing was measured"


def test_what_is_not_enforced_is_a_note():
    """A finding that stops nothing has no level of an error."""
    assert run_of(over(enforced=False))["results"][0]["level"] == "note"


def test_a_finding_is_the_same_in_the_next_run():
    """Its fingerprint follows from budget and limit, not from numbers, texts or lines."""
    moved = over(measured=160_000, reason="more", where=Where("budgetguard.yml", 9))
    prints = [
        run_of(one)["results"][0]["partialFingerprints"]
        for one in (over(), moved, over(budget="other"))
    ]

    assert prints[0] == prints[1] != prints[2]


def test_outside_text_is_no_link():
    """A name or reason can neither link nor hide what follows it."""
    hostile = "[here](http://evil.example) \u202e\x1b[31m"
    run = run_of(over(budget=hostile, reason=hostile, evidence=(hostile,)))
    text = json.dumps(run, ensure_ascii=False)

    assert "](" not in text
    assert not {"\u202e", "\x1b"} & set(text)


@given(st.text(st.characters(exclude_categories=()), max_size=60))
@example("\ud800")
@example("\udc80 a\\b")
def test_any_text_is_valid(text):
    """Whatever a name holds, the document keeps its form."""
    run_of(over(budget=text, metric=text, reason=text, where=Where(text, 1)), folder=text)


@pytest.mark.parametrize("line", [None, 0])
def test_no_line_is_no_result(line):
    """A region begins at line 1."""
    assert run_of(over(where=Where("x.py", line)))["results"] == []
