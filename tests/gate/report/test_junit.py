"""The report for what shows test results."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from budgetguard.gate.model import Where
from budgetguard.gate.report import junit
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report

from .conftest import verdict


def read(report):
    """As GitLab, Jenkins and others do: the suites, and the cases with what became of each."""
    suites = JUnitXml.fromstring(junit.render(report).encode())
    return suites, [case for suite in suites for case in suite]


ALL = Report(
    verdicts=(
        verdict(),
        verdict(
            Outcome.FAIL,
            measured=154_300,
            allowed=150_000,
            reason="154 kB is over 150 kB",
            hint="bring it down",
            evidence=("dist/app.js", "dist/b.js"),
        ),
        verdict(Outcome.ERROR, reason="it is not there"),
        verdict(Outcome.VANISHED, limit="", reason="not measured", where=Where("")),
        verdict(Outcome.UNSETTLED, reason="too few readings"),
        verdict(Outcome.SKIPPED, reason="no GPU in CI"),
        verdict(Outcome.NEW, reason="no baseline"),
        verdict(Outcome.FAIL, reason="over", enforced=False),
    ),
    left=(LeftToCheck("tests/test_a.py::test_a", "time <= baseline + 5%", "side by side"),),
    started="2026-11-23T10:00:00+00:00",
    duration_s=3.25,
    commit="abc",
    folder="web/",
)


def test_each_outcome_has_its_element():
    """Red is a failure or an error, what is open is skipped with its reason, and a pass has nothing."""
    suites, cases = read(ALL)

    found = [type(case.result[0]) if case.result else None for case in cases]
    assert found == [None, Failure, Error, Error, *[Skipped] * 5]
    assert [case.result[0].message for case in cases[4:6]] == ["too few readings", "no GPU in CI"]
    assert cases[7].result[0].message == "over (not enforced)"
    assert cases[8].result[0].message == "left to check: side by side"
    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (9, 1, 2, 5)
    assert suites.time == 3.25


def test_a_failure_tells_all_that_is_known():
    """Numbers, evidence, the next step and the place stand in its text; the place is the repository's."""
    _, cases = read(ALL)
    text = cases[1].result[0].text

    assert "measured 154 kB · allowed 150 kB" in text.replace("\u00a0", " ")
    assert "dist/app.js\ndist/b.js\n→ bring it down\nbudgetguard.yml:4 budgets.app" in text
    element = ET.fromstring(junit.render(ALL)).findall(".//testcase")[1]
    assert (element.get("file"), element.get("line")) == ("web/budgetguard.yml", "4")


def test_names_are_those_of_pytest_and_unique():
    """A test lies under its dotted module; what GitLab would take for the same case is numbered."""
    names = ["tests/test_a.py::TestA::test_b[x::y]", "app"]
    _, cases = read(Report(verdicts=tuple(verdict(budget=name) for name in names * 2)))

    found = [(case.classname, case.name) for case in cases]
    assert found[:2] == [
        ("tests.test_a.TestA", "test_b[x::y] gzip <= 150 kB"),
        ("bundle", "app gzip <= 150 kB"),
    ]
    assert len(set(found)) == 4
    assert found[2][1].endswith("#2")


def test_strict_leaves_nothing_open_green():
    """Where what is open is red, it is a failure here, too."""
    open_ = Report(
        verdicts=(verdict(Outcome.UNSETTLED), verdict(Outcome.NEW)), left=ALL.left, strict=True
    )

    assert open_.exit_code == 3
    assert [type(case.result[0]) for case in read(open_)[1]] == [Failure] * 3


@pytest.mark.parametrize("verdicts", [(), (verdict(Outcome.SKIPPED),)])
def test_a_run_that_measured_nothing_is_not_green(verdicts):
    """A viewer takes a suite without a failure for green, so there is an error."""
    report = Report(verdicts=verdicts)

    assert report.exit_code == 4
    assert any(isinstance(case.result[0], Error) for case in read(report)[1])


HOSTILE = '\x00\x1b[31m\x85\ufffe\udc80</failure><testcase name="x"/>]]>&\'"\u202e\n'


@pytest.mark.parametrize("field", ["budget", "limit", "reason", "hint", "note", "selector"])
def test_outside_text_stays_text(field):
    """No name can add an element, and what XML forbids is not in it."""
    text = junit.render(Report(verdicts=(verdict(Outcome.FAIL, **{field: HOSTILE}),)))

    assert len(ET.fromstring(text).findall(".//testcase")) == 1
    assert not set("\x00\x1b\x85\ufffe\udc80\u202e") & set(text)


@given(st.text(st.characters(exclude_categories=()), max_size=60))
@example("\ud800\ufffe\uffff\x00")
def test_any_text_can_be_read(text):
    """Whatever a name holds, a strict parser takes it."""
    one = verdict(
        Outcome.ERROR, budget=text, limit=text, reason=text, evidence=(text,), where=Where(text)
    )
    report = Report(
        verdicts=(one,), machine=text, started=text, left=(LeftToCheck(text, text, text),)
    )

    ET.fromstring(junit.render(report).encode())
