"""A locustfile is run unchanged, for as long as asked, and what it does is told as it happens."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from budgetguard.gate.targets.load.generator import generate
from budgetguard.gate.targets.load.traffic import Stage

from .app import App, running
from .loading import abandoned, everything, generator, run, total, traffic, visitor


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_every_request_is_counted(app: App, tmp_path: Path, kind: str) -> None:
    """What is told is what the server saw, by endpoint, at full resolution, in intervals of a second."""
    done = run(tmp_path, visitor("/items", kind), app.host, seconds=2.3)
    assert total(done, "GET /items").count == len(app.paths())
    assert everything(done).failed == 0
    assert 0 < total(done, "GET /items").quantile_s(0.5) < 0.5
    assert [one.number for one in done.intervals] == [0, 1, 2]
    assert [one.seconds for one in done.intervals[:2]] == [1.0, 1.0]
    assert {one.worker for one in done.intervals} == {"local"}
    assert done.intervals[1].users == 4
    assert all(one.rss_bytes > 1 << 20 for one in done.intervals)
    assert all(0 < one.cpu < 2 for one in done.intervals)
    assert all(one.lag.count for one in done.intervals[:2])
    assert not done.notes
    assert not done.cut_short


def test_intervals_are_told_while_it_runs(app: App, tmp_path: Path) -> None:
    """Each interval comes at once, not at the end."""
    late_s = []
    generate(
        generator(tmp_path, visitor()),
        traffic(app.host, seconds=3.5),
        told=lambda one: bool(late_s.append(time.time() - one.start - one.seconds)),
    )
    assert len(late_s) == 4
    assert late_s[0] < 2.0  # it would be over 2.5 s if all came at the end


def test_a_hopeless_run_is_cut_short(app: App, tmp_path: Path) -> None:
    """When `told` says so the run ends early, and that is no problem of the generator."""
    done = generate(
        generator(tmp_path, visitor()), traffic(app.host, seconds=60), told=lambda _: True
    )
    assert done.cut_short
    assert done.problem == ""
    assert 1 <= len(done.intervals) < 20


def test_heavy_imports_do_not_shorten_the_run(app: App, tmp_path: Path) -> None:
    """Two seconds of imports come before the run, not out of it."""
    busy = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass\n"
    done = run(tmp_path, busy + visitor(), app.host, seconds=2.0)
    ended = max(one.start + one.seconds for one in done.intervals)
    assert 1.95 < ended - done.intervals[0].start < 5.0
    assert all(one.users == 4 for one in done.intervals[:2])
    moments = [moment for _, _, moment in app.seen]
    assert max(moments) - min(moments) > 1.7


def test_stages_are_followed(app: App, tmp_path: Path) -> None:
    """Users come and go as the stages say, ramps included."""
    stages = (
        Stage(users=2, seconds=1.0),
        Stage(users=20, seconds=2.0, ramp_s=0.5),
        Stage(users=3, seconds=1.5),
    )
    done = run(tmp_path, visitor(), app.host, stages=stages)
    users = [one.users for one in done.intervals]
    assert 1 <= users[0] <= 6  # the next stage may have begun when it was counted
    assert users[1] == 20
    assert users[3] == 3


def test_many_users_come_at_once(app: App, tmp_path: Path) -> None:
    """Hundreds of users are there after a second or two."""
    source = visitor().replace("constant(0.05)", "constant(1)")
    done = run(tmp_path, source, app.host, users=500, seconds=3.0)
    assert done.intervals[-2].users == 500
    assert everything(done).count >= 500


SHAPE = """
from locust import LoadTestShape

class Steps(LoadTestShape):
    def tick(self):
        return (3, 3) if self.get_run_time() < 2 else None
"""


def test_a_shape_of_its_own_is_used(app: App, tmp_path: Path) -> None:
    """Without stages, the locustfile's own LoadTestShape decides."""
    done = run(tmp_path, visitor() + SHAPE, app.host, stages=())
    assert done.intervals[1].users == 3
    assert 2 <= len(done.intervals) <= 6
    assert not done.notes


def test_stages_go_before_a_shape(app: App, tmp_path: Path) -> None:
    """With stages the locustfile's own shape is not used, and that is said."""
    done = run(tmp_path, visitor() + SHAPE, app.host, users=5)
    assert done.intervals[0].users == 5
    assert done.notes == ("the locustfile's own shape Steps is not used",)


