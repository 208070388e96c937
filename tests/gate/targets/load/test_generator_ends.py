"""However a run is ended, no process of it stays."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from budgetguard.gate.targets.load.generator import generate

from .app import running
from .loading import generator, traffic, visitor


def of_folder(folder: Path) -> list[str]:
    """The processes that were started with a path in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            found.append(" ".join(words)[:200])
    return found


def gone(folder: Path) -> bool:
    """Whether they all end within a while."""
    until = time.monotonic() + 20
    while of_folder(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return of_folder(folder) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c(tmp_path: Path, processes: int) -> None:
    """An interrupt goes on to the caller, after all of locust has ended."""

    def told(_: object) -> bool:
        raise KeyboardInterrupt

    with running() as app:
        one = generator(tmp_path, visitor("/hang"), processes=processes, absolute=True)
        with pytest.raises(KeyboardInterrupt):
            generate(one, traffic(app.host, seconds=60), told=told)
    assert of_folder(tmp_path) == []


COORDINATOR = """
import sys
from pathlib import Path
from budgetguard.gate.targets.load.generator import Generator, generate
from budgetguard.gate.targets.load.traffic import Stage, Traffic

folder, host = Path(sys.argv[1]), sys.argv[2]
generate(
    Generator(python=sys.executable, folder=folder, locustfile=folder / "locustfile.py", processes=2),
    Traffic(host=host, stages=(Stage(users=2, seconds=60.0),)),
    told=lambda one: bool(print(one.number, flush=True)),
)
"""


def test_sigkill_of_the_coordinator(tmp_path: Path) -> None:
    """Even who cannot clean up leaves no locust behind."""
    generator(tmp_path, visitor())
    with running() as app:
        command = [sys.executable, "-c", COORDINATOR, str(tmp_path), app.host]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as coordinator:
            assert coordinator.stdout is not None
            coordinator.stdout.readline()
            assert len(of_folder(tmp_path)) >= 4
            coordinator.kill()
        assert gone(tmp_path)
