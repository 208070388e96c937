"""The flow of `baseline update`, on real bundles, commands and tests."""

import textwrap

import pytest

from budgetguard.errors import UsageError
from budgetguard.gate import machine
from budgetguard.gate.baseline import read_baseline
from budgetguard.gate.config import load_config
from budgetguard.gate.model import Baseline, Point, Request, Stored
from budgetguard.gate.record import record
from budgetguard.units import Unit

APP = Point("app", "", "raw")


@pytest.fixture
def project(tmp_path):
    """A project with a bundle of two files; calling it writes another configuration."""

    def configured(text):
        (tmp_path / "budgetguard.yml").write_text(textwrap.dedent(text))
        return load_config(tmp_path / "budgetguard.yml")

    (tmp_path / ".git").mkdir()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/a.js").write_text("a" * 100)
    (tmp_path / "dist/b.js").write_text("b" * 50)
    configured.folder = tmp_path
    return configured


BUNDLE = """
    version: 1
    budgets:
      app:
        bundle: dist
        limits: [raw <= 1 kB, gzip <= baseline + 2%, dist/*.js raw <= baseline]
    """


def stored(value, **fields):
    return Stored(**{"unit": Unit.BYTES, "target": "bundle", "value": value, **fields})


def test_every_limit_gets_an_entry(project):
    """Absolute and relative limits and each part that a selector matched are recorded."""
    recorded = record(project(BUNDLE), Request(), Baseline(exists=False))

    entries = recorded.baseline.entries
    values = {(point.selector, point.metric): by_key[""].value for point, by_key in entries.items()}
    assert values.pop(("", "gzip")) > 0
    assert values == {("", "raw"): 150, ("dist/a.js", "raw"): 100, ("dist/b.js", "raw"): 50}
    assert entries[Point("app", "", "gzip")][""].made_with
    assert recorded.exit_code == 0
    assert len(recorded.changes) == 4


def test_time_is_set_once(project):
    """The first record starts the comparison of time; a later one leaves its line alone."""
    config = project(BUNDLE)
    first = record(config, Request(), Baseline(exists=False)).baseline

    assert first.time.endswith("Z")
    assert len(first.time) == len("2026-05-01T00:00:00Z")
    old = Baseline({}, "2020-01-01T00:00:00Z")
    assert record(config, Request(), old).baseline.time == "2020-01-01T00:00:00Z"


def test_what_vanished_is_dropped(project):
    """A whole update drops what no limit names any more, and values under other keys."""
    old = Baseline(
        {
            Point("gone", "", "raw"): {"": stored(7)},
            Point("app", "", "files"): {"": stored(2, unit=Unit.COUNT)},
            APP: {"": stored(140), "another-machine": stored(141)},
        },
        "",
    )
    recorded = record(project(BUNDLE), Request(), old)

    assert Point("gone", "", "raw") not in recorded.baseline.entries
    assert Point("app", "", "files") not in recorded.baseline.entries
    assert recorded.baseline.entries[APP] == {"": stored(150)}


def test_named_update_leaves_the_rest(project):
    """With a name only that budget's entries change."""
    config = project(
        """
        version: 1
        budgets:
          app: {bundle: dist, limits: [raw <= 1 kB]}
          other: {bundle: dist/a.js, limits: [raw <= 1 kB]}
        """
    )
    old = Baseline(
        {Point(name, "", "raw"): {"": stored(7)} for name in ("app", "other", "gone")}, ""
    )
    entries = record(config, Request(names=("app",)), old).baseline.entries

    assert {point.budget: values[""].value for point, values in entries.items()} == {
        "app": 150,
        "other": 7,
        "gone": 7,
    }


def test_name_of_a_budget_that_is_gone(project):
    """A budget that only the baseline knows can be dropped by name."""
    old = Baseline({Point("gone", "", "raw"): {"": stored(7)}, APP: {"": stored(8)}}, "")
    recorded = record(project(BUNDLE), Request(names=("gone",)), old)

    assert set(recorded.baseline.entries) == {APP}


def test_unknown_name_is_refused(project):
    """A name that nothing has is an error with the nearest right one."""
    with pytest.raises(UsageError, match="did you mean app"):
        record(project(BUNDLE), Request(names=("ap",)), Baseline())


