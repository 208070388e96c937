"""The tree of the base: a repository of its own that borrows, and never touches the user's."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from budgetguard.gate.sides import store
from budgetguard.gate.sides.checkout import check_out, restore, untracked
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.history import changed_files
from budgetguard.gate.sides.reaper import Reaper

_spec = importlib.util.spec_from_file_location("sides", Path(__file__).with_name("conftest.py"))
sides = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sides)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def test_the_commit_as_it_was(repo, tmp_path: Path) -> None:
    """Files, links, executable bits and tags are the commit's; the user's .git is only read."""
    repo.write({"run.sh": "#!/bin/sh\n", "ü/a b.txt": "old", "pkg/__init__.py": ""})
    (repo.folder / "run.sh").chmod(0o755)
    (repo.folder / "link").symlink_to("ü/a b.txt")
    base = repo.commit()
    repo.git("tag", "-a", "-m", "one", "v1.0")
    repo.commit({"ü/a b.txt": "new", "late": ""})
    hook = repo.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\n")
    hook.chmod(0o755)
    before = snapshot(repo.folder)
    tree = tmp_path / "out" / "tree"
    check_out(base, tree)
    found = sides.texts(tree)
    assert found == {
        "run.sh": "#!/bin/sh\n",
        "ü/a b.txt": "old",
        "pkg/__init__.py": "",
        "link": "old",
    }
    assert os.access(tree / "run.sh", os.X_OK)
    assert (tree / "link").readlink() == Path("ü/a b.txt")
    assert sides.Repo(tree).git("describe", "--tags", "--long", "--dirty").startswith("v1.0-0-g")
    assert snapshot(repo.folder) == before
    assert not (tmp_path / "sprung").exists()


def test_restore_undoes_a_run_and_keeps_the_build(repo, tmp_path: Path) -> None:
    """What was laid over, deleted or written goes; what the build made stays, or the tree is refused."""
    base = repo.commit({"a.py": "a", "tests/t.py": "t", ".gitignore": "*.so\n"})
    tree = tmp_path / "tree"
    check_out(base, tree)
    (tree / "fast.so").write_text("built")
    kept = untracked(tree)
    assert kept == {"fast.so": 5}
    (tree / "a.py").write_text("b")
    (tree / "tests" / "t.py").unlink()
    for name in ("other.so", "new/deep/x.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("x")
    assert restore(base, tree, kept)
    assert sides.texts(tree) == {
        "a.py": "a",
        "tests/t.py": "t",
        ".gitignore": "*.so\n",
        "fast.so": "built",
    }
    assert not (tree / "new").exists()
    (tree / "fast.so").unlink()
    assert not restore(base, tree, kept)


def test_submodules_come_from_the_heads_clone(repo, tmp_path: Path) -> None:
    """A submodule has the base's commit, also when the head has removed it; a missing one is an error."""
    library = sides.make_repo(tmp_path / "library")
    library.commit({"x.py": "one"})
    repo.git("submodule", "add", "-q", str(library.folder), "vendor/lib")
    base = repo.commit({"a": ""})
    library.commit({"x.py": "two"})
    repo.git("-C", "vendor/lib", "pull", "-q")
    repo.commit()
    check_out(base, tmp_path / "one")
    assert (tmp_path / "one" / "vendor" / "lib" / "x.py").read_text() == "one"
    (tmp_path / "one" / "vendor" / "lib" / "x.py").write_text("changed")
    assert restore(base, tmp_path / "one", {})
    assert (tmp_path / "one" / "vendor" / "lib" / "x.py").read_text() == "one"
    repo.git("rm", "-q", "-f", "vendor/lib")
    repo.commit()
    check_out(base, tmp_path / "two")
    assert (tmp_path / "two" / "vendor" / "lib" / "x.py").read_text() == "one"
    (repo.folder / ".git" / "modules").rename(tmp_path / "away")
    with pytest.raises(BaseError, match="submodule vendor/lib"):
        check_out(base, tmp_path / "three")


def test_an_empty_submodule_stays_empty(repo, tmp_path: Path) -> None:
    """Where the head was cloned without submodules, the base does without them, too."""
    library = sides.make_repo(tmp_path / "library")
    library.commit({"x.py": "one"})
    repo.git("submodule", "add", "-q", str(library.folder), "lib")
    repo.commit()
    clone = sides.Repo(tmp_path / "clone")
    repo.git("clone", "-q", str(repo.folder), str(clone.folder))
    check_out(clone.commit(), tmp_path / "tree")
    assert not list((tmp_path / "tree" / "lib").iterdir())


def test_large_files_come_from_the_users_store(repo, tmp_path: Path) -> None:
    """A git-lfs pointer of the base becomes its content without git-lfs; a missing one is an error."""
    content = "data " * 100
    oid = hashlib.sha256(content.encode()).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    repo.git("config", "filter.lfs.clean", "cat")
    repo.git("config", "filter.lfs.smudge", "false")
    repo.git("config", "filter.lfs.required", "true")
    attributes = {".gitattributes": "*.bin filter=lfs\n", "a.bin": pointer}
    base = repo.commit(attributes)
    with_pointers = tmp_path / "pointers"
    check_out(base, with_pointers)
    assert (with_pointers / "a.bin").read_text() == pointer  # the head has pointers, too
    repo.write({"a.bin": content})
    with pytest.raises(BaseError, match="git lfs fetch"):
        check_out(base, tmp_path / "missing")
    repo.write({f".git/lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}": content})
    check_out(base, tmp_path / "tree")
    assert (tmp_path / "tree" / "a.bin").read_text() == content


