"""Runs locustfiles of tests by the real generator."""

import sys
from pathlib import Path

from budgetguard.gate.targets.load.generator import Generator, Run, generate
from budgetguard.gate.targets.load.interval import ABANDONED
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.gate.targets.load.traffic import Stage, Traffic

VISITOR = """
from locust import FastHttpUser, HttpUser, constant, task

class Visitor({kind}):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("{path}")
"""


def visitor(path: str = "/", kind: str = "FastHttpUser") -> str:
    """A locustfile with one kind of user, who asks for one path about twenty times a second."""
    return VISITOR.format(path=path, kind=kind)


def generator(folder: Path, source: str, *, absolute: bool = False, **options) -> Generator:
    """What runs a locustfile with this text, named by its `absolute` path or within the folder."""
    (folder / "locustfile.py").write_text(source)
    locustfile = folder / "locustfile.py" if absolute else Path("locustfile.py")
    return Generator(python=sys.executable, folder=folder, locustfile=locustfile, **options)


def traffic(host: str, users: int = 4, seconds: float = 1.5, **options) -> Traffic:
    """So many users for so many seconds."""
    stages = options.pop("stages", (Stage(users=users, seconds=seconds),))
    return Traffic(host=host, stages=stages, **options)


def run(folder: Path, source: str, host: str, **options) -> Run:
    """Run a locustfile with this text in one process; it must be a measurement."""
    done = generate(generator(folder, source), traffic(host, **options))
    assert done.problem == "", done.evidence
    return done


def total(done: Run, endpoint: str) -> Tally:
    """All requests to one endpoint."""
    return Tally.of(one.tallies[endpoint] for one in done.intervals if endpoint in one.tallies)


def everything(done: Run) -> Tally:
    """All requests."""
    return Tally.of(tally for one in done.intervals for tally in one.tallies.values())


def abandoned(done: Run) -> Tally:
    """What was given up at the end."""
    return total(done, ABANDONED)
