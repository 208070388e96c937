"""The report for a terminal."""

from dataclasses import replace

import pytest

from budgetguard.gate.report import terminal
from budgetguard.gate.report.wording import columns
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report
from budgetguard.units import Unit

from .conftest import verdict

PASSED = (
    verdict(measured=149_999, allowed=150_000),
    verdict(limit="gzip <= baseline + 2%", measured=149_999, allowed=152_388, baseline=149_400),
    verdict(limit="files <= 20", metric="files", unit=Unit.COUNT, measured=12, allowed=20),
)
FAILED = verdict(
    Outcome.FAIL,
    budget="vendor",
    limit="gzip <= baseline + 2%",
    measured=154_300,
    allowed=146_600,
    baseline=143_700,
    reason="154 kB is over 147 kB, +7.4 % from 144 kB",
    hint="find the change, or record it on purpose: budgetguard baseline update vendor",
    evidence=("dist/vendor-8e1.js  +9.8 kB", "dist/chart-2b.js  +0.4 kB", "three", "four"),
)


def report(*verdicts, **fields):
    return Report(verdicts=verdicts, duration_s=3.21, **fields)


def test_whole_report():
    """One line per green budget, a block per red one, the lists, and the sum as the last line."""
    text = terminal.render(
        report(
            *PASSED,
            FAILED,
            verdict(
                Outcome.VANISHED,
                budget="old",
                limit="",
                metric="peak_rss",
                reason="in the baseline, but this run did not measure it",
                hint="bring it back; if it is gone on purpose: budgetguard baseline update",
            ),
            verdict(
                Outcome.UNSETTLED,
                budget="api",
                limit="p95 <= 50 ms",
                metric="p95",
                unit=Unit.SECONDS,
                measured=0.0493,
                allowed=0.05,
                reason="59 readings leave it open",
                hint="give the limit more room",
            ),
            verdict(
                Outcome.NEW,
                budget="fresh",
                limit="queries <= baseline",
                measured=7,
                unit=Unit.COUNT,
            ),
            verdict(Outcome.SKIPPED, budget="gpu", reason="no GPU in CI"),
            left=(LeftToCheck("cli", "time <= baseline + 5%", "settled side by side"),),
            notes=("a note",),
        )
    )

    assert (
        text
        == """\
  ✓ app  gzip 149.999 kB of 150 kB, +0.4 % · files 12 of 20

FAIL  vendor  gzip <= baseline + 2%
      154 kB is over 147 kB, +7.4 % from 144 kB
      │ dist/vendor-8e1.js  +9.8 kB
      │ dist/chart-2b.js  +0.4 kB  and 2 more
      → find the change, or record it on purpose:
        budgetguard baseline update vendor

VANISHED old  peak_rss
      in the baseline, but this run did not measure it
      → bring it back; if it is gone on purpose: budgetguard baseline update

unsettled
  api  p95 <= 50 ms
      49.3 ms of 50 ms: 59 readings leave it open
      → give the limit more room

new, nothing to compare with yet
  fresh  queries <= baseline  7
      → record: budgetguard baseline update fresh

skipped
  gpu  no GPU in CI

left to check, not guarded by this run
  cli  time <= baseline + 5%
      settled side by side

note  a note

guarded 4 of 9 limits · 1 over budget · 1 vanished · 1 unsettled · 1 new
1 skipped · 1 left to check · exit 1 · 3.2 s
"""
    )


def test_all_green_is_short():
    """A run within budget is its green lines and the sum."""
    assert terminal.render(report(*PASSED)) == (
        "  ✓ app  gzip 149.999 kB of 150 kB, +0.4 % · files 12 of 20\n\n"
        "guarded 3 of 3 limits · exit 0 · 3.2 s\n"
    )


