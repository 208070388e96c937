"""The plugin as `budgetguard check` runs it: a child pytest measures and tells, the parent judges."""

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.config import load_config
from budgetguard.gate.model import Outcome, Request
from budgetguard.gate.run import check


@pytest.fixture
def judge(project):
    """Check the project's configuration; verdicts by (budget, limit), and the report."""

    def judged(*names, exact=False):
        report = check(
            load_config(project.folder / "budgetguard.yml"), Request(names=names, exact=exact)
        )
        return {(v.budget, v.limit or v.metric): v for v in report.verdicts}, report

    project.put("sitecustomize.py", "")
    return judged


def test_every_outcome_comes_back(project, judge):
    """PASS, FAIL, ERROR for what fails by itself, skips or cannot be collected, VANISHED, NEW, left."""
    project.config("group: {test: test_group.py, limits: [queries <= 1]}")
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 1})
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= 1")
        def test_a(db): ask(db, 1)

        @pytest.mark.budget("queries <= 1", "queries <= baseline")
        def test_over(db): ask(db, 2)

        @pytest.mark.budget("queries <= 1")
        def test_fails(): assert 0, "mine"

        @pytest.mark.budget("queries <= 1")
        def test_skips(): pytest.skip("why")

        @pytest.mark.budget("time <= baseline + 5%")
        def test_left(): pass

        def test_unbudgeted(): open("ran", "w").close()
        """,
        test_group="from database import ask\ndef test_g(db): ask(db, 3)\n",
        test_broken="import nothing_of_this_name\n# budget\n",
    )
    verdicts, report = judge()
    outcomes = {name: verdict.outcome for name, verdict in verdicts.items()}
    assert outcomes == {
        ("test_it.py::test_a", "queries <= 1"): Outcome.PASS,
        ("test_it.py::test_over", "queries <= 1"): Outcome.FAIL,
        ("test_it.py::test_over", "queries <= baseline"): Outcome.NEW,
        ("test_it.py::test_fails", "queries <= 1"): Outcome.ERROR,
        ("test_it.py::test_skips", "queries <= 1"): Outcome.ERROR,
        ("test_group.py::test_g", "queries <= 1"): Outcome.FAIL,
        ("test_broken.py", ""): Outcome.ERROR,
        ("test_it.py::test_gone", "queries"): Outcome.VANISHED,
    }
    assert (
        "the test fails by itself: AssertionError: mine"
        in verdicts["test_it.py::test_fails", "queries <= 1"].reason
    )
    assert "nothing_of_this_name" in verdicts["test_broken.py", ""].reason
    assert [left.limit for left in report.left] == ["time <= baseline + 5%"]
    assert not (project.folder / "ran").exists()


def test_addopts_that_would_break_the_measuring_are_taken_back(project, judge):
    """-n, -m, -k, -x, --cov, --lf, --collect-only, our own options and a timeout in addopts change nothing."""
    project.put(
        "tox.ini",
        """
        [pytest]
        addopts = -n 2 -m slow -k nothing -x --cov=. --lf --collect-only --budget=off --budget-update
            --benchmark-disable --deselect=test_it.py --dist=each --setup-plan --memray -q -q
        filterwarnings = error
        markers = slow
        asyncio_default_fixture_loop_scope = function
        """,
    )
    project.config()
    project.write(
        test_it="""
        import sys, pytest

        def test_0(): assert 0

        @pytest.mark.budget("threads <= 0", "p50 <= 9 s", "peak <= 64 MiB")
        def test_a(benchmark):
            assert sys.gettrace() is None
            benchmark(int)
        """
    )
    verdicts, report = judge()
    assert {v.outcome for v in verdicts.values()} == {Outcome.PASS}, report
    assert report.guarded == 3


def test_a_test_that_ends_the_process_is_the_one_error(project, judge):
    """`os._exit(0)` in a body: ERROR names the test, what was read before stays, what came later is missed."""
    project.config()
    project.write(
        test_it="""
        import os, pytest
        from database import ask

        @pytest.mark.budget("queries <= 1")
        def test_a(db): ask(db, 1)

        @pytest.mark.budget("queries <= 1")
        def test_exits(): os._exit(0)

        @pytest.mark.budget("queries <= 1")
        def test_c(): pass
        """
    )
    verdicts, report = judge()
    assert verdicts["test_it.py::test_a", "queries <= 1"].outcome is Outcome.PASS
    exits = verdicts["test_it.py::test_exits", ""]
    assert exits.outcome is Outcome.ERROR
    assert "a test ended the process" in exits.reason
    assert report.exit_code == 4


def test_pytest_without_the_plugin_is_an_error(project, judge):
    """`-p no:budgetguard` in addopts is no way to be green."""
    project.put("tox.ini", "[pytest]\naddopts = -p no:budgetguard\n")
    project.config("perf: {test: test_it.py, limits: [queries <= 1]}")
    project.write(test_it="def test_a(): pass")
    _, report = judge()
    assert report.exit_code == 4


def test_a_conftest_that_breaks_is_an_error(project, judge):
    """A session that cannot begin is ERROR, with pytest's own words as evidence."""
    project.put("conftest.py", "import nothing_of_this_name\n")
    project.config("perf: {test: test_it.py, limits: [queries <= 1]}")
    project.write(test_it="def test_a(): pass")
    verdicts, report = judge()
    assert report.exit_code == 4
    assert any("nothing_of_this_name" in line for v in verdicts.values() for line in v.evidence)


def test_wrong_markers_come_back_as_one_usage_error(project, judge):
    """All of them, as a `ConfigError` of the command."""
    project.config()
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("querys <= 1")
        def test_a(): pass
        @pytest.mark.budget("wall <= 1 kB")
        def test_b(): pass
        """
    )
    with pytest.raises(ConfigError) as caught:
        judge()
    assert len(caught.value.problems) == 2


def test_names_select_and_exact_leaves_time_out(project, judge):
    """A test, its file and a group are names; `exact` reads counted metrics only."""
    project.config("group: {test: test_group.py, limits: [queries <= 1, wall <= 9 s]}")
    project.write(
        test_it="import pytest\n@pytest.mark.budget('queries <= 1')\ndef test_a(): pass\n",
        test_group="def test_g(): pass\ndef test_h(): pass\n",
    )
    assert set(judge("test_it.py::test_a")[0]) == {("test_it.py::test_a", "queries <= 1")}
    assert len(judge("group")[0]) == 4
    assert len(judge("group", exact=True)[0]) == 2
