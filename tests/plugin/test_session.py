"""What a plain `pytest` run judges, what it lists as left, and what makes its exit status red."""

import pytest

MANY = """
import pytest
from database import ask

@pytest.mark.budget("queries <= 2")
def test_a(db): ask(db, 2)

@pytest.mark.budget("queries <= baseline")
def test_b(db): ask(db, 2)
"""


def test_relative_limits_on_time_are_left_to_check(project):
    """A relative limit on a sampled metric is listed, not guarded, and green."""
    project.config()
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("time <= baseline + 5%", "queries <= 2")
        def test_a(): pass
        """
    )
    result = project.run()
    assert result.ret == 0
    text = result.stdout.str()
    assert "left to check: 1 (time <= baseline + 5%); a relative limit" in text
    assert "guarded 1 of 2 limits" in text


def test_strict_fails_on_left_and_new(project):
    """`--budget-strict` is red where something is left to check or new, and green where all is guarded."""
    project.config()
    project.write(test_it=MANY)
    assert project.run().ret == 0
    result = project.run("--budget-strict")
    assert result.ret == 1
    result.assert_outcomes(passed=2)
    assert "NEW: 1 value is not in the baseline yet" in result.stdout.str()
    assert "--budget-strict wants all" in result.stdout.str()
    project.baseline({"budget": "test_it.py::test_b", "metric": "queries", "value": 2})
    assert project.run("--budget-strict").ret == 0


def test_a_ceiling_is_broken_by_five_fresh_readings(project):
    """A body over its ceiling is read five times with fresh fixtures; one good reading is enough."""
    project.write(
        test_it="""
        import time, pytest

        def log(word):
            with open("calls.txt", "a") as file: file.write(word + " ")

        @pytest.fixture
        def fresh():
            log("setup")
            yield
            log("teardown")

        @pytest.mark.budget("blocked <= 1 ms")
        def test_slow(fresh):
            log("slow")
            time.sleep(0.005)

        calls = []
        @pytest.mark.budget("blocked <= 20 ms")
        def test_slow_twice():
            calls.append(1)
            if len(calls) < 4: time.sleep(0.03)
        """
    )
    result = project.run("-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    assert "best of 5 fresh readings, all over" in result.stdout.str()
    words = (project.folder / "calls.txt").read_text().split()
    assert words == ["setup", "slow", "teardown"] * 6  # the own run, then five with the clock on


def test_a_p95_takes_59_readings(project):
    """A quantile limit is decided by the readings it takes: 59 for a p95 that is well within."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("p95 <= 1 s")
        def test_fast():
            with open("calls.txt", "a") as file: file.write("x")
        """
    )
    assert project.run().ret == 0
    assert len((project.folder / "calls.txt").read_text()) == 60


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["-q", "-p", "no:cov"], True),
        (["-k", "test_a"], False),
        (["-vktest_a"], False),
        (["-m", "not slow"], False),
        (["-x"], False),
        (["-vx"], False),
        (["--maxfail=3"], False),
        (["--lf"], False),
        (["test_it.py"], False),
        (["."], False),
        (["--deselect=test_other.py"], False),
    ],
)
def test_only_a_whole_run_judges_completeness(project, arguments, whole):
    """A stored budget that nobody measured is VANISHED, exit 1, in a run of everything and only there."""
    project.config()
    project.write(test_it=MANY)
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 2})
    result = project.pytester.runpytest_inprocess(
        "-p", "no:randomly", "-p", "no:django", *arguments
    )
    text = result.stdout.str()
    assert ("VANISHED test_it.py::test_gone queries" in text) is whole
    assert result.ret == (1 if whole else 0)
    assert "Traceback" not in text
    if whole:
        assert "(it was 2)" in text


def test_what_addopts_deselect_is_left_and_not_vanished(project):
    """A marker expression in addopts leaves budgets unguarded: they are listed, and a run stays whole."""
    project.config()
    project.put("pytest.ini", "[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n")
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.slow
        @pytest.mark.budget("queries <= 2", "rows <= 1")
        def test_a(db): ask(db, 2)

        @pytest.mark.budget("queries <= 2")
        def test_b(db): ask(db, 2)
        """
    )
    project.baseline(
        {"budget": "test_it.py::test_a", "metric": "queries", "value": 2},
        {"budget": "test_it.py::test_gone", "metric": "queries", "value": 2},
    )
    result = project.run()
    assert result.ret == 1
    text = result.stdout.str()
    assert "left to check: 2, deselected in this run (test_it.py::test_a)" in text
    assert text.count("VANISHED") == 1
    assert "VANISHED test_it.py::test_gone" in text
    assert "guarded 1 of 4 limits" in text