def test_neither_stages_nor_a_shape(app: App, tmp_path: Path) -> None:
    """Nothing says how many users come: a problem, told at once."""
    done = generate(generator(tmp_path, visitor()), traffic(app.host, stages=()))
    assert "no LoadTestShape" in done.problem
    assert not done.intervals


def test_a_seed_repeats_what_users_choose(app: App, tmp_path: Path) -> None:
    """Two runs with one seed make the same requests, whatever the locustfile's import used up."""
    source = "import os, random\nrandom.seed(os.urandom(8))\n" + visitor().replace(
        '"/"', 'f"/{random.randrange(10**6)}", name="/N"'
    )
    seen = []
    for seed in (7, 7, 8):
        before = len(app.paths())
        run(tmp_path, source, app.host, users=1, seconds=0.7, seed=seed)
        seen.append(app.paths()[before:][:3])
    assert len(seen[0]) == 3
    assert seen[0] == seen[1] != seen[2]


def test_environment_does_not_configure_locust(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOCUST_* variables, and a run time in locust.conf, change nothing."""
    monkeypatch.setenv("LOCUST_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("LOCUST_RUN_TIME", "1s")
    (tmp_path / "locust.conf").write_text("run-time = 1s\n")
    done = run(tmp_path, visitor(), app.host, seconds=2.5)
    assert everything(done).count > 60
    assert everything(done).failed == 0


def test_tasks_that_raise_are_told(app: App, tmp_path: Path) -> None:
    """A bug in a task is no failed request, but it does not pass in silence."""
    done = run(tmp_path, visitor().replace("self.client.get", "self.nothing"), app.host)
    assert everything(done).count == 0
    (note,) = done.notes
    assert "tasks ended with AttributeError" in note


def test_failures_have_their_text(app: App, tmp_path: Path) -> None:
    """Failed requests are counted as failed, with a text of at most 200 characters; no problem."""
    done = run(tmp_path, visitor("/500/" + "x" * 300), app.host)
    failed = everything(done)
    assert failed.failed == failed.count > 0
    (text,) = failed.errors
    assert text.startswith("LocustBadStatusCode: ")
    assert len(text) == 200


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Refused connections are failed requests."""
    with running() as app:
        host = app.host
    failed = everything(run(tmp_path, visitor(), host))
    assert failed.failed == failed.count > 0
    assert all("refused" in text for text in failed.errors)


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
@pytest.mark.parametrize("path", ["/hang", "/stream"])
def test_requests_without_an_end(app: App, tmp_path: Path, path: str, kind: str) -> None:
    """What has no answer when the run is over counts as failed, with its time so far; no hang."""
    done = run(tmp_path, visitor(path, kind), app.host, users=3, seconds=1.0)
    given_up = abandoned(done)
    assert given_up.count == given_up.failed == 3
    assert given_up.quantile_s(0.5) > 2.5  # the second of the run and two to finish
    assert list(given_up.errors) == [f"GET {path}: no answer when its user was stopped"]


def test_reset_connections(app: App, tmp_path: Path) -> None:
    """A reset is a failed request."""
    failed = everything(run(tmp_path, visitor("/reset"), app.host))
    assert failed.failed == failed.count > 0


def test_no_end_to_names(app: App, tmp_path: Path) -> None:
    """A locustfile that puts a number into every name does not fill the memory with endpoints."""
    source = "import itertools\nN = itertools.count()\n" + visitor().replace(
        'self.client.get("/")', '[self.client.get(f"/{next(N)}") for _ in range(60)]'
    )
    done = run(tmp_path, source, app.host)
    names = {name for one in done.intervals for name in one.tallies}
    assert "(other endpoints)" in names
    assert len(names) <= 302
    assert everything(done).count >= len(app.paths()) - 4


def test_the_python_of_the_generator_needs_nothing_of_ours(app: App, tmp_path: Path) -> None:
    """The user's own code finds its own budgetguard, not the one that the shim came from."""
    (tmp_path / "budgetguard.py").write_text("MINE = True\n")
    source = "import budgetguard\nassert budgetguard.MINE\n" + visitor()
    assert everything(run(tmp_path, source, app.host)).count > 0


def test_another_folder(app: App, tmp_path: Path) -> None:
    """It runs in the generator's folder; the locustfile may be named by an absolute path."""
    (tmp_path / "data.txt").write_text("/from-data")
    source = visitor().replace('"/"', 'open("data.txt").read()')
    one = generator(tmp_path, source)
    one = replace(one, locustfile=tmp_path / "locustfile.py", python=sys.executable)
    assert total(generate(one, traffic(app.host)), "GET /from-data").count > 0
