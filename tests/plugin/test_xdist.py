"""pytest-xdist: counted metrics are judged on the workers and gathered, clocks are told what it does to them."""

import pytest

TESTS = """
import time, pytest
from database import ask

@pytest.mark.parametrize("n", range(4))
@pytest.mark.budget("queries <= 3", "queries <= baseline")
def test_many(db, n): ask(db, n + 1)

@pytest.mark.budget("blocked <= 1 us")
def test_slow(): time.sleep(0.01)

@pytest.mark.budget("time <= baseline + 5%")
def test_left(): pass

@pytest.mark.budget("queries <= 1")
def test_skipped(): pytest.skip("why")

def test_block(db, budget):
    with budget("queries <= 1"): ask(db, 2)
"""


def test_readings_are_gathered_and_judged_once(project):
    """Broken counts fail their items, the summary is one, and a clock's red is UNSETTLED with its reason."""
    project.config()
    project.write(test_it=TESTS)
    project.baseline(
        {"budget": "test_it.py::test_many[0]", "metric": "queries", "value": 1},
        {"budget": "test_it.py::test_gone", "metric": "queries", "value": 1},
    )
    result = project.start("-n", "2")
    assert result.ret == 1
    result.assert_outcomes(passed=5, failed=2, skipped=1)
    text = result.stdout.str()
    assert "over budget: queries <= 3" in text
    assert "over budget: block queries <= 1" in text
    assert "read beside the other workers of pytest-xdist" in text
    assert "read it alone: budgetguard check, or pytest -n 0" in text
    assert "VANISHED test_it.py::test_gone queries" in text
    assert "ERROR test_it.py::test_skipped" in text
    assert "NEW: 3 values" in text
    assert "left to check: 1 (time <= baseline + 5%)" in text
    assert text.count("guarded ") == 1
    assert "guarded 6 of 13 limits" in text


def test_a_green_session_stays_green(project):
    """Two workers, everything within: exit 0; ERROR alone makes it 1."""
    project.config()
    project.write(
        test_it="import pytest\n@pytest.mark.budget('queries <= 3')\ndef test_a(): pass\n"
    )
    result = project.start("-n", "2")
    assert result.ret == 0
    assert "guarded 1 of 1 limits" in result.stdout.str()
    project.write(
        test_it="import pytest\n@pytest.mark.budget('queries <= 3')\ndef test_a(): pytest.skip('why')\n"
    )
    result = project.start("-n", "2")
    assert result.ret == 1
    assert "the test was skipped" in result.stdout.str()


@pytest.mark.parametrize("wrong", ["marker", "baseline"])
def test_a_usage_error_is_told_by_the_controller(project, wrong):
    """A wrong marker or a corrupt baseline is exit 4 with its problem told once, no test run."""
    project.config()
    limit = "querys <= 3" if wrong == "marker" else "queries <= 3"
    project.write(test_it=f"import pytest\n@pytest.mark.budget('{limit}')\ndef test_a(): pass\n")
    if wrong == "baseline":
        project.put("budgetguard.baseline.json", "{")
    result = project.start("-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    expected = (
        "did you mean queries?" if wrong == "marker" else "budgetguard.baseline.json: not JSON"
    )
    assert text.count(expected) == 1
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text


def test_an_update_beside_workers_records_what_all_of_them_read(project):
    """`--budget-update -n 2` writes one baseline with the values of both workers."""
    project.config()
    project.write(test_it=TESTS)
    result = project.start("-n", "2", "--budget-update")
    assert result.ret == 0, result.stdout.str()
    stored = project.stored()
    assert [stored[f"test_it.py::test_many[{n}]", "", "queries"]["value"] for n in range(4)] == [
        1,
        2,
        3,
        4,
    ]
    assert stored["test_it.py::test_block", "block", "queries"]["value"] == 2


def test_an_idle_project_loads_nothing_on_the_controller(project):
    """Without budgets xdist's controller imports only the plugin file."""
    project.put(
        "conftest.py",
        """
        import atexit, sys
        ours = lambda: sorted(n for n in sys.modules if n.split(".")[0] in ("budgetguard", "pytest_budgetguard"))
        atexit.register(lambda: print("LOADED", ours()))
        """,
    )
    project.write(test_it="def test_a(): pass")
    result = project.start("-n", "1")
    assert "LOADED ['pytest_budgetguard', 'pytest_budgetguard.plugin']" in result.stdout.str()


def test_numbers_of_items_that_another_worker_runs(project):
    """What one worker leaves to another keeps its numbers; one that only records is not left at all."""
    project.write(
        test_it="""
        import pytest

        @pytest.mark.parametrize("n", range(4))
        @pytest.mark.budget("words <= 10", numbers={"words": "count exact"})
        def test_numbers(budget, n): budget.record("words", n, "count", exact=True)

        def test_bare(budget): budget.record("pages", 3, "count")
        """
    )
    result = project.start("-n", "2")
    assert result.ret == 0, result.stdout.str()
    text = result.stdout.str()
    assert "guarded 4 of 4 limits" in text
    assert "left to check" not in text


def test_what_a_worker_of_another_version_tells_is_a_usage_error(project):
    """A message that cannot be read ends in a sentence, told once, and exit 4."""
    project.write(
        test_it="import pytest\n@pytest.mark.budget('queries <= 3')\ndef test_a(): pass\n"
    )
    project.put(
        "conftest.py",
        """
        import pytest

        class Controller:
            @pytest.hookimpl(tryfirst=True)
            def pytest_testnodedown(self, node):
                for home in node.workeroutput["budgetguard"]["homes"]:
                    for message in [*home["budgets"], *(left for left, _ in home["left"])]:
                        del message["where"]

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Controller())
        """,
    )
    result = project.start("-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert text.count("sent a budget that cannot be read") == 1
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
