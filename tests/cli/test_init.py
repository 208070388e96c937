"""`budgetguard init` in projects of several kinds."""

import os
import zipfile

import pytest
import yaml

from budgetguard.gate.config import load_config
from budgetguard.gate.schema import render


@pytest.fixture
def empty(project):
    """A folder without a configuration and without a bundle."""
    project.config.unlink()
    project.bundle.unlink()
    return project


def configured(project):
    """What `init` writes, once loaded."""
    told = project.run("init")
    assert told.code == 0, told.err
    return {budget.name: budget for budget in load_config(project.config).budgets}


def limits(budget):
    return [limit.text for limit in budget.limits]


def test_empty_project(empty):
    """Where there is nothing to guard the configuration is valid and empty."""
    assert configured(empty) == {}


def test_front_end(empty):
    """Hashed assets become globs with a size above that of today, and the check is green."""
    assets = empty.folder / "dist/assets"
    assets.mkdir()
    (assets / "index-B3x9Kd2L.js").write_bytes(os.urandom(40_000))
    (assets / "index-C3x9Kd2L.css").write_bytes(os.urandom(4_000))
    found = configured(empty)

    assert limits(found["js"]) == ["gzip <= 51 kB", "gzip <= baseline + 2% or 500 B"]
    assert found["css"].options.entries == ("dist/assets/*.css",)
    assert empty.run("check").code == 0


def test_bundler_without_a_build(empty):
    """A front end that is not built is suggested in a comment, so that the check is not red."""
    (empty.folder / "package.json").write_text('{"devDependencies": {"vite": "^6"}}')

    assert configured(empty) == {}
    assert "vite is in package.json" in empty.config.read_text()


def test_wheel(empty):
    """A built wheel gets a limit on its size."""
    with zipfile.ZipFile(empty.folder / "dist/shop-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("shop.py", "x = 1\n")
    found = configured(empty)

    assert limits(found["wheel"]) == ["raw <= 1 kB", "files <= baseline + 10%"]
    assert empty.run("check").code == 0


PYPROJECT = """
[project]
name = "shop"
dependencies = ["SQLAlchemy>=2"]
[project.scripts]
pytest = "pytest:main"
shop-of-nobody = "shop:main"
[tool.pytest.ini_options]
testpaths = ["checks"]
"""


def test_python_project(empty):
    """Scripts that can be started, tests with benchmarks, and queries where there is a database."""
    (empty.folder / "pyproject.toml").write_text(PYPROJECT)
    (empty.folder / "checks/bench").mkdir(parents=True)
    (empty.folder / "checks/test_plain.py").write_text("def test_a(): pass\n")
    for name in "ab":
        (empty.folder / f"checks/bench/test_{name}.py").write_text(
            "def test_x(benchmark):\n    benchmark(len, [])\n"
        )
    found = configured(empty)

    assert limits(found["pytest-startup"]) == ["time <= baseline + 10%", "wall <= 5 s"]
    assert "shop-of-nobody-startup" not in found
    assert found["benchmarks"].options.select == "checks/bench"
    assert "queries <= baseline" in limits(found["benchmarks"])
    assert "shop-of-nobody is not installed" in empty.config.read_text()


@pytest.mark.parametrize(
    ("name", "text"),
    [("pytest.ini", "[pytest]\ntestpaths = t\n"), ("setup.cfg", "[tool:pytest]\ntestpaths = t\n")],
)
def test_tests_without_benchmarks_are_suggested(empty, name, text):
    """A folder of plain tests is a suggestion in a comment that can be switched on as it is."""
    (empty.folder / name).write_text(text)
    (empty.folder / "requirements.txt").write_text("django==5.0\n")
    (empty.folder / "t").mkdir()
    assert configured(empty) == {}

    lines = empty.config.read_text().replace("budgets: {}", "budgets:").splitlines()
    on = [
        f"  {line[4:]}" if line.startswith("  # ") else line
        for line in lines
        if "here: no test" not in line
    ]
    empty.config.write_text("\n".join(on))
    (tests,) = load_config(empty.config).budgets
    assert (tests.options.select, limits(tests)) == ("t", ["queries <= baseline"])


def test_schema_stands_beside_it(empty):
    """The first line names the schema, which is copied into the project."""
    configured(empty)

    assert empty.config.read_text().startswith(
        "# yaml-language-server: $schema=.budgetguard/schema.json\n"
    )
    assert (empty.folder / ".budgetguard/schema.json").read_text() == render()


def test_dry_run_writes_nothing(empty):
    """--dry-run prints the very text and leaves the folder as it was."""
    before = sorted(empty.folder.rglob("*"))
    told = empty.run("init", "--dry-run")

    assert yaml.safe_load(told.out)["version"] == 1
    assert sorted(empty.folder.rglob("*")) == before
    empty.run("init")
    assert empty.config.read_text() == told.out


def test_never_overwrites(project):
    """A configuration that is there stays, be it a file or a table in pyproject.toml."""
    before = project.config.read_text()
    assert project.run("init").code == 2
    assert project.config.read_text() == before

    project.config.unlink()
    (project.folder / "pyproject.toml").write_text("[tool.budgetguard]\nversion = 1\n")
    told = project.run("init")
    assert told.code == 2
    assert "[tool.budgetguard]" in told.err
    assert not project.config.exists()


@pytest.mark.parametrize("folder", ["a b", "x: y", "{n}", "#1", "ü", "'q'"])
def test_odd_folder_names_are_quoted(empty, folder):
    """Names that YAML would take apart are quoted, and mean the same files."""
    assets = empty.folder / "dist" / folder
    assets.mkdir()
    (assets / "index-B3x9Kd2L.js").write_text("x")

    assert configured(empty)["js"].options.entries == (f"dist/{folder}/*.js",)
    assert empty.run("check").code == 0


def test_broken_files_are_no_obstacle(empty):
    """Files that cannot be read as what they are named are passed over."""
    for name in ("pyproject.toml", "setup.cfg", "pytest.ini", "tox.ini", "package.json"):
        (empty.folder / name).write_bytes(b"\xff[[[ =\x00")

    assert configured(empty) == {}
