"""Shards of one run: which budget is in which, and their reports joined to one verdict."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import UsageError
from budgetguard.gate.model import Budget, Request, Where
from budgetguard.gate.report import markdown, terminal
from budgetguard.gate.report.joining import join
from budgetguard.gate.shard import SESSION, Shard, parse_shard
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict

NAMES = [f"tests/test_{letter}.py::test_{number}" for letter in "abcdefgh" for number in range(3)]
NAMES += [f"app-{number}" for number in range(8)]


def verdict(name, outcome=Outcome.PASS, **fields):
    return Verdict(budget=name, target="bundle", limit="raw <= 1 kB", outcome=outcome, **fields)


def reports_of(of, changed=None, **fields):
    """What the jobs of one run write, by file; `changed` maps a budget to its outcome."""
    found = {}
    for number in range(1, of + 1):
        shard = Shard(number, of)
        own = [name for name in NAMES if shard.holds(name)]
        verdicts = tuple(verdict(name, (changed or {}).get(name, Outcome.PASS)) for name in own)
        known = {"tool": "budgetguard 1", "commit": "a" * 40, "whole": False, "shard": shard}
        known |= {"duration_s": float(number), "started": f"2026-11-23T10:0{number}:00+00:00"}
        found[f"{number}.json"] = Report(verdicts=verdicts, **{**known, **fields})
    return found


@given(st.text(), st.integers(1, 20))
def test_every_budget_is_in_one_shard(name, of):
    """The parts are disjoint and complete, whatever a budget is called."""
    assert sum(Shard(number, of).holds(name) for number in range(1, of + 1)) == 1


def test_where_a_budget_is_follows_from_its_name_alone():
    """It does not move with the version, the machine or the hash seed: reports of jobs have to fit."""
    names = ["tests/test_a.py::x", "tests/test_f.py::x", "app-0", "app-2", "app-6"]
    found = [[name for name in names if Shard(number, 3).holds(name)] for number in (1, 2, 3)]

    assert found == [
        ["tests/test_f.py::x", "app-2"],
        ["tests/test_a.py::x", "app-0"],
        ["app-6"],
    ]


def test_the_tests_of_a_file_stay_together():
    """Their fixtures are set up once; parameters and classes move nothing."""
    shard = next(Shard(number, 7) for number in range(1, 8) if Shard(number, 7).holds("t/a.py"))

    assert all(map(shard.holds, ["t/a.py::x", "t/a.py::x[1-2]", "t/a.py::X::y", "t/a.py::x[a::b]"]))


@pytest.mark.parametrize("text", ["1/1", "3/3", " 2/10 "])
def test_a_shard_is_read(text):
    """As it is written."""
    assert str(parse_shard(text)) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", "1/9999", "١/٣", "1/1001"]
)
def test_what_is_no_shard_is_refused(text):
    """Counted from 1, up to a number of jobs that there can be."""
    with pytest.raises(UsageError, match="expected I/N"):
        parse_shard(text)


def test_a_request_of_a_shard_wants_its_own():
    """By its name the pytest that measures knows the shard, and completeness can be judged."""
    requests = [Request(shard=Shard(number, 3)) for number in (1, 2, 3)]
    budgets = [Budget(name=name, target="test", limits=(), where=Where("")) for name in NAMES]

    assert all(request.whole for request in requests)
    for budget in budgets:
        assert sum(request.wants(budget) for request in requests) == 1


def test_all_shards_are_one_report():
    """Every verdict once, nothing of the parts is left, and the longest job is how long it took."""
    joined = join(dict(reversed(reports_of(3).items())))

    assert sorted(one.budget for one in joined.verdicts) == sorted(NAMES)
    assert joined.whole
    assert joined.shard is None
    assert joined.duration_s == 3
    assert joined.started == "2026-11-23T10:01:00+00:00"
    assert joined.exit_code == 0


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.FAIL, 1), (Outcome.VANISHED, 4), (Outcome.ERROR, 4), (Outcome.NEW, 0)],
)
def test_one_red_shard_is_a_red_run(outcome, code):
    """The exit code is that of all verdicts together."""
    assert join(reports_of(3, {"app-3": outcome})).exit_code == code


def test_strict_in_one_job_is_strict():
    """What is new is red where any job was told so."""
    reports = reports_of(2, {"app-3": Outcome.NEW})
    reports["2.json"] = replace(reports["2.json"], strict=True)

    assert join(reports).exit_code == 3


def test_a_shard_may_hold_nothing_but_not_all_of_them():
    """An empty part is green and says so; a run that measured nothing is red."""
    empty = {name: replace(one, verdicts=()) for name, one in reports_of(2).items()}

    assert {one.exit_code for one in empty.values()} == {0}
    assert "shard 1/2 only" in terminal.render(empty["1.json"])
    assert "nothing was measured" not in terminal.render(empty["1.json"])
    assert "no budget is in shard 1/2" in markdown.render(empty["1.json"])
    assert join(empty).exit_code == 4
    assert "nothing was measured" in terminal.render(join(empty))


def test_a_group_without_a_test_in_any_shard_is_an_error():
    """One that only some shards have no test of is fine."""
    none, some = (verdict(name, Outcome.ERROR) for name in ("none", "some"))
    reports = reports_of(2)
    for name, unmatched in (("1.json", (none, some)), ("2.json", (none,))):
        reports[name] = replace(reports[name], unmatched=unmatched)

    joined = join(reports)
    assert [one.budget for one in joined.verdicts if one.red] == ["none"]
    assert joined.exit_code == 4


def test_two_broken_sessions_are_two_errors():
    """Each shard has a session of its own, and all bear the same name."""
    reports = {
        name: replace(one, verdicts=(verdict(SESSION, Outcome.ERROR),))
        for name, one in reports_of(2).items()
    }

    assert len(join(reports).verdicts) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"commit": "b" * 40}, "different commits"),
        ({"tool": "budgetguard 2"}, "different versions"),
        ({"asked": "--exact"}, "different options"),
        ({"folder": "web/"}, "different folders"),
        ({"shard": None}, "2.json: is no report of a shard"),
        ({"shard": Shard(2, 4)}, "different shards"),
        ({"shard": Shard(1, 3)}, "1.json and 2.json are both of shard 1/3"),
        ({"verdicts": (verdict("app-6"),)}, "2.json: app-6 is not of shard 2/3"),
        ({"left": (LeftToCheck("app-6", "", ""),)}, "2.json: app-6 is not of shard 2/3"),
    ],
)
def test_what_is_no_part_of_the_run_is_refused(change, words):
    """Another commit, version, option or number of shards, one that is double, one that was changed."""
    reports = reports_of(3)
    reports["2.json"] = replace(reports["2.json"], **change)

    with pytest.raises(UsageError, match=words):
        join(reports)


def test_a_missing_shard_is_named():
    """A job that was lost is no green one."""
    reports = reports_of(4)
    del reports["1.json"], reports["3.json"]

    with pytest.raises(UsageError, match="shard 1/4, 3/4 is missing"):
        join(reports)
