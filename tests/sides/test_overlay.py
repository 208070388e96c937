"""The head's benchmark files over the base's tree: all of them, and nothing else."""

import importlib.util
import py_compile
from pathlib import Path, PurePosixPath

import pytest

from budgetguard.gate.sides.checkout import check_out, restore
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.overlay import lay_over, unit_of

_spec = importlib.util.spec_from_file_location("sides", Path(__file__).with_name("conftest.py"))
sides = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sides)


def laid(repo, base, tree: Path, *items: str, config: str = ".") -> dict[str, str]:
    """The files of the base's tree after the overlay."""
    if not tree.exists():
        check_out(base, tree)
    lay_over(repo.folder, tree, repo.folder / config, [repo.folder / item for item in items])
    return sides.texts(tree)


def test_a_tests_folder_comes_whole(repo, tmp_path: Path) -> None:
    """Helpers, data and untracked files of the head come; stale ones, ignored ones and code do not."""
    base = repo.commit(
        {
            "src/pkg/__init__.py": "base",
            "tests/perf/test_a.py": "base",
            "tests/stale.py": "base",
            "conftest.py": "base",
            "pytest.ini": "base",
            "README": "base",
        }
    )
    repo.git("rm", "-q", "tests/stale.py", "pytest.ini")
    repo.commit(
        {
            "src/pkg/__init__.py": "head",
            "tests/perf/test_a.py": "head",
            "tests/data/ü 1.json": "head",
            "conftest.py": "head",
            "pyproject.toml": "# head",
            "budgetguard.yml": "head",
            "README": "head",
            ".gitignore": "*.tmp\n",
        }
    )
    repo.write({"tests/untracked.py": "head", "tests/made.tmp": "head"})
    (repo.folder / "tests" / "link").symlink_to("perf")
    assert laid(repo, base, tmp_path / "tree", "tests/perf/test_a.py") == {
        "src/pkg/__init__.py": "base",
        "tests/perf/test_a.py": "head",
        "tests/data/ü 1.json": "head",
        "tests/untracked.py": "head",
        "tests/link": "link",
        "conftest.py": "head",
        "pyproject.toml": "# head",
        "budgetguard.yml": "head",
        "README": "base",
    }


def test_a_single_file_brings_its_conftests(repo, tmp_path: Path) -> None:
    """A test among other files comes alone, with every conftest above it; the base's own ones go."""
    base = repo.commit(
        {"a/conftest.py": "base", "a/b/conftest.py": "base", "a/b/code.py": "base", "a/tox.ini": ""}
    )
    (repo.folder / "a/b/conftest.py").unlink()
    repo.write({"a/conftest.py": "head", "a/b/code.py": "head", "a/b/check.py": "head"})
    repo.write({"new/sub/check.py": "head", "new/__init__.py": "head", "new/code.py": "head"})
    found = laid(repo, base, tmp_path / "tree", "a/b/check.py", "new/sub/check.py", config="a")
    assert found == {
        "a/conftest.py": "head",
        "a/b/code.py": "base",
        "a/b/check.py": "head",
        "a/tox.ini": "",
        "new/sub/check.py": "head",
        "new/__init__.py": "head",
    }


def test_tests_inside_the_package_leave_the_package(repo, tmp_path: Path) -> None:
    """Of src/pkg/tests the tests come, and the code above them stays the base's."""
    base = repo.commit({"src/pkg/core.py": "base", "src/pkg/tests/test_a.py": "base"})
    repo.write({"src/pkg/core.py": "head", "src/pkg/tests/test_a.py": "head"})
    assert laid(repo, base, tmp_path / "tree", "src/pkg/tests/test_a.py") == {
        "src/pkg/core.py": "base",
        "src/pkg/tests/test_a.py": "head",
    }


@pytest.mark.parametrize(
    ("file", "unit"),
    [
        ("tests/a/benchmarks/test_x.py", "tests"),
        ("lib/benchmarks/deep/test_x.py", "lib/benchmarks"),
        ("src/perf/test_x.py", "src/perf/test_x.py"),
        ("src/perf/tests/test_x.py", "src/perf/tests"),
        ("src/tests/test_x.py", "src/tests"),
        ("bench/core/test_x.py", "bench/core/test_x.py"),
        ("test_x.py", "test_x.py"),
    ],
)
def test_what_belongs_to_a_file(repo, file: str, unit: str) -> None:
    """The outermost folder of benchmarks; never a package of the product that has such a name."""
    repo.write({"pyproject.toml": '[project]\nname = "Bench"\n'})
    assert unit_of(repo.folder, PurePosixPath(file)) == PurePosixPath(unit)


def test_a_link_is_never_written_through(repo, tmp_path: Path) -> None:
    """Where the base has a link in the way, the link goes and what it points to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "conftest.py").write_text("outside")
    (repo.folder / "tests").symlink_to(outside)
    (repo.folder / "conftest.py").symlink_to(outside / "conftest.py")
    base = repo.commit()
    (repo.folder / "tests").unlink()
    (repo.folder / "conftest.py").unlink()
    repo.write({"tests/test_a.py": "head", "conftest.py": "head"})
    found = laid(repo, base, tmp_path / "tree", "tests/test_a.py")
    assert found == {"tests/test_a.py": "head", "conftest.py": "head"}
    assert sides.texts(outside) == {"conftest.py": "outside"}


def test_no_stale_bytecode(repo, tmp_path: Path) -> None:
    """What Python compiled of a file goes with it: same size and second, and old code would run."""
    base = repo.commit({"conftest.py": "x = 1", "tests/test_a.py": "x = 1"})
    tree = tmp_path / "tree"
    check_out(base, tree)
    for name in ("conftest.py", "tests/test_a.py"):
        py_compile.compile(str(tree / name))
    repo.write({"conftest.py": "x = 2", "tests/test_a.py": "x = 2"})
    laid(repo, base, tree, "tests/test_a.py")
    assert list(tree.rglob("*.pyc")) == []
    py_compile.compile(str(tree / "conftest.py"))
    assert restore(base, tree, {})
    assert list(tree.rglob("*.pyc")) == []
    assert sides.texts(tree) == {"conftest.py": "x = 1", "tests/test_a.py": "x = 1"}


def test_a_submodule_of_test_data_comes_too(repo, tmp_path: Path) -> None:
    """Files of a submodule below the tests folder are the head's."""
    data = sides.make_repo(tmp_path / "data")
    data.commit({"x": "old"})
    repo.write({"tests/test_a.py": "base"})
    repo.git("submodule", "add", "-q", str(data.folder), "tests/data")
    base = repo.commit()
    repo.write({"tests/data/x": "head"})
    found = laid(repo, base, tmp_path / "tree", "tests/test_a.py")
    assert found["tests/data/x"] == "head"


def test_a_file_outside_the_repository_is_refused(repo, tmp_path: Path) -> None:
    """A benchmark that no commit can hold has no base."""
    (tmp_path / "test_x.py").write_text("")
    with pytest.raises(BaseError, match="lies outside"):
        laid(repo, repo.commit(), tmp_path / "tree", "../test_x.py")
