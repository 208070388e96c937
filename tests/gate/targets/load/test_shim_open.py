"""In the open model tasks begin when they are due, and a stalling server cannot hide."""

from pathlib import Path

import pytest

from budgetguard.gate.targets.load.traffic import Stage

from .app import App, running
from .loading import abandoned, everything, run, total, visitor


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_tasks_begin_at_a_constant_rate(app: App, tmp_path: Path, kind: str) -> None:
    """As many as the rate says, evenly, whatever the locustfile's wait time."""
    source = visitor(kind=kind).replace("constant(0.05)", "constant(30)")
    done = run(tmp_path, source, app.host, users=20, seconds=3.0, model="open", rate=40.0)
    assert sum(one.due for one in done.intervals) == 120
    assert everything(done).count == 120
    assert [one.due for one in done.intervals[:3]] == [40, 40, 40]
    assert everything(done).failed == 0


def test_a_stall_shows(tmp_path: Path) -> None:
    """0.8 s of each 2 s nothing is answered: the closed model hardly sees it, the open one as it is.

    In theory 10 % of the tasks wait longer than 0.6 s and 20 % longer than 0.4 s.
    """
    with running(App(stall_s=0.8, period_s=2.0)) as app:
        closed = everything(run(tmp_path, visitor(), app.host, users=2, seconds=6.0))
        tasks = run(tmp_path, visitor(), app.host, users=60, seconds=6.0, model="open", rate=50.0)
    assert closed.quantile_s(0.9) < 0.2
    assert 0.25 < everything(tasks).quantile_s(0.8) < 0.6
    assert 0.45 < everything(tasks).quantile_s(0.9) < 0.85
    assert everything(tasks).count == 300


def test_too_few_users_show(app: App, tmp_path: Path) -> None:
    """What waits for a user counts from when it was due; what was never begun has failed."""
    done = run(
        tmp_path, visitor("/slow/0.2"), app.host, users=1, seconds=2.0, model="open", rate=20.0
    )
    answered, given_up = total(done, "GET /slow/0.2"), abandoned(done)
    assert answered.count + given_up.count == 40
    assert answered.count <= 11
    assert given_up.failed == given_up.count
    assert answered.max_s > 1.0
    assert list(given_up.errors) == ["never begun: all users were busy"]
    waiting = [one.waiting for one in done.intervals]
    assert waiting[1] > waiting[0] > 5


def test_a_hung_server(app: App, tmp_path: Path) -> None:
    """Every due task is accounted for: no answer, or never begun."""
    done = run(tmp_path, visitor("/hang"), app.host, users=3, seconds=1.0, model="open", rate=20.0)
    given_up = abandoned(done)
    assert given_up.count == given_up.failed == 20
    assert given_up.errors == {
        "GET /hang: no answer when its user was stopped": 3,
        "never begun: all users were busy": 17,
    }
    assert given_up.max_s > 2.5


TWO_REQUESTS = """
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    @task
    def visit(self):
        self.client.get("/slow/0.2")
        self.client.get("/second")
"""


def test_the_delay_is_of_the_first_request(app: App, tmp_path: Path) -> None:
    """A task that began late makes its first request late, not each of them."""
    done = run(tmp_path, TWO_REQUESTS, app.host, users=1, seconds=2.0, model="open", rate=20.0)
    assert total(done, "GET /slow/0.2").max_s > 1.0
    assert total(done, "GET /second").quantile_s(0.5) < 0.15


IN_A_POOL = """
from gevent.pool import Pool
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    @task
    def visit(self):
        pool = Pool(2)
        for path in ("/slow/0.2", "/slow/0.2"):
            pool.spawn(self.client.get, path)
        pool.join()
"""


def test_requests_side_by_side(app: App, tmp_path: Path) -> None:
    """A task that makes its requests in greenlets of their own has one delay, too."""
    done = run(tmp_path, IN_A_POOL, app.host, users=1, seconds=2.0, model="open", rate=20.0)
    slow = total(done, "GET /slow/0.2")
    assert slow.max_s > 1.0
    assert slow.quantile_s(0.4) < 0.4


NESTED = """
from locust import FastHttpUser, MarkovTaskSet, SequentialTaskSet, TaskSet, task, transition

class Steps(SequentialTaskSet):
    @task
    def one(self):
        self.client.get("/one")

    @task
    class Two(TaskSet):
        @task
        def two(self):
            self.client.get("/two")
            self.interrupt()

    @task
    def leave(self):
        self.interrupt()

class Chain(MarkovTaskSet):
    @transition("last")
    def first(self):
        self.client.get("/first")

    @transition("first")
    def last(self):
        self.client.get("/last")
        self.interrupt()

class Visitor(FastHttpUser):
    tasks = [{tasks}]
"""


@pytest.mark.parametrize(
    ("tasks", "paths"), [("Steps", ["/one", "/two"]), ("Chain", ["/first", "/last"])]
)
def test_task_sets_of_all_kinds(app: App, tmp_path: Path, tasks: str, paths: list[str]) -> None:
    """The rate is that of tasks with requests: neither nesting nor an interrupt takes from it."""
    source = NESTED.format(tasks=tasks)
    done = run(tmp_path, source, app.host, users=1, seconds=2.0, model="open", rate=20.0)
    assert everything(done).count == 40
    assert app.paths() == paths * 20
    assert everything(done).failed == 0


WAITS = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.4)

    @task
    def visit(self):
        self.client.get("/before")
        self.wait()
        self.client.get("/after")
"""


def test_a_wait_within_a_task_is_kept(app: App, tmp_path: Path) -> None:
    """Only the wait between tasks is replaced."""
    run(tmp_path, WAITS, app.host, users=1, seconds=1.0, model="open", rate=1.0)
    (before, after) = (moment for _, _, moment in app.seen)
    assert after - before > 0.38


def test_users_that_go_lose_no_task(app: App, tmp_path: Path) -> None:
    """A user that is stopped while it waits for a task leaves that task to the others."""
    stages = (Stage(users=20, seconds=1.0), Stage(users=2, seconds=1.0))
    done = run(tmp_path, visitor(), app.host, stages=stages, model="open", rate=30.0)
    assert everything(done).count == 60
    assert everything(done).max_s < 0.6
