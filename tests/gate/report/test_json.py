"""The report for programs, and the table of reports."""

import json
from pathlib import Path

import pytest

from budgetguard.errors import UsageError
from budgetguard.gate.model import Where
from budgetguard.gate.report import renderer_of
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit

FAILED = Verdict(
    budget="app\udc80",
    target="bundle",
    limit="gzip <= 150 kB",
    outcome=Outcome.FAIL,
    metric="gzip",
    unit=Unit.BYTES,
    measured=154_300.0,
    allowed=150_000.0,
    evidence=("dist/app.js",),
    where=Where("budgetguard.yml", 4, "budgets.app"),
)
REPORT = Report(
    verdicts=(FAILED,),
    left=(LeftToCheck("cli", "time <= baseline + 5%", "why"),),
    notes=("a note",),
    machine="CPython",
    tool="budgetguard 1",
    duration_s=1.5,
)


def test_every_field_in_canonical_units():
    """A program finds all a verdict knows, bytes as bytes, and the sums."""
    document = json.loads(renderer_of(Path("x.json"))(REPORT))

    assert document["schema"] == 1
    assert document["exit_code"] == 1
    assert document["machine"] == "CPython"
    assert document["summary"]["guarded"] == 1
    assert document["summary"]["limits"] == 2
    assert document["summary"]["outcomes"]["FAIL"] == 1
    (verdict,) = document["verdicts"]
    assert verdict["measured"] == 154_300
    assert verdict["unit"] == "bytes"
    assert verdict["red"] is True
    assert verdict["where"] == {"file": "budgetguard.yml", "line": 4, "key": "budgets.app"}
    assert verdict["budget"] == "app\udc80"
    assert document["left"] == [
        {"budget": "cli", "limit": "time <= baseline + 5%", "reason": "why"}
    ]


def test_not_a_number_is_null():
    """JSON has no NaN and no infinity, so neither is written."""
    from dataclasses import replace

    inf = float("inf")
    odd = replace(FAILED, measured=float("nan"), allowed=inf, visible=inf, change=(-1.0, 0.0, inf))
    (verdict,) = json.loads(renderer_of(Path("x.json"))(replace(REPORT, verdicts=(odd,))))[
        "verdicts"
    ]

    assert verdict["measured"] is None
    assert verdict["allowed"] is None


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.html2"])
def test_unknown_suffix_lists_what_there_is(name):
    """A suffix that no report has is told with those there are."""
    with pytest.raises(UsageError, match=r"ends in \.json or \.md"):
        renderer_of(Path(name))


@pytest.mark.parametrize("name", ["report.md", "REPORT.JSON"])
def test_names_that_are_not_utf8_are_written(name):
    """A name of stray bytes crashes no report."""
    renderer_of(Path(name))(REPORT).encode("utf-8", "strict")
