"""Two baselines of a git conflict, and what differs between two."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import BaselineError, UsageError
from budgetguard.gate.baseline import parse_baseline, read_baseline, render, write_baseline
from budgetguard.gate.changes import compare
from budgetguard.gate.committed import text_at
from budgetguard.gate.merge import conflict_of, merge, split, tighter
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

NAME = "budgetguard.baseline.json"


def stored(value=100.0, **fields):
    return Stored(**{"unit": Unit.BYTES, "target": "bundle", "value": value, **fields})


def baseline(time="2026-05-01T00:00:00Z", **values):
    entries = {
        Point(name, "", "gzip"): {"": value if isinstance(value, Stored) else stored(value)}
        for name, value in values.items()
    }
    return Baseline(entries, time)


def git(folder, *arguments, check=True):
    return subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments],
        cwd=folder,
        check=check,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def repository(tmp_path):
    """A repository with a committed baseline of ten budgets."""
    git(tmp_path, "init", "-q", "-b", "main")
    write_baseline(tmp_path / NAME, baseline(**{f"b{n}": 100 + n for n in range(10)}))
    _commit(tmp_path)
    return tmp_path


def _commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def _branch(folder, name, **values):
    """A branch from main whose baseline has other values."""
    git(folder, "checkout", "-q", "-B", name, "main")
    old = read_baseline(folder / NAME)
    changed = baseline(**values)
    write_baseline(folder / NAME, Baseline({**old.entries, **changed.entries}, old.time))
    _commit(folder)


def test_different_entries_merge_without_a_conflict(repository):
    """Two branches that update, or add, different entries merge in git by themselves."""
    _branch(repository, "one", b1=50, a=7)
    _branch(repository, "two", b8=60, z=8)
    git(repository, "merge", "-q", "one", "-m", "x")

    merged = read_baseline(repository / NAME).entries
    values = {point.budget: values[""].value for point, values in merged.items()}
    assert len(values) == 12
    assert (values["b1"], values["b8"], values["a"], values["z"]) == (50, 60, 7, 8)


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_conflict_in_one_entry(repository, style):
    """A conflict of any of git's styles is settled: the tighter value, and its budget named."""
    _branch(repository, "one", b1=50, b2=102)
    _branch(repository, "two", b1=60)
    git(repository, "-c", f"merge.conflictStyle={style}", "merge", "one", check=False)
    with pytest.raises(BaselineError, match="budgetguard baseline merge"):
        read_baseline(repository / NAME)

    merged = merge(*conflict_of(repository / NAME))

    assert merged.baseline.entries[Point("b1", "", "gzip")][""].value == 50
    assert len(merged.baseline.entries) == 10
    assert merged.again == ("b1",)


def test_conflict_without_marks(repository):
    """Where the marks are gone from the file, both sides come from git's index."""
    _branch(repository, "one", b1=50)
    _branch(repository, "two", b1=60)
    git(repository, "merge", "one", check=False)
    (repository / NAME).write_text("lost")

    ours, theirs = conflict_of(repository / NAME)

    point = Point("b1", "", "gzip")
    assert (ours.entries[point][""].value, theirs.entries[point][""].value) == (60, 50)


def test_one_side_deleted_the_file(repository):
    """A side that deleted the baseline is told, with both ways on."""
    git(repository, "checkout", "-q", "-b", "gone")
    git(repository, "rm", "-q", NAME)
    git(repository, "commit", "-qm", "x")
    _branch(repository, "two", b1=60)
    git(repository, "merge", "gone", check=False)

    with pytest.raises(BaselineError, match="deleted it"):
        conflict_of(repository / NAME)


def test_no_conflict(repository):
    """Without a conflict there is nothing to settle."""
    assert conflict_of(repository / NAME) is None


@pytest.mark.parametrize(
    "text",
    ["<<<<<<< a\nx\n", "=======\n", ">>>>>>> b\n", "<<<<<<< a\n<<<<<<< a\n", "||||||| base\n"],
)
def test_broken_marks_are_refused(text):
    """Marks that do not pair are an error and never a guess."""
    with pytest.raises(BaselineError, match="git checkout -m"):
        split(text, Path(NAME))


def test_tighter_value_stays():
    """Lower is tighter, save where higher is better; the narrower spread decides between equals."""
    assert tighter(stored(90), stored(100)).value == 90
    higher = stored(90, better="higher"), stored(100, better="higher")
    assert tighter(*higher).value == 100
    assert tighter(stored(90, spread=(80, 120)), stored(95)).value == 95
    assert tighter(stored(90, spread=(85, 95)), stored(90, spread=(88, 95))).spread == (88, 95)


def test_older_time_and_one_sided_entries_stay():
    """The start of time comparisons never moves forward in a merge, and no entry is lost."""
    merged = merge(
        baseline(time="2026-05-02T00:00:00Z", a=1), baseline(time="2026-05-01T00:00:00Z", b=2)
    )

    assert merged.baseline.time == "2026-05-01T00:00:00Z"
    assert len(merged.baseline.entries) == 2
    assert merged.differed == ()


NUMBERS = st.floats(0, 1e12) | st.integers(0, 10**12).map(float)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def any_stored(draw):
    low, value, high = sorted(draw(st.lists(NUMBERS, min_size=3, max_size=3)))
    value, spread = draw(st.sampled_from([(None, None), (value, None), (value, (low, high))]))
    return Stored(
        unit=draw(st.sampled_from(Unit)),
        target=draw(st.sampled_from(["bundle", "test", "command"])),
        value=value,
        spread=spread,
        made_with=draw(st.sampled_from(["", "zlib 1", "zlib 2"])),
        better=draw(st.sampled_from(["lower", "higher"])),
    )


BASELINES = st.builds(
    Baseline,
    st.dictionaries(
        st.builds(
            Point, st.sampled_from("abc"), st.sampled_from(["", "x.js"]), st.sampled_from("mn")
        ),
        st.dictionaries(st.sampled_from(["", "linux", "mac"]), any_stored(), min_size=1),
        max_size=5,
    ),
    st.sampled_from(["", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"]),
)


@given(BASELINES)
def test_what_is_written_is_read_back(one):
    """The file holds all of a baseline, to the last digit."""
    assert parse_baseline(render(one), Path(NAME)) == one


@given(BASELINES, BASELINES)
def test_it_does_not_matter_who_merges_whom(one, other):
    """Both orders give the same file, nothing is lost, and merging again changes nothing."""
    merged = merge(one, other)

    assert merged == merge(other, one)
    assert set(merged.baseline.entries) == {*one.entries, *other.entries}
    assert merge(merged.baseline, one).baseline == merged.baseline


@given(BASELINES, BASELINES)
def test_changes_tell_exactly_what_differs(one, other):
    """Applying the changes to the old baseline gives the new one."""
    entries = {point: dict(values) for point, values in one.entries.items()}
    for change in compare(one, other):
        if change.new is None:
            del entries[change.point][change.key]
        else:
            entries.setdefault(change.point, {})[change.key] = change.new

    assert {point: values for point, values in entries.items() if values} == other.entries


def test_committed_text(repository):
    """The committed file is read, whatever the work tree holds; no such commit is an error."""
    (repository / NAME).write_text("changed")

    assert '"b1"' in text_at(repository / NAME, "HEAD")
    assert text_at(repository / "other.json", "HEAD") is None
    for ref in ("nope", "--help", "HEAD~99"):
        with pytest.raises(UsageError, match="no commit"):
            text_at(repository / NAME, ref)
