"""What the plugin does to a run that has no budgets, that turns it off, or that lacks other plugins."""

import pytest

LOADED = """
import atexit, sys

@atexit.register
def tell():
    ours = sorted(n for n in sys.modules if n.split(".")[0] in ("budgetguard", "pytest_budgetguard"))
    heavy = sorted({"sqlite3", "yaml", "click"} & set(sys.modules))
    print("LOADED", ours, heavy)
"""
IDLE = "LOADED ['pytest_budgetguard', 'pytest_budgetguard.plugin'] []"
BUDGETED = """
import pytest
from database import ask

@pytest.mark.budget("queries <= 1")
def test_a(db): ask(db, 2)

def test_b(db, budget):
    budget.record("x", 1, "count")
    with budget("queries <= 1"): ask(db, 2)
"""


GUARDED = "import pytest\n@pytest.mark.budget('queries <= 1')\ndef test_a(): pass\n"


@pytest.mark.parametrize(
    "pyproject", ["", "[project]\nname='x'\ndependencies=['pytest-budgetguard']\n"]
)
def test_idle_only_the_plugin_file_is_imported(project, pyproject):
    """Without configuration, marker and fixture nothing else of ours is loaded when the process ends."""
    project.put("conftest.py", LOADED)
    project.put("pyproject.toml", pyproject)
    project.write(test_it="def test_a(): pass")
    result = project.start(
        "-s", "-p", "no:hypothesispytest", "-p", "no:benchmark", "-p", "no:memray", "-p", "no:cov"
    )
    assert result.ret == 0
    assert IDLE in result.stdout.str()


def test_off_imports_nothing_and_the_fixture_does_nothing(project):
    """`--budget=off` with markers, blocks and a configuration: green, and only the plugin file loaded."""
    project.put("conftest.py", LOADED + "\nfrom database import db\n")
    project.config()
    project.write(test_it=BUDGETED)
    result = project.start(
        "-s",
        "--budget=off",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:benchmark",
        "-p",
        "no:memray",
        "-p",
        "no:cov",
    )
    result.assert_outcomes(passed=2)
    assert "LOADED ['pytest_budgetguard', 'pytest_budgetguard.plugin']" in result.stdout.str()
    assert "guarded" not in result.stdout.str()


@pytest.mark.parametrize(
    "absent",
    [
        ("cacheprovider", "xdist", "benchmark"),
        ("asyncio", "anyio", "timeout", "logging", "tmpdir"),
        ("terminal",),
        ("capture", "unittest", "warnings"),
    ],
)
def test_other_plugins_may_be_absent(project, absent):
    """Budgets are judged without any one of pytest's or its neighbours' plugins."""
    project.write(test_it=BUDGETED)
    result = project.start(*(part for name in absent for part in ("-p", f"no:{name}")))
    assert result.ret == 1
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    if "terminal" not in absent:
        assert "2 failed" in text


def test_a_session_red_by_an_error_is_red_without_a_terminal(project):
    """VANISHED sets the exit status where nothing can print it."""
    project.config()
    project.write(test_it="def test_a(): pass")
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 2})
    assert project.start("-p", "no:terminal").ret == 1


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only", "--setup-plan"])
def test_options_that_run_no_body_judge_nothing(project, option):
    """Nothing is measured, vanished or red."""
    project.config()
    project.write(test_it=BUDGETED)
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 2})
    result = project.run(option)
    assert result.ret == 0
    assert "VANISHED" not in result.stdout.str()
    assert "ERROR" not in result.stdout.str()


def test_x_stops_at_a_broken_budget_and_lf_runs_it_again(project):
    """A broken budget is a failure like others: -x stops there, --lf starts there."""
    project.write(test_it=BUDGETED)
    runs = ("-p", "no:randomly", "-p", "no:django")
    first = project.pytester.runpytest_inprocess(*runs, "-x")
    first.assert_outcomes(failed=1)
    again = project.pytester.runpytest_inprocess(*runs, "--lf")
    again.assert_outcomes(failed=1)
    assert "test_a - Failed: over budget" in again.stdout.str()


def test_a_connection_opened_before_the_hooks_is_an_error(project):
    """Without a configuration what conftest opens on import cannot be watched, and is never counted as 0."""
    project.put(
        "conftest.py",
        """
        import sqlite3, pytest
        SHARED = sqlite3.connect(":memory:")
        @pytest.fixture
        def db(): return SHARED
        """,
    )
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("queries <= 5")
        def test_a(db): db.execute("select 1")
        """
    )
    result = project.start()
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert "not all SQL could be watched" in result.stdout.str()


def test_with_a_configuration_the_hooks_stand_before_the_root_conftest(project):
    """The same project with a configuration counts what conftest's connection executes."""
    test_a_connection_opened_before_the_hooks_is_an_error(project)
    project.config()
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("queries <= 5")
        def test_a(db):
            for n in range(7): db.execute("select 1")
        """
    )
    result = project.start()
    result.assert_outcomes(failed=1)
    assert "7 is over 5" in result.stdout.str()


def test_a_session_fixture_is_watched_once_a_marker_was_seen(project):
    """Without a configuration a connection that a session fixture opens is counted."""
    project.put(
        "conftest.py",
        """
        import sqlite3, pytest
        @pytest.fixture(scope="session")
        def db(): return sqlite3.connect(":memory:")
        """,
    )
    project.write(
        test_it="""
        import pytest
        def test_0(db): db.execute("select 1")

        @pytest.mark.budget("queries <= 1")
        def test_a(db):
            for n in range(2): db.execute("select 1")
        """
    )
    result = project.start()
    result.assert_outcomes(passed=1, failed=1)
    assert "2 is over 1" in result.stdout.str()


def test_a_nested_configuration_is_found_from_the_items(project):
    """A configuration below the root gives its group's budgets, though nothing at the root names us."""
    project.config("perf: {test: ., limits: [queries <= 1]}", folder="packages/a")
    project.put("packages/a/test_it.py", "from database import ask\ndef test_a(db): ask(db, 2)\n")
    result = project.run()
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("place", ["environment", "ini"])
def test_what_addopts_name_is_not_everything(project, monkeypatch, place):
    """Files named in addopts collect nothing else, so that nothing else has vanished."""
    project.config("other: {test: test_other.py, limits: [queries <= 1]}")
    project.write(test_it=GUARDED, test_other="def test_o(): pass\n")
    project.baseline({"budget": "test_other.py::test_gone", "metric": "queries", "value": 2})
    if place == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", "test_it.py")
    else:
        project.put("pytest.ini", "[pytest]\naddopts = test_it.py\n")
    result = project.run()
    assert result.ret == 0
    assert "guarded 1 of 1 limits" in result.stdout.str()


def test_a_wrong_marker_of_a_deselected_test_is_a_usage_error(project):
    """Its budget is told as left, so it has to be read: one problem before a test runs, no traceback."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("queries <= 2")
        def test_good(): open("ran", "w").close()
        @pytest.mark.budget("querys <= 2")
        def test_wrong(): pass
        """
    )
    result = project.run("-k", "good")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert text.count("did you mean queries?") == 1
    assert "Traceback" not in text
    assert not (project.folder / "ran").exists()
