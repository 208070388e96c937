"""`budgetguard check` on a real project."""

import json
import os
import pty
import subprocess
import sys

import pytest


def test_first_run_is_green_and_names_the_record(project):
    """All new is green, and the one command that records is printed."""
    told = project.run("check")

    assert told.code == 0
    assert "✓ app  raw 100 B of 200 B" in told.out
    assert "budgetguard baseline update app" in told.out
    assert (
        told.out.rstrip().splitlines()[-1].startswith("guarded 1 of 2 limits · 1 new · exit 0 · ")
    )


def test_over_budget(project):
    """A broken limit ends in 1 and tells both numbers, the file and the next step."""
    project.run("baseline", "update")
    project.bundle.write_text("a" * 150)
    told = project.run("check")

    assert told.code == 1
    assert "FAIL  app  raw <= baseline\n" in told.out
    assert "150 B is over 100 B, +50.0 % from 100 B" in told.out
    assert "dist/app.js" in told.out
    assert "budgetguard baseline update app" in told.out


def test_vanished(project):
    """A budget that is gone from the configuration ends in 4."""
    project.run("baseline", "update")
    project.config.write_text(
        "version: 1\nbudgets:\n  new: {bundle: dist, limits: [raw <= 1 kB]}\n"
    )
    told = project.run("check")

    assert told.code == 4
    assert "VANISHED app  raw" in told.out
    assert "1 vanished" in told.out


def test_strict(project):
    """Under --strict what is new ends in 3."""
    assert project.run("check", "--strict").code == 3


def test_json_is_all_there_is_on_stdout(project):
    """A program can read standard output as it is, also when it is red."""
    project.bundle.write_text("a" * 300)
    told = project.run("check", "--json")

    assert told.code == 1
    assert json.loads(told.out)["exit_code"] == 1


def test_reports_are_written_when_red(project):
    """Every --report is written, into folders that are made, whatever the outcome."""
    project.bundle.write_text("a" * 300)
    told = project.run("check", "--report", "out/deep/r.md", "--report", "r.json")

    assert told.code == 1
    assert "300 B" in (project.folder / "out/deep/r.md").read_text().replace("\u00a0", " ")
    assert json.loads((project.folder / "r.json").read_text())["exit_code"] == 1


def test_unknown_report_is_refused_before_measuring(project):
    """A report that nobody can write is told at once."""
    told = project.run("check", "--report", "r.pdf")

    assert told.code == 2
    assert told.out == ""
    assert ".json or .md" in told.err


def test_report_that_cannot_be_written(project):
    """A report whose folder is a file is an error of usage."""
    told = project.run("check", "--report", "dist/app.js/r.md")

    assert told.code == 2
    assert "cannot be written" in told.err


@pytest.mark.parametrize("arguments", [["nope"], ["--config", "nope.yml"]])
def test_unknown_name_or_file(project, arguments):
    """A name or a file that does not exist ends in 2."""
    assert project.run("check", *arguments).code == 2


def test_config_of_another_folder(project, monkeypatch):
    """--config measures the files beside that configuration, from wherever it is called."""
    (project.folder / "elsewhere").mkdir()
    monkeypatch.chdir(project.folder / "elsewhere")

    assert "raw 100 B of 200 B" in project.run("check", "--config", "../budgetguard.yml").out
    assert "raw 100 B of 200 B" in project.run("check").out


def test_broken_baseline_ends_in_2(project):
    """A baseline that cannot be read is never taken for an empty one."""
    project.baseline.write_text("{")
    told = project.run("check")

    assert told.code == 2
    assert "git checkout" in told.err


def test_progress_is_one_line_for_a_person_only(project):
    """On a terminal a slow run shows what it measures and takes the line away; the report is whole."""
    project.config.write_text(
        "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 200 B]}\n"
    )
    code = (
        "import sys, budgetguard.cli.screen as screen\n"
        "screen._QUIET_S = -1.0\n"
        "progress = screen.Progress(); progress('tests/a.py::\\x1b[31mtest'); progress.clear()\n"
    )
    outer, inner = pty.openpty()
    try:
        for stream, shown in ((inner, True), (subprocess.PIPE, False)):
            finished = subprocess.run(
                [sys.executable, "-c", code],
                stderr=stream,
                timeout=60,
                check=True,
                env={**os.environ, "TERM": "xterm"},
            )
            text = os.read(outer, 10_000) if shown else finished.stderr
            assert (b"tests/a.py::" in text) is shown
            assert b"\x1b[31m" not in text
            assert text.endswith(b"\r\x1b[2K") is shown
    finally:
        os.close(outer)
        os.close(inner)
