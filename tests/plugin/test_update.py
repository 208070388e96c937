"""`--budget-update`: values only, nothing judged."""

TESTS = """
import pytest
from database import ask

@pytest.mark.budget("queries <= 1", "rows <= baseline", "time <= baseline + 5%")
def test_a(db): ask(db, 2)

@pytest.mark.budget("queries <= 9")
def test_b(db): ask(db, 3)

@pytest.mark.budget("queries <= 9")
def test_skipped(db): pytest.skip("why")

@pytest.mark.budget("queries <= 9")
def test_fails(db): assert 0
"""


def test_a_whole_session_records_every_value_and_drops_what_is_gone(project):
    """Nothing is judged, values are written, `time` stays, a gone test goes; skipped and failing ones stay."""
    project.config()
    project.write(test_it=TESTS)
    project.baseline(
        {"budget": "test_it.py::test_a", "metric": "queries", "value": 1},
        {"budget": "test_it.py::test_gone", "metric": "queries", "value": 1},
        {"budget": "test_it.py::test_skipped", "metric": "queries", "value": 1},
        {"budget": "test_it.py::test_fails", "metric": "queries", "value": 1},
        {"budget": "app", "target": "bundle", "metric": "raw", "unit": "bytes", "value": 1},
    )
    result = project.run("--budget-update")
    result.assert_outcomes(passed=2, skipped=1, failed=1)
    stored = project.stored()
    assert {name: row.get("value") for name, row in stored.items()} == {
        ("test_it.py::test_a", "", "queries"): 2,
        ("test_it.py::test_a", "", "rows"): 0,
        ("test_it.py::test_a", "", "time"): None,
        ("test_it.py::test_b", "", "queries"): 3,
        ("test_it.py::test_skipped", "", "queries"): 1,
        ("test_it.py::test_fails", "", "queries"): 1,
        ("app", "", "raw"): 1,
    }
    assert (
        '"time": "2026-01-01T00:00:00Z"'
        in (project.folder / "budgetguard.baseline.json").read_text()
    )
    text = result.stdout.str()
    assert "recorded 4 in " in text
    assert "kept test_it.py::test_skipped: the test was skipped" in text
    assert "kept test_it.py::test_fails: the test fails by itself" in text


def test_a_partial_session_drops_nothing(project):
    """With -k only what was measured changes."""
    project.config()
    project.write(test_it=TESTS)
    project.baseline({"budget": "test_it.py::test_gone", "metric": "queries", "value": 1})
    assert project.run("--budget-update", "-k", "test_b").ret == 0
    assert set(project.stored()) == {
        ("test_it.py::test_gone", "", "queries"),
        ("test_it.py::test_b", "", "queries"),
    }


def test_a_spread_is_kept_while_the_value_lies_inside_it(project):
    """One session cannot tell a spread: inside the old one nothing changes, outside it is dropped."""
    project.config()
    project.write(test_it=TESTS)
    project.baseline(
        {"budget": "test_it.py::test_a", "metric": "queries", "value": 3, "spread": [1, 4]},
        {"budget": "test_it.py::test_b", "metric": "queries", "value": 9, "spread": [8, 10]},
    )
    project.run("--budget-update")
    stored = project.stored()
    assert stored["test_it.py::test_a", "", "queries"]["spread"] == [1, 4]
    assert stored["test_it.py::test_a", "", "queries"]["value"] == 3
    assert "spread" not in stored["test_it.py::test_b", "", "queries"]


def test_nothing_to_record_is_said(project):
    """Without a configuration there is no baseline to write."""
    project.write(test_it=TESTS)
    result = project.run("--budget-update", "-k", "test_b")
    assert result.ret == 0
    assert "recorded nothing" in result.stdout.str()
    assert not (project.folder / "budgetguard.baseline.json").exists()


def test_a_recorded_session_is_green_afterwards(project):
    """What was recorded is what the next run is compared with."""
    project.config()
    project.write(test_it=TESTS.replace("<= 1", "<= 2").replace("assert 0", "pass"))
    project.run("--budget-update")
    result = project.run("-k", "not skipped")
    assert result.ret == 0
    assert "NEW" not in result.stdout.str()