def test_deselected_budgets_are_told_without_any_other(project):
    """Where every budgeted test is deselected, the summary still says so."""
    project.write(test_it="def test_x(): pass\n" + MANY)
    result = project.run("-k", "test_x")
    assert result.ret == 0
    assert "guarded 0 of 2 limits" in result.stdout.str()


def test_a_run_that_stops_early_does_not_call_the_rest_vanished(project):
    """-x in addopts and a failing test: the others were not run, which is said."""
    project.config()
    project.put("pytest.ini", "[pytest]\naddopts = -x\n")
    project.write(test_it="def test_0(): assert 0\n" + MANY)
    project.baseline({"budget": "test_it.py::test_b", "metric": "queries", "value": 2})
    result = project.run()
    assert result.ret == 1
    assert "VANISHED" not in result.stdout.str()
    assert "not run in this session (test_it.py::test_a, test_it.py::test_b)" in result.stdout.str()


def test_a_skipped_budgeted_test_is_an_error_unless_it_may_skip(project):
    """A skip is exit 1 with its reason; may_skip with a reason allows it, for blocks too."""
    project.write(
        test_it="""
        import pytest

        @pytest.mark.skip(reason="no reason")
        @pytest.mark.budget("queries <= 2")
        def test_a(): pass
        """
    )
    result = project.run()
    assert result.ret == 1
    text = result.stdout.str()
    assert "ERROR test_it.py::test_a queries <= 2" in text
    assert "the test was skipped: " in text
    assert "next: allow it with may_skip and a reason" in text
    project.write(
        test_it="""
        import pytest

        @pytest.mark.skip(reason="no reason")
        @pytest.mark.budget("queries <= 2", may_skip="no database on this system")
        def test_a(): pass

        @pytest.mark.budget(may_skip="no network here")
        def test_b(budget): pytest.skip("why")
        """
    )
    result = project.run()
    assert result.ret == 0
    assert "SKIPPED test_it.py::test_a: no database on this system" in result.stdout.str()
    assert "SKIPPED test_it.py::test_b: no network here" in result.stdout.str()


