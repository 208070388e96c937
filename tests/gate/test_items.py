"""Which budget a test has: groups by path, glob, node id or marker, then who wins."""

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.items import Declared, TestOptions, budget_of, covers
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Where

NODE = "tests/perf/test_shop.py::TestCart::test_add[sqlite-1]"
HERE = Where("tests/perf/test_shop.py", 12)


def limits_of(*texts):
    return tuple(parse_limit(text, METRICS) for text in texts)


def marker(*texts, **kwargs):
    return Declared(limits=limits_of(*texts), where=HERE, **kwargs)


def group(name, *texts, **kwargs):
    where = Where("budgetguard.yml", 3, f"budgets.{name}")
    return Budget(name=name, target="test", limits=limits_of(*texts), where=where, **kwargs)


def texts(budget):
    return [limit.text for limit in budget.limits]


@pytest.mark.parametrize(
    ("select", "node_id", "means"),
    [
        ("tests/perf", NODE, True),
        ("tests/perf/", NODE, True),
        ("./tests/perf", NODE, True),
        (".", NODE, True),
        ("tests/per", NODE, False),
        ("perf", NODE, False),
        ("tests/perf/test_shop.py", NODE, True),
        ("tests/perf/test_shop", NODE, False),
        ("tests/perf/test_shop.py::TestCart", NODE, True),
        ("tests/perf/test_shop.py::TestCar", NODE, False),
        ("tests/perf/test_shop.py::TestCart::test_add", NODE, True),
        ("tests/perf/test_shop.py::TestCart::test_ad", NODE, False),
        (NODE, NODE, True),
        ("tests/perf/test_shop.py::TestCart::test_add[sqlite-2]", NODE, False),
        ("tests/perf/test_shop.py::TestCart::test_add[sqlite-*]", NODE, True),
        ("tests/perf/test_shop.py::TestCart::test_add[*]", NODE, True),
        ("tests/perf/test_shop.py::TestCart::test_add[pg-*]", NODE, False),
        ("tests/*/test_shop.py", NODE, True),
        ("tests/perf/test_[st]hop.py", NODE, True),
        ("tests/perf/test_[xy]hop.py", NODE, False),
        ("**/test_shop.py", NODE, True),
        ("**/test_shop.py", "test_shop.py::test_x", True),
        ("*::TestCart::*", NODE, True),
        ("tests/x?.py", "tests/x1.py::test_y", True),
        ("t.py::test_x[a[0]]", "t.py::test_x[a[0]]", True),
        ("tests/a b", "tests/a b/test_c.py::test_d", True),
        ("Tests/perf", NODE, False),
    ],
)
def test_a_group_means_a_folder_a_file_a_class_a_test_or_a_glob(select, node_id, means):
    """Each to its end: `tests/per` is not `tests/perf`, and brackets of an id are no character class."""
    assert covers(TestOptions(select=select), node_id, lambda _: False) is means


@pytest.mark.parametrize(
    "select", ["-m slow and not db", "-mslow and not db", "-m   slow and not db "]
)
def test_a_group_may_be_a_marker_expression(select):
    """The expression is handed over as it stands, and its answer counts."""
    asked = []
    assert covers(TestOptions(select=select), NODE, lambda expression: not asked.append(expression))
    assert asked == ["slow and not db"]
    assert not covers(TestOptions(select=select), NODE, lambda _: False)


def test_without_marker_and_group_there_is_no_budget():
    """Most tests have none."""
    assert budget_of(NODE, [], []) is None
    assert budget_of(NODE, [marker()], []) is None


def test_the_nearest_of_stacked_markers_wins_per_metric():
    """All its limits on the metric replace all of the outer one's; other metrics add up."""
    near = marker("queries <= 3", "blk queries <= 1")
    outer = marker("queries <= 9", "queries <= baseline", "rows <= 100")
    budget = budget_of(NODE, [near, outer], [])
    assert texts(budget) == ["queries <= 3", "blk queries <= 1", "rows <= 100"]
    assert (budget.name, budget.where, budget.enforce, budget.group) == (NODE, HERE, True, "")


def test_a_marker_wins_over_a_group_per_metric():
    """What the marker does not say the group does."""
    budget = budget_of(
        NODE, [marker("queries <= 3")], [group("perf", "queries <= 9", "rows <= 100")]
    )
    assert texts(budget) == ["queries <= 3", "rows <= 100"]
    assert budget.group == "perf"


def test_groups_add_up_and_both_names_mean_the_test():
    """Two groups with different metrics are one budget."""
    budget = budget_of(NODE, [], [group("perf", "queries <= 9"), group("slow", "rows <= 100")])
    assert texts(budget) == ["queries <= 9", "rows <= 100"]
    assert budget.where.key == "budgets.perf"
    assert all(budget.called(name) for name in ("perf", "slow", NODE, NODE.partition("[")[0]))


@pytest.mark.parametrize("markers", [[], [marker("queries <= 3")]])
def test_two_groups_that_limit_one_metric_are_an_error(markers):
    """Also where a marker wins over both: nobody could say which of them was meant."""
    groups = [group("perf", "queries <= 9"), group("slow", "rows <= 1", "queries <= baseline")]
    with pytest.raises(
        ConfigError,
        match=r"budgetguard\.yml:3 budgets\.slow: queries of .* is limited by perf already",
    ):
        budget_of(NODE, markers, groups)


@pytest.mark.parametrize(
    ("markers", "groups", "enforced"),
    [
        ([], [group("a", "queries <= 1", enforce=False)], False),
        ([], [group("a", "queries <= 1", enforce=False), group("b", "rows <= 1")], True),
        ([marker("rows <= 1")], [group("a", "queries <= 1", enforce=False)], True),
        ([marker(may_skip="x")], [group("a", "queries <= 1", enforce=False)], False),
        ([marker(may_skip="x")], [], True),
    ],
)
def test_a_test_is_only_shown_when_nothing_enforces_it(markers, groups, enforced):
    """A marker with limits, or one enforced group, makes it a gate."""
    assert budget_of(NODE, markers, groups).enforce is enforced


def test_the_nearest_reason_to_skip_is_told():
    """The marker's before the group's."""
    with_reason = group("perf", "queries <= 1", may_skip="from the group")
    assert (
        budget_of(NODE, [marker(may_skip="from the marker")], [with_reason]).may_skip
        == "from the marker"
    )
    assert budget_of(NODE, [marker("rows <= 1")], [with_reason]).may_skip == "from the group"
