"""Several processes share the users, on this machine or started elsewhere, and nothing is lost."""

import socket
import subprocess
from pathlib import Path

import pytest

from budgetguard.gate.targets.load.generator import generate, worker_command
from budgetguard.gate.targets.load.interval import Interval

from .app import App, running
from .loading import abandoned, everything, generator, total, traffic, visitor


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def by_worker(intervals: tuple[Interval, ...]) -> dict[str, list[Interval]]:
    """The intervals of each worker, in order."""
    found: dict[str, list[Interval]] = {}
    for one in intervals:
        found.setdefault(one.worker, []).append(one)
    return found


@pytest.mark.parametrize("seconds", [2.0, 2.5])
def test_two_processes(app: App, tmp_path: Path, seconds: float) -> None:
    """Each tells its own seconds and users, and what the server saw is all there."""
    done = generate(
        generator(tmp_path, visitor(), processes=2), traffic(app.host, users=6, seconds=seconds)
    )
    assert done.problem == "", done.evidence
    workers = by_worker(done.intervals)
    assert sorted(workers) == ["worker-0", "worker-1"]
    assert [one[0].users for one in workers.values()] == [3, 3]
    assert everything(done).count == len(app.paths())
    assert not done.notes
    for told in workers.values():
        assert [one.number for one in told] == list(range(len(told)))
        assert sum(one.seconds for one in told) > seconds - 0.1


def test_two_processes_share_the_rate(app: App, tmp_path: Path) -> None:
    """Together they begin as many tasks as one alone would, evenly spread."""
    done = generate(
        generator(tmp_path, visitor(), processes=2),
        traffic(app.host, users=10, seconds=2.0, model="open", rate=40.0),
    )
    workers = by_worker(done.intervals)
    assert [told[0].due for told in workers.values()] == [20, 20]
    assert 76 <= total(done, "GET /").count <= 82


def test_the_last_words_of_workers(app: App, tmp_path: Path) -> None:
    """What ends after the last second, and what never ends, still reaches the master."""
    done = generate(
        generator(tmp_path, visitor("/hang"), processes=2), traffic(app.host, seconds=1.0)
    )
    assert done.problem == "", done.evidence
    assert abandoned(done).count == 4
    assert {one.worker for one in done.intervals if one.tallies} == {"worker-0", "worker-1"}


def test_external_workers(app: App, tmp_path: Path) -> None:
    """A master and two workers that were started by their own command lines."""
    port = free_port()
    one = generator(tmp_path, visitor(), processes=2, external=True, bind="127.0.0.1", port=port)
    what = traffic(app.host, users=6, seconds=2.0, headers={"X-Key": "opensesame"})
    argv, env = worker_command(one, what, "127.0.0.1", port)
    workers = [
        subprocess.Popen(argv, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    try:
        done = generate(one, what)
        assert [worker.wait(20) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert done.problem == "", done.evidence
    assert sorted(by_worker(done.intervals)) == ["worker-0", "worker-1"]
    assert everything(done).count == len(app.paths())
    assert {headers.get("x-key") for _, headers, _ in app.seen} == {"opensesame"}


def test_workers_that_never_come(app: App, tmp_path: Path) -> None:
    """The run does not wait for ever."""
    one = generator(
        tmp_path,
        visitor(),
        processes=2,
        external=True,
        bind="127.0.0.1",
        port=free_port(),
        workers_s=1.0,
    )
    assert "not all workers" in generate(one, traffic(app.host)).problem


def test_a_taken_port(app: App, tmp_path: Path) -> None:
    """A port that something else listens on is named as the cause."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        one = generator(
            tmp_path, visitor(), processes=2, external=True, bind="127.0.0.1",
            port=taken.getsockname()[1],
        )  # fmt: skip
        assert "port of locust's master is taken" in generate(one, traffic(app.host)).problem


DYING = """
import os
from locust import events

@events.init.add_listener
def init(runner, **_):
    if type(runner).__name__ == "WorkerRunner" and runner.worker_index == 1:
        import gevent
        gevent.spawn_later(1.5, os._exit, 7)
"""


def test_a_worker_that_dies(app: App, tmp_path: Path) -> None:
    """It is said that a worker did not reach the end."""
    done = generate(
        generator(tmp_path, visitor() + DYING, processes=2), traffic(app.host, seconds=3.0)
    )
    assert done.problem or done.notes == ("1 of 2 workers did not reach the end",)
    assert everything(done).count > 0
