"""Projects of two commits, and edits that change nothing."""

import subprocess
import sys
import types

import pytest

from benchmarks.verdict import projects
from benchmarks.verdict.edits import EDITS, unused

SOURCE = '''"""A workload."""
import json
UNITS = 200
WORDS = ["a"]


def outer(number):
    total = inner(number)
    return total + len([one for one in WORDS])


def inner(number):
    text = json.dumps([number])
    kept = len(text)
    return kept + 1


class Thing:
    def size(self):
        found = inner(UNITS)
        return found
'''


def run(source):
    """The module that a source makes."""
    module = types.ModuleType("edited")
    exec(compile(source, "edited", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("edit", sorted(EDITS))
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_an_edit_changes_no_result_and_repeats_by_its_seed(edit, seed):
    """What an edited module answers is what it answered before."""
    edited = EDITS[edit](SOURCE, seed)
    module = run(edited)
    assert (module.outer(12), module.Thing().size()) == (run(SOURCE).outer(12), 6)
    assert edited == EDITS[edit](SOURCE, seed)
    assert (edited == SOURCE) == (edit == "identical")


def test_unused_functions_are_as_many_as_asked_for():
    """Forty functions more are forty functions more."""
    before, after = (vars(run(text)) for text in (SOURCE, unused(SOURCE, 3, 40)))
    assert sum(name.startswith("unused_") for name in after.keys() - before.keys()) == 40


@pytest.mark.parametrize("name", projects.names())
def test_every_workload_can_be_slowed_and_edited(name):
    """A workload has its units on a line of their own, and its edits can be compiled."""
    source = projects.sources([name])[name]
    assert f"\nUNITS = {projects.slower_units(name, 7.5)}\n" in projects.slowed(name, source, 7.5)
    for edit in EDITS.values():
        compile(edit(source, 5), name, "exec")


def test_a_slowdown_is_what_instructions_say():
    """Where a unit of work is less than its share of a call, there are more of them."""
    assert projects.slower_units("json_codec", 7.5) == 215
    assert projects.slower_units("asyncio_tasks", 7.5) == 216


def test_a_workload_without_units_is_refused():
    """A slowdown that would not happen is an error."""
    with pytest.raises(ValueError, match="UNITS"):
        projects.slowed("x", "x = 1\n", 10)


def test_there_are_at_least_twelve_workloads():
    """The kinds of code that the evidence speaks of."""
    assert len(projects.names()) >= 12


def test_a_project_has_two_commits_and_equal_projects_have_equal_names(tmp_path):
    """Base and head are commits whose names depend on their content alone, even if nothing changed."""
    one, two = (
        projects.two_commits(tmp_path / name, {"a/b.txt": "1", "c": b"\0"}, {"a/b.txt": "2"})
        for name in ("one", "two")
    )
    assert (one.base, one.head) == (two.base, two.head)
    assert projects.git(one.folder, "ls-files").split() == ["a/b.txt"]
    assert projects.git(one.folder, "status", "--porcelain") == ""
    base = projects.copy_of(one, one.base, tmp_path / "base")
    assert ((base / "a/b.txt").read_text(), (base / "c").read_bytes()) == ("1", b"\0")
    same = projects.two_commits(tmp_path / "same", {"a": "1"}, {"a": "1"})
    assert same.base != same.head


def test_the_user_s_git_hooks_and_settings_are_not_used(tmp_path, monkeypatch):
    """A hook that the user has for all repositories does not run in the laboratory's."""
    (tmp_path / "config").write_text(f"[core]\n\thooksPath = {tmp_path}\n")
    hook = tmp_path / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert projects.two_commits(tmp_path / "project", {"a": "1"}, {"a": "2"}).head


def test_a_generated_benchmark_runs(tmp_path):
    """The benchmark file that is written for a workload is collected and passes."""
    files = projects.tree(projects.sources(["attributes"]))
    for name, text in files.items():
        projects.write(tmp_path / name, text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--benchmark-disable",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-p", "no:randomly"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert projects.subject_of("perf/test_attributes.py::test_attributes") == "attributes"
