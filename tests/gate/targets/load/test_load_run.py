"""What a run says of each limit, and when it says nothing."""

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Point, Where
from budgetguard.gate.targets.load.load_run import LoadRun, readings
from budgetguard.gate.targets.load.metrics import METRICS
from budgetguard.gate.targets.load.profiles import staged
from budgetguard.gate.targets.load.telling import plain, summary
from budgetguard.gate.targets.load.traffic import Stage, Traffic

from .made import second, tally


def _run(seconds, warmup_s=0.5, length_s=2.0, **changed):
    plan = staged([Stage(users=10, seconds=length_s)], warmup_s)
    traffic = Traffic(host="http://127.0.0.1:1", stages=plan.stages)
    return LoadRun(environment="local", host=traffic.host, traffic=traffic, plan=plan,
                   seconds=tuple(seconds), **changed)  # fmt: skip


def _read(run, *texts):
    limits = tuple(parse_limit(text, METRICS) for text in texts)
    budget = Budget(name="api", target="load", limits=limits, where=Where(""))
    return readings(run, budget, limits)


SHORT = [second(0), second(1), second(2, seconds=0.5)]


def test_a_broken_second_of_warm_up_shortens_nothing():
    """A second that is partly warm-up does not count, and is not missed, either."""
    run = _run(SHORT)
    assert run.error == ""
    assert [one.at for one in run.window.seconds] == [1, 2]


def test_each_endpoint_where_a_limit_names_one():
    """The whole and every endpoint; a limit of base and head in turn is not read here."""
    read = _read(_run(SHORT), "GET / mean <= 1 s", "users_reached >= 10", "p50 <= baseline + 9%")
    assert set(read) == {
        *(Point("api", name, "mean") for name in ("", "/", "GET /")),
        Point("api", "", "users_reached"),
    }  # fmt: skip


def test_a_problem_is_of_the_whole_budget():
    """What did not run says nothing of any limit."""
    (found,) = _read(_run(SHORT, problem="it died", evidence=("x",)), "p50 <= 1 s").items()
    assert found[0] == Point("api", "", "")
    assert (found[1].error, found[1].evidence) == ("it died", ("x",))


def test_mostly_failed():
    """Over 5 % of failures are an ERROR, unless a limit says how many may fail."""
    run = _run([second(n, failed=1) for n in range(3)])
    assert "20 of 20" in _read(_run([second(n, failed=10) for n in range(3)]),
                               "p50 <= 1 s")[Point("api", "", "")].error  # fmt: skip
    assert Point("api", "", "p50") in _read(run, "p50 <= 1 s", "failures <= 50%")


def test_a_saturated_generator():
    """Every reading has the reason why it does not count; a run cut short needs not all users."""
    late = [second(n, lag=tally([0.5] * 9)) for n in range(3)]
    assert all(one.unsettled for one in _read(_run(late), "p50 <= 1 s").values())
    few = [second(n, users=3) for n in range(3)]
    assert "3 of 10 users came" in _run(few).unsettled
    assert _run(few, ended_early="enough").unsettled == ""


def test_the_app_needs_to_be_ours():
    """Memory and CPU are read of an app that is started here."""
    read = _read(_run(SHORT), "server_cpu <= 1 s")[Point("api", "", "server_cpu")]
    assert "serve: starts here" in read.error


def test_it_is_told():
    """A table with the whole and each endpoint, and plain data with every second; also of nothing."""
    lines = list(summary(_run(SHORT, ended_early="enough")))
    assert "after 500 ms of warm-up, up to 10 users" in lines[0]
    assert lines[2].split()[:3] == ["all", "20", "0"]
    assert lines[-1] == "enough"
    told = plain(_run(SHORT))
    assert [one["at"] for one in told["series"]] == [0, 1, 2]
    assert told["total"]["histogram"] == [[0.1, 20]]
    assert plain(_run(()))["error"]
    assert list(summary(_run(())))