def test_what_cannot_be_measured_keeps_its_entry(project):
    """A budget in error loses nothing, is told, and ends the command in 4."""
    config = project(
        """
        version: 1
        budgets:
          app: {bundle: dist, limits: [raw <= 1 kB, nope.js raw <= 1 kB]}
          lost: {bundle: nowhere, limits: [raw <= 1 kB]}
        """
    )
    old = Baseline(
        {
            Point("lost", "", "raw"): {"": stored(7)},
            Point("app", "nope.js", "raw"): {"": stored(9)},
        },
        "",
    )
    recorded = record(config, Request(), old)

    assert recorded.baseline.entries[Point("lost", "", "raw")] == {"": stored(7)}
    assert recorded.baseline.entries[Point("app", "nope.js", "raw")] == {"": stored(9)}
    assert recorded.baseline.entries[APP] == {"": stored(150)}
    assert len(recorded.kept) == 2
    assert recorded.exit_code == 4


def test_sampled_metric_has_an_entry_without_value(project):
    """Time is never stored; its entry is there so that the budget can vanish."""
    config = project(
        """
        version: 1
        budgets:
          cli: {command: python -c pass, limits: [wall <= 60 s, time <= baseline + 5%]}
        """
    )
    entries = record(config, Request(), Baseline()).baseline.entries

    assert {point.metric: values[""].value for point, values in entries.items()} == {
        "wall": None,
        "time": None,
    }


def test_budget_that_is_not_enforced_is_recorded(project):
    """Whoever turns enforcing on later finds its values there."""
    config = project(
        """
        version: 1
        budgets:
          app: {bundle: dist, limits: [raw <= baseline], enforce: false}
        """
    )
    assert APP in record(config, Request(), Baseline()).baseline.entries


def test_number_that_varies_gets_its_spread(project):
    """Three sessions with different hash seeds: the median, and the lowest to the highest."""
    config = project(
        """
        version: 1
        budgets:
          cli:
            command: [python, -c, "import os, json; print(json.dumps({'seed': int(os.environ['PYTHONHASHSEED']), 'same': 5}))"]
            numbers: {seed: count exact, same: count exact}
            limits: [seed <= baseline, same <= baseline]
        """
    )
    entries = record(config, Request(), Baseline()).baseline.entries

    (seed,) = entries[Point("cli", "", "seed")].values()
    (same,) = entries[Point("cli", "", "same")].values()
    assert (seed.value, seed.spread) == (2, (1, 3))
    assert (same.value, same.spread) == (5, None)


def test_real_tests_are_recorded_and_judged(project):
    """Queries of a real pytest session are recorded, keyed memory under this machine's key."""
    (project.folder / "test_shop.py").write_text(
        textwrap.dedent(
            """
            import sqlite3
            import pytest

            @pytest.mark.budget("queries <= baseline", "fds <= 0")
            def test_two():
                connection = sqlite3.connect(":memory:")
                connection.execute("select 1")
                connection.execute("select 2")
                connection.close()
            """
        )
    )
    config = project("version: 1\nbudgets: {}\n")
    recorded = record(config, Request(), Baseline())

    assert recorded.kept == ()
    point = Point("test_shop.py::test_two", "", "queries")
    (stored_queries,) = recorded.baseline.entries[point].values()
    assert stored_queries.value == 2
    assert set(recorded.baseline.entries[point]) <= {"", machine.key()}


def test_broken_session_drops_nothing(project):
    """A test file that does not import cannot say which budgets vanished."""
    (project.folder / "test_broken.py").write_text("import budget_nowhere\n")
    config = project("version: 1\nbudgets: {}\n")
    old = Baseline(
        {
            Point("test_broken.py::test_a", "", "queries"): {
                "": stored(3, target="test", unit=Unit.COUNT)
            }
        },
        "",
    )
    recorded = record(config, Request(), old)

    assert recorded.baseline.entries == old.entries
    assert recorded.exit_code == 4


def test_reading_a_baseline_back_after_record(project):
    """What is recorded survives the file."""
    from budgetguard.gate.baseline import write_baseline

    config = project(BUNDLE)
    recorded = record(config, Request(), Baseline())
    write_baseline(config.baseline_file, recorded.baseline)

    assert read_baseline(config.baseline_file) == recorded.baseline


@pytest.mark.parametrize("keep_keys", [False, True])
def test_values_under_other_keys_are_of_older_code_unless_they_are_kept(project, keep_keys):
    """A project that is checked on several interpreters records on each of them."""
    config = project("version: 1\nbudgets:\n  t: {test: test_it.py, limits: [peak <= 1 GB]}\n")
    (project.folder / "test_it.py").write_text("def test_a(): bytearray(10_000)\n")
    point = Point("test_it.py::test_a", "", "peak")
    old = Baseline({point: {"pypy-9.9-moon-risc": stored(7, target="test")}})

    recorded = record(config, Request(), old, keep_keys=keep_keys)

    keys = set(recorded.baseline.entries[point])
    assert keys == {machine.key()} | ({"pypy-9.9-moon-risc"} if keep_keys else set())
