"""`budgetguard baseline` on a real repository."""

import json
import subprocess


def commit(project):
    project.git("add", "-A")
    project.git("commit", "-qm", "x")


def test_update_then_check_is_settled(project):
    """What was recorded is the baseline of the next check."""
    told = project.run("baseline", "update")

    assert told.code == 0
    assert "app raw  added, 100 B" in told.out
    assert "commit budgetguard.baseline.json" in told.out
    assert "guarded 2 of 2 limits · exit 0" in project.run("check").out


def test_update_tells_old_and_new(project):
    """A changed value is shown with what it was."""
    project.run("baseline", "update")
    project.bundle.write_text("a" * 101)

    assert "app raw  100 B -> 101 B, +1.0 %" in project.run("baseline", "update").out
    assert "nothing changed" in project.run("baseline", "update").out


def test_update_that_measures_nothing_writes_nothing(project):
    """Where nothing could be read the file stays as it was, and the command ends in 4."""
    project.run("baseline", "update")
    before = project.baseline.read_bytes()
    project.bundle.unlink()
    told = project.run("baseline", "update")

    assert told.code == 4
    assert "nothing recorded · 1 could not be measured" in told.out
    assert project.baseline.read_bytes() == before


def test_show(project):
    """The entries are shown for people and for programs; an unknown name is told."""
    assert "empty" in project.run("baseline", "show").out
    project.run("baseline", "update")

    assert project.run("baseline", "show").out == "app raw  100 B\n"
    (row,) = json.loads(project.run("baseline", "show", "app", "--json").out)
    assert (row["budget"], row["value"], row["unit"]) == ("app", 100, "bytes")
    told = project.run("baseline", "show", "ap")
    assert told.code == 2
    assert "did you mean app?" in told.err


def test_diff(project):
    """The file is compared with HEAD, or with another commit."""
    commit(project)
    project.run("baseline", "update")
    assert "no baseline is committed there" in project.run("baseline", "diff").out
    commit(project)
    project.bundle.write_text("a" * 110)
    project.run("baseline", "update")

    assert project.run("baseline", "diff").out == (
        "  app raw  100 B -> 110 B, +10.0 %\n1 changed, against HEAD\n"
    )
    assert "app raw  added, 110 B" in project.run("baseline", "diff", "--against", "HEAD~1").out
    told = project.run("baseline", "diff", "--against", "nope")
    assert told.code == 2
    assert "no commit" in told.err


def test_merge_settles_a_conflict(project):
    """A conflict in git ends in one file with the tighter value and the command to measure again."""
    project.run("baseline", "update")
    commit(project)
    for branch, size in (("one", 90), ("two", 80)):
        project.git("checkout", "-q", "-b", branch, "main")
        project.bundle.write_text("a" * size)
        project.run("baseline", "update")
        commit(project)
    merging = ["git", "merge", "-q", "one"]
    subprocess.run(merging, cwd=project.folder, capture_output=True, timeout=60, check=False)
    assert project.run("check").code == 2

    told = project.run("baseline", "merge")

    assert told.code == 0
    assert "app raw  80 B -> 90 B" in told.out
    assert "budgetguard baseline update app" in told.out
    assert '"value": 80' in project.baseline.read_text()


def test_merge_without_a_conflict(project):
    """Where there is nothing to settle nothing is written."""
    project.run("baseline", "update")
    told = project.run("baseline", "merge")

    assert (told.code, told.out) == (
        0,
        "no conflict marks in budgetguard.baseline.json; if git still lists it: git add budgetguard.baseline.json\n",
    )
