"""The commits between a good and a bad one, in real repositories."""

import pytest

from budgetguard.errors import UsageError
from budgetguard.gate.sides.history import line, resolve


def _subjects(repo, good, bad):
    return [one.subject for one in line(resolve(repo.folder, good), resolve(repo.folder, bad))]


def _commit(repo, subject):
    repo.git("commit", "-q", "--allow-empty", "-m", subject)


@pytest.fixture
def merged(repo):
    """A branch with a merge: one, two, (side), merge, three."""
    for subject in ("one", "two"):
        _commit(repo, subject)
    repo.git("checkout", "-q", "-b", "side", "HEAD~1")
    _commit(repo, "side")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    _commit(repo, "three: ä \x1b[31m")
    return repo


def test_first_parents_oldest_first(merged):
    """A merge is one step, whatever it brought; `good` itself is not among them."""
    assert _subjects(merged, "main~3", "main") == ["two", "merge", "three: ä \x1b[31m"]
    assert _subjects(merged, "main~1", "main") == ["three: ä \x1b[31m"]
    (last,) = line(resolve(merged.folder, "main~1"), resolve(merged.folder, "main"))
    assert last == resolve(merged.folder, "main")


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("main", "main", "are the same commit"),
        ("main", "main~2", "change their places"),
        ("side", "main", "by a merge"),
        ("main~2", "side", "is no ancestor of BAD"),
    ],
)
def test_no_line(merged, good, bad, said):
    """What is wrong with the two commits is told, with what is expected."""
    with pytest.raises(UsageError, match=said) as caught:
        _subjects(merged, good, bad)
    assert "expected GOOD, then a newer BAD" in str(caught.value)


def test_beyond_the_end_of_a_shallow_clone(merged, tmp_path):
    """Where the history between them is cut off, how to get it is told."""
    clone = tmp_path / "clone"
    merged.git("clone", "-q", "--depth=1", f"file://{merged.folder}", str(clone))
    merged.git(
        "-C", str(clone), "fetch", "-q", "--depth=1", "origin", merged.git("rev-parse", "main~2")
    )

    with pytest.raises(UsageError, match="git fetch --unshallow"):
        line(resolve(clone, "FETCH_HEAD"), resolve(clone, "HEAD"))
