"""A run that is no measurement says why, with the place and what to do."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from budgetguard.gate.targets.load import generator as generating
from budgetguard.gate.targets.load.generator import Run, generate

from .app import App, running
from .loading import everything, generator, traffic, visitor

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


def failing(folder: Path, source: str, host: str = NOWHERE) -> Run:
    """Run what cannot be measured."""
    done = generate(generator(folder, source), traffic(host))
    assert done.problem
    return done


def test_no_locustfile(tmp_path: Path) -> None:
    """A missing file is named, with the folder it was looked for in."""
    one = replace(generator(tmp_path, ""), locustfile=Path("other.py"))
    problem = generate(one, traffic(NOWHERE)).problem
    assert problem == f"the locustfile 'other.py' does not exist in {tmp_path}: correct its path"


@pytest.mark.parametrize("name", ["a,b.py", "load.txt"])
def test_names_that_locust_cannot_take(tmp_path: Path, name: str) -> None:
    """locust splits at commas and insists on .py."""
    (tmp_path / name).write_text(visitor())
    one = replace(generator(tmp_path, ""), locustfile=Path(name))
    assert "rename it" in generate(one, traffic(NOWHERE)).problem


def test_a_syntax_error(tmp_path: Path) -> None:
    """File and line, without a traceback in the problem."""
    done = failing(tmp_path, "\n\ndef wrong(:\n")
    assert done.problem == "locustfile.py:3 has a syntax error: invalid syntax"
    assert any("def wrong(:" in line for line in done.evidence)


def test_an_import_that_raises(tmp_path: Path) -> None:
    """What was raised, and where in the user's own code."""
    (tmp_path / "shop.py").write_text("\nraise RuntimeError('no database')\n")
    done = failing(tmp_path, "import shop\n")
    assert done.problem == (
        "locustfile.py cannot be imported: RuntimeError: no database (shop.py:2)"
    )
    assert done.evidence[-1] == "RuntimeError: no database"


def test_an_import_that_is_missing(tmp_path: Path) -> None:
    """Another module than locust is not taken for locust."""
    done = failing(tmp_path, "import locust_of_nobody\n")
    assert "ModuleNotFoundError: No module named 'locust_of_nobody'" in done.problem
    assert "pip install" not in done.problem


def test_no_user_class(tmp_path: Path) -> None:
    """An empty locustfile has no user class."""
    assert "locustfile.py has no user class" in failing(tmp_path, "x = 1\n").problem


def test_no_locust(tmp_path: Path) -> None:
    """A Python without locust is named, with the command that helps."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    one = replace(generator(tmp_path, visitor()), python=python)
    assert generate(one, traffic(NOWHERE)).problem == (
        f'locust is not installed for {python}; run: pip install "pytest-budgetguard[load]"'
    )


def test_no_python(tmp_path: Path) -> None:
    """An interpreter that does not exist is a problem, not a crash."""
    one = replace(generator(tmp_path, visitor()), python=str(tmp_path / "nothing"))
    assert "does not exist" in generate(one, traffic(NOWHERE)).problem


KILLED = """
import os, signal, time
from locust import events

FIRST = []

@events.request.add_listener
def kill(**_):
    FIRST.append(time.monotonic())
    if FIRST[-1] - FIRST[0] > 1.8:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_generator_that_is_killed(app: App, tmp_path: Path) -> None:
    """All is known up to the last second, and it is no measurement."""
    done = generate(generator(tmp_path, visitor() + KILLED), traffic(app.host, seconds=30))
    assert "ended by signal 9" in done.problem
    assert everything(done).count > 0


QUITTING = """
from locust import events

@events.quitting.add_listener
def quitting(environment, **_):
    environment.process_exit_code = 3
"""


def test_an_exit_code_of_its_own(app: App, tmp_path: Path) -> None:
    """An exit code that is neither 0 nor that of failed requests is a problem."""
    done = generate(generator(tmp_path, visitor() + QUITTING), traffic(app.host, seconds=1))
    assert "exit code 3" in done.problem


def test_a_locustfile_that_leaves(app: App, tmp_path: Path) -> None:
    """Exit code 0 without an interval is not trusted."""
    done = failing(tmp_path, "import os\nos._exit(0)\n")
    assert "exit code 0" in done.problem


def test_a_locustfile_that_never_ends(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hard time limit ends what hangs."""
    monkeypatch.setattr(generating, "_START_S", 1.0)
    monkeypatch.setattr(generating, "_END_S", 1.0)
    done = failing(tmp_path, "import time\ntime.sleep(600)\n" + visitor())
    assert "had not ended after" in done.problem


def test_lines_that_are_no_intervals(app: App, tmp_path: Path) -> None:
    """Garbage in the file of intervals is left out."""
    source = (
        f"import os\nassert {generating.TOLD!r} not in os.environ\n"
        f"assert {generating.TRAFFIC!r} not in os.environ\n" + visitor()
    )
    done = generate(generator(tmp_path, source), traffic(app.host))
    assert done.problem == ""
    assert os.environ.get(generating.TOLD) is None