@pytest.mark.parametrize(
    "body", ["assert 0", "raise SystemExit(3)", "import pytest; pytest.fail('own')"]
)
def test_a_test_that_fails_by_itself_just_fails(project, body):
    """Its budget is not judged, and listed as such; nothing else changes."""
    project.write(
        test_it=f"""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= 1")
        def test_a(db):
            ask(db, 5)
            {body}
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "over budget" not in text
    assert "ERROR" not in text
    assert "left to check: 1, the test fails by itself" in text


def test_a_fixture_that_fails_is_pytests_own_error(project):
    """A set-up that fails is told once, by pytest."""
    project.write(
        test_it="""
        import pytest
        @pytest.fixture
        def broken(): raise ValueError("by itself")

        @pytest.mark.budget("queries <= 1")
        def test_a(broken): pass
        """
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "the test fails by itself" in result.stdout.str()


def test_an_expected_failure_does_not_hide_a_broken_budget(project):
    """An xfail test over its budget is red all the same, and the summary tells why."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.xfail(reason="known")
        @pytest.mark.budget("queries <= 1")
        def test_a(db): ask(db, 5)
        """
    )
    result = project.run()
    assert result.ret == 1
    assert "FAIL test_it.py::test_a queries <= 1" in result.stdout.str()


def test_a_budget_that_is_not_enforced_is_shown(project):
    """`enforce: false` tells a broken limit, and is green."""
    project.config("perf: {test: test_it.py, limits: [queries <= 1], enforce: false}")
    project.write(test_it="from database import ask\ndef test_a(db): ask(db, 5)\n")
    result = project.run()
    assert result.ret == 0
    assert "FAIL test_it.py::test_a queries <= 1 (not enforced)" in result.stdout.str()


def test_exact_limits_against_the_baseline(project):
    """A value over its baseline fails the test and names both; a better one is green."""
    project.config()
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= baseline")
        def test_a(db): ask(db, 5)

        @pytest.mark.budget("queries <= baseline + 1")
        def test_b(db): ask(db, 5)
        """
    )
    project.baseline(
        {"budget": "test_it.py::test_a", "metric": "queries", "value": 4},
        {"budget": "test_it.py::test_b", "metric": "queries", "value": 9},
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert "5 is over 4" in result.stdout.str()
    assert "budgetguard baseline update test_it.py::test_a" in result.stdout.str()


def test_a_group_without_tests_is_an_error_of_a_whole_run(project):
    """A group whose tests were moved away is never silently green."""
    project.config("perf: {test: perf, limits: [queries <= 1]}")
    project.write(test_it="def test_a(): pass")
    result = project.run()
    assert result.ret == 1
    assert "no test matches 'perf'" in result.stdout.str()
    assert project.run("test_it.py").ret == 0


@pytest.mark.parametrize("content", ["{", "", "<<<<<<< HEAD\n", '{"schema": 99}'])
def test_a_corrupt_baseline_is_a_usage_error(project, content):
    """Exit 4 before a test runs, never green, no traceback."""
    project.config()
    project.write(test_it=MANY)
    project.put("budgetguard.baseline.json", content)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "budgetguard.baseline.json" in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_a_wrong_configuration_is_a_usage_error(project):
    """Exit 4 with all its problems."""
    project.config("a: {test: tests, limits: [querys <= 1]}", "b: {tset: tests, limits: [x]}")
    project.write(test_it=MANY)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "did you mean queries?" in result.stderr.str()
    assert "budgets.b" in result.stderr.str()


def test_a_filter_that_makes_warnings_errors_is_harmless(project):
    """None of our notes goes through `warnings`: NEW, left, ERROR and VANISHED with -W error."""
    project.config()
    project.put(
        "pytest.ini",
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n",
    )
    project.write(
        test_it=MANY
        + """
@pytest.mark.budget("time <= baseline + 5%", "peak <= 64 MiB", "wall <= 5 s", "fds <= 0")
def test_c(): pass

@pytest.mark.budget("queries <= 2")
def test_d(): pytest.skip("why")
"""
    )
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 2})
    result = project.start()
    result.assert_outcomes(passed=3, skipped=1)
    assert result.ret == 1
    assert "warnings summary" not in result.stdout.str()


@pytest.mark.parametrize("may_skip", ["", ", may_skip: no database here"])
def test_a_module_skipped_as_a_whole_is_an_error_unless_it_may(project, may_skip):
    """Tests of a group that were not even collected are missed once, by their module."""
    project.config(f"perf: {{test: perf, limits: [queries <= 1]{may_skip}}}")
    project.baseline({"budget": "perf/test_it.py::test_a", "metric": "queries", "value": 1})
    project.write(
        perf__test_it="""
        import pytest
        pytest.importorskip("nothing_of_this_name")
        def test_a(): pass
        """,
        test_other="def test_b(): pass",
    )
    result = project.run()
    text = result.stdout.str()
    assert result.ret == (0 if may_skip else 1)
    assert ("SKIPPED perf/test_it.py: no database here" in text) is bool(may_skip)
    assert ("ERROR perf/test_it.py" in text) is (not may_skip)
    assert "VANISHED" not in text


def test_a_second_collection_of_the_same_session(project):
    """locust collects once more where a locustfile has no user class: that is no clash of ours."""
    project.config()
    project.write(
        again="""
        def pytest_collection_finish(session):
            session.config.hook.pytest_collection_modifyitems(
                session=session, config=session.config, items=session.items
            )
        """,
        test_it=MANY,
    )
    result = project.run("-p", "again")
    assert result.ret == 0
    assert "guarded 1 of 2 limits" in result.stdout.str()