def test_nothing_measured_says_so():
    """An empty run is not mistaken for a green one."""
    text = terminal.render(report())

    assert "nothing was measured" in text
    assert "exit 4" in text


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["a/" * 90 + "test_x.py::test_y[z]", "数据" * 60, "x" * 500])
def test_long_names_are_shortened_in_the_middle(width, name):
    """No line is wider than the terminal, save a command that is there to be copied."""
    failed = replace(
        FAILED,
        budget=name,
        reason="it " * 90,
        evidence=("e" * 300,),
        hint=f"record it: budgetguard baseline update {name}",
    )
    text = terminal.render(
        report(
            replace(PASSED[0], budget=name),
            failed,
            replace(failed, outcome=Outcome.UNSETTLED, hint=""),
            replace(failed, outcome=Outcome.SKIPPED),
            left=(LeftToCheck(name, name, ""),),
        ),
        width=width,
    )

    for line in text.splitlines():
        assert columns(line) <= width or name in line
    assert "…" in text


def test_red_block_has_three_to_six_lines():
    """However much there is to say, a red block stays readable."""
    long = replace(FAILED, reason="it is over " * 12, evidence=("one", "two", "three", "four"))
    for one in (FAILED, long, replace(FAILED, evidence=()), replace(FAILED, evidence=("one",))):
        block = terminal.render(report(one)).split("\n\n")[0].splitlines()

        assert 3 <= len(block) <= 6
        assert "baseline update vendor" in block[-1]


def test_many_green_budgets_end_in_a_count():
    """Two hundred green tests do not bury the red one."""
    many = [replace(PASSED[0], budget=f"test_{number}") for number in range(200)]
    text = terminal.render(report(*many, FAILED))

    assert "and 160 more within budget" in text
    assert text.count("✓") == 40


def test_many_red_budgets_end_in_a_count():
    """A thousand red verdicts do not fill a log."""
    text = terminal.render(report(*[FAILED] * 1000))

    assert "and 975 more" in text
    assert "1000 over budget" in text


def test_hostile_names_cannot_steer_the_terminal():
    """Control characters, line breaks and bidirectional marks are shown and not obeyed."""
    name = "app\x1b[2J\r\n\u202egnp.js\udc80"
    text = terminal.render(report(replace(FAILED, budget=name, hint=name, evidence=(name,))))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\r" not in text
    assert r"\x1b[2J" in text
    text.encode()


def test_not_enforced_is_told_apart():
    """What stops nothing is shown, counted apart, and never coloured red."""
    looks = []
    text = terminal.render(
        report(*PASSED, replace(FAILED, enforced=False)),
        style=lambda text, look: looks.append((text, look)) or text,
    )

    assert "(not enforced)" in text
    assert "1 over budget, not enforced · exit 0" in text
    assert not any(look == "red" for _, look in looks)


def test_better_than_the_baseline_is_told():
    """An improvement names the command that keeps it."""
    better = replace(PASSED[1], measured=100_000, hint="better than the baseline; keep it: x")
    text = terminal.render(report(better))

    assert "better than the baseline: app; keep it: budgetguard baseline update app" in " ".join(
        text.split()
    )


def test_error_shows_the_end_of_its_output():
    """Of the output of something that failed the last lines tell why."""
    output = tuple(f"line {number}" for number in range(9))
    text = terminal.render(report(replace(FAILED, outcome=Outcome.ERROR, evidence=output, hint="")))

    assert "line 8  and 6 more" in text
    assert "line 0" not in text


def test_each_part_of_a_glob_is_named():
    """A limit with a glob names the part that broke it."""
    text = terminal.render(report(replace(FAILED, limit="*.js gzip <= 9 kB", selector="a.js")))

    assert "*.js gzip <= 9 kB at a.js" in text


def test_names_in_commands_are_quoted_for_a_shell():
    """A name with brackets or spaces can be copied with its command."""
    new = verdict(Outcome.NEW, budget="test_it.py::test_a[x y]", measured=1.0)
    better = verdict(budget="my app", measured=1.0, hint="better than the baseline")
    shown = " ".join(terminal.render(report(new, better)).split())
    assert "budgetguard baseline update 'test_it.py::test_a[x y]'" in shown
    assert "keep it: budgetguard baseline update 'my app'" in shown
