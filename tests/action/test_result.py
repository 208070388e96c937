"""The exit code of the Action: nothing that went wrong ever becomes green."""

import subprocess
import sys

import pytest

from budgetguard.action import measuring, runner
from budgetguard.action.base import _git_token
from budgetguard.action.inputs import Inputs
from budgetguard.action.result import Result, told_by, with_loosened
from budgetguard.action.text import LARGEST_COMMENT, LARGEST_SUMMARY, page
from budgetguard.gate.verdict import Outcome, Report, Verdict

GREEN = Report(verdicts=(Verdict(budget="a", target="bundle", limit="x", outcome=Outcome.PASS),))
RED = Report(verdicts=(Verdict(budget="a", target="bundle", limit="x", outcome=Outcome.FAIL),))
LOOSER = ("budgetguard.yml:3: looser",)


@pytest.mark.parametrize(
    ("result", "code", "status"),
    [
        (Result(code=0, report=GREEN), 0, "within-budget"),
        (Result(code=1, report=RED), 1, "over-budget"),
        (Result(code=3, report=GREEN), 3, "unsettled"),
        (Result(code=0, report=RED), 1, "over-budget"),
        (Result(code=120, report=GREEN), 4, "not-measured"),
        (Result(code=120, report=RED), 1, "over-budget"),
        (Result(code=137, problem="killed"), 4, "not-measured"),
        (Result(code=3221225477, problem="crashed"), 4, "not-measured"),
        (Result(code=0, report=GREEN, loosened=LOOSER), 1, "over-budget"),
        (Result(code=3, report=GREEN, loosened=LOOSER), 1, "over-budget"),
        (Result(code=2, problem="x", loosened=LOOSER), 2, "unusable"),
        (Result(code=130, problem="x", loosened=LOOSER), 130, "interrupted"),
    ],
)
def test_the_worst_counts(result, code, status):
    """Of the command's code, the report's and what is looser; an unknown code measured nothing."""
    assert (result.exit_code, result.status) == (code, status)
    assert result.gate(enforce=True) == code
    assert result.gate(enforce=False) == (code if code in (2, 130) else 0)


def test_what_is_not_enforced_is_not_counted_as_over():
    """The output `over-budget` counts what stops a build."""
    shown = Verdict(budget="a", target="bundle", limit="x", outcome=Outcome.FAIL, enforced=False)
    assert Result(code=0, report=Report(verdicts=(shown,))).over == 0
    assert Result(code=1, report=RED).over == 1


def test_what_is_looser_survives_the_report():
    """Another job reads it out of the report again, and the notes are as they were."""
    report = Report(verdicts=GREEN.verdicts, notes=("a note",))
    found = told_by(with_loosened(report, LOOSER))
    assert (found.loosened, found.report, found.exit_code) == (LOOSER, report, 1)


def test_a_page_has_an_end():
    """However much is told, and however much it grows by its escapes, GitHub takes it."""
    many = tuple(
        Verdict(
            budget=f"<{n}>" * 90,
            target="bundle",
            limit="<" * 200,
            outcome=Outcome.FAIL,
            reason="<" * 900,
        )
        for n in range(500)
    )
    evil = "<" * 9000
    result = Result(
        code=1, report=Report(verdicts=many), loosened=(evil,) * 80, problem="\n".join([evil] * 80)
    )
    comment, summary = page(result), page(result, largest=LARGEST_SUMMARY)
    assert len(comment) <= LARGEST_COMMENT
    assert len(comment) < len(summary) <= LARGEST_SUMMARY
    assert len(summary.encode()) <= 1024 * 1024  # GitHub drops a larger one
    assert "more lines" in comment
    assert "**Cut here: " in comment


def test_outputs_are_lines(tmp_path):
    """A line break in a value cannot begin another output; outside of GitHub nothing is written."""
    file = tmp_path / "output"
    runner.write_outputs({"GITHUB_OUTPUT": str(file)}, {"a": "1\ngate=0", "b": "2"})
    assert file.read_text() == "a=1 gate=0\nb=2\n"
    runner.write_outputs({}, {"a": "1"})


def test_what_is_measured_writes_nothing_of_the_step():
    """Neither the files of the step nor its inputs reach the tests."""
    given = dict.fromkeys(("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "INPUT_ARGS", "HOME"), "x")
    assert measuring.environment(given) == {"HOME": "x"}


@pytest.mark.parametrize("code", ["sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_how_a_command_ended(tmp_path, monkeypatch, code, capfd):
    """The end of standard error is kept, and a death by a signal is an exit code of ours."""
    script = f"import sys; sys.stderr.write('why\\n'); sys.stderr.flush(); {code}"
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **how: start([sys.executable, "-c", script], **how)
    )
    ended = measuring.run(["check"], Inputs(folder=tmp_path))
    assert ended.code == (3 if "exit" in code else 4)
    assert ended.complaint == "why"
    assert "why" in capfd.readouterr().err


def test_the_token_goes_to_github_alone():
    """git sends it over https to the server of the repository, and what a checkout left before it is gone."""
    token = "ghs_0123456789"
    given = _git_token({"GITHUB_TOKEN": token, "GITHUB_SERVER_URL": "https://ghe.example.org"})
    assert given["GIT_CONFIG_KEY_0"] == given["GIT_CONFIG_KEY_1"]
    assert given["GIT_CONFIG_KEY_0"] == "http.https://ghe.example.org/.extraheader"
    assert given["GIT_CONFIG_VALUE_0"] == ""
    assert token not in str(given)
    assert _git_token({"GITHUB_TOKEN": token, "GITHUB_SERVER_URL": "http://ghe.example.org"}) == {}
    assert _git_token({}) == {}
