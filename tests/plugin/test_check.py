"""The plugin as `budgetguard check` runs it: a child pytest measures and tells, the parent judges."""

import sys

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.config import load_config
from budgetguard.gate.model import Request
from budgetguard.gate.run import check
from budgetguard.gate.verdict import Outcome
from budgetguard.gate.wire import messages


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
    """PASS, FAIL, ERROR for what fails by itself, skips or cannot be collected, VANISHED, NEW."""
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
        def test_timed(): pass

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
        ("test_it.py::test_timed", "time <= baseline + 5%"): Outcome.NEW,
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
    assert not report.left
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


def test_a_test_that_mocks_files_is_measured_as_any_other(project, judge):
    """What a fixture replaces is not what the plugin tells by: measured, skipped and failed come back."""
    project.config()
    project.write(
        test_it="""
        import builtins, json, os, pathlib, pytest

        @pytest.fixture(autouse=True)
        def no_files(monkeypatch):
            def refuse(*_, **__): raise OSError("the mock of a test")
            for owner, name in (
                (builtins, "open"), (pathlib.Path, "open"), (os, "open"), (os, "write"), (json, "dumps")
            ):
                monkeypatch.setattr(owner, name, refuse)

        @pytest.mark.budget("queries <= 1")
        def test_a(): pass

        @pytest.mark.budget("queries <= 1", may_skip="where there is no database")
        def test_skips(): pytest.skip("why")

        @pytest.mark.budget("queries <= 1")
        def test_fails(): assert 0, "mine"
        """
    )
    verdicts, _ = judge()
    outcomes = {name: verdict.outcome for (name, _), verdict in verdicts.items()}
    assert outcomes == {
        "test_it.py::test_a": Outcome.PASS,
        "test_it.py::test_skips": Outcome.SKIPPED,
        "test_it.py::test_fails": Outcome.ERROR,
    }
    assert "mine" in verdicts["test_it.py::test_fails", "queries <= 1"].reason


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_what_could_not_be_told_is_told_at_the_end(project):
    """A disk that is full while a test is told, and has room again at the end: the test is missed."""
    project.put(
        "conftest.py",
        """
        import pytest, resource

        @pytest.hookimpl(tryfirst=True)
        def pytest_internalerror():
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        """,
    )
    project.write(
        test_it="""
        import os, resource, pytest

        @pytest.mark.budget("queries <= 1")
        def test_full():
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("wire.jsonl") + 9, most))
            pytest.skip("why")
        """
    )
    result = project.start("-s", f"--budget-wire={project.folder / 'wire.jsonl'}")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    told = list(messages(project.folder / "wire.jsonl"))
    assert [one["kind"] for one in told] == ["hello", "begin", "budget", "reading", "end"]
    assert told[2]["name"] == told[3]["point"][0] == "test_it.py::test_full"
    assert "did not run" in told[3]["reading"]["error"]
    assert told[4]["exit"] == pytest.ExitCode.INTERNAL_ERROR


def test_a_rerun_takes_the_place_of_a_failed_try(project, judge):
    """A test that fails once and then passes is judged by its last run, here as in a plain session."""
    project.config()
    project.put(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol
        from database import db

        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            if any(report.failed for report in reports):
                item._initrequest()
                reports = runtestprotocol(item, log=False, nextitem=nextitem)
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
    )
    project.write(
        test_it="""
        import pytest
        from database import ask
        tries = []

        @pytest.mark.budget("queries <= 1")
        def test_flaky(db):
            tries.append(1)
            ask(db, 1)
            assert len(tries) > 1, "not yet"
        """
    )
    verdicts, report = judge()
    assert [verdict.outcome for verdict in verdicts.values()] == [Outcome.PASS]
    assert report.exit_code == 0
    result = project.start()
    result.assert_outcomes(passed=1)
    assert result.ret == 0, result.stdout.str()
    assert "guarded 1 of 1 limits" in result.stdout.str()