def test_shallow_and_linked_and_partial_clones(repo, tmp_path: Path) -> None:
    """A base can be had from a shallow clone, a linked worktree and a clone without blobs."""
    repo.commit({"a": "one"})
    repo.commit({"a": "two"})
    repo.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{repo.folder}"
    repo.git("clone", "-q", "--depth=1", url, str(tmp_path / "shallow"))
    repo.git("clone", "-q", "--filter=blob:none", "--no-checkout", url, str(tmp_path / "partial"))
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    for name in ("shallow", "partial", "linked"):
        head = sides.resolve(tmp_path / name, "HEAD")
        check_out(head, tmp_path / f"{name}-tree")
        assert (tmp_path / f"{name}-tree" / "a").read_text() == "two"
    log = sides.Repo(tmp_path / "shallow-tree").git("log", "--oneline")
    assert log.count("\n") == 0


def test_a_dirty_tree_does_not_reach_the_base(repo, tmp_path: Path) -> None:
    """The base is the commit, whatever is changed, staged or untracked in the work tree."""
    base = repo.commit({"a": "old"})
    repo.write({"a": "dirty", "b": "staged", "c": "untracked"})
    repo.git("add", "b")
    check_out(base, tmp_path / "tree")
    assert sides.texts(tmp_path / "tree") == {"a": "old"}
    assert [one.path for one in changed_files(base)] == ["a", "b", "c"]


def test_two_at_once_never_share(repo, reaper: Reaper) -> None:
    """Two runs of one base get two folders; when they are done, the third finds a finished one."""
    repo.commit()
    with (
        store.entry(repo.folder, "key", reaper) as one,
        store.entry(repo.folder, "key", reaper) as two,
    ):
        assert one.folder != two.folder
        store.finish(two, {"n": 2}, reaper)
    with store.entry(repo.folder, "key", reaper) as three:
        assert (three.folder, three.info) == (two.folder, {"n": 2})
    assert not one.folder.exists()  # it was half-made, and the third run has found that


HOLD = """
import sys, time
from pathlib import Path
from budgetguard.gate.sides import store
from budgetguard.gate.sides.reaper import Reaper
reaper = Reaper()
with store.entry(Path(sys.argv[1]), "key", reaper) as found:
    (found.folder / "half").write_text("made")
    print(found.folder, flush=True)
    time.sleep(1000)
"""


def test_killed_while_preparing(repo, reaper: Reaper) -> None:
    """A folder whose maker was killed is removed by its reaper and never taken for whole."""
    maker = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(repo.folder)], stdout=subprocess.PIPE, text=True
    )
    with maker:
        half = Path(maker.stdout.readline().strip())
        assert (half / "half").exists()
        with store.entry(repo.folder, "key", reaper) as other:
            assert other.folder.name[:11] != half.name[:11]  # its slot is in use
        maker.kill()
    with store.entry(repo.folder, "key", reaper) as found:
        assert found.info is None
        assert found.folder != half
        assert not list(found.folder.iterdir())
    reaper.close()
    assert not half.exists()


def test_old_ones_are_pruned(repo, tmp_path: Path, reaper: Reaper, cache: Path) -> None:
    """Eight bases of a repository are kept, the newest used; those of a repository that is gone go."""
    gone = sides.make_repo(tmp_path / "gone")
    for number, root in [(0, gone.folder)] + [(number, repo.folder) for number in range(10)]:
        with store.entry(root, f"key {number}", reaper) as found:
            store.finish(found, {"number": number}, reaper)
            os.utime(found.folder / "ready", (1e9 + number, 1e9 + number))
    gone.folder.rename(tmp_path / "moved")
    with store.entry(repo.folder, "key 2", reaper) as found:
        assert found.info == {"number": 2}
    kept = sorted(len(list(place.glob("*/ready"))) for place in cache.iterdir())
    assert kept == [store.KEPT]


def test_paths_are_as_long_as_the_heads(tmp_path: Path, reaper: Reaper, monkeypatch) -> None:
    """Where the head's path is longer, the base's is filled up to its length."""
    long = sides.make_repo(tmp_path / ("deep" * 40))
    monkeypatch.setenv("BUDGETGUARD_CACHE", str(tmp_path / "c"))
    with store.entry(long.folder, "key", reaper) as found:
        assert len(str(found.tree)) == len(str(long.folder))


def test_a_cache_inside_the_repository_is_refused(repo, reaper: Reaper, monkeypatch) -> None:
    """pytest would find the head's conftest from there."""
    monkeypatch.setenv("BUDGETGUARD_CACHE", str(repo.folder / ".cache"))
    with pytest.raises(BaseError, match="BUDGETGUARD_CACHE"), store.entry(repo.folder, "k", reaper):
        pass


def test_no_home_and_no_cache_is_an_error(repo, reaper: Reaper, monkeypatch) -> None:
    """A user whom the system does not know is told what to set."""

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("BUDGETGUARD_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(BaseError, match="set BUDGETGUARD_CACHE"):
        with store.entry(repo.folder, "k", reaper):
            pass
