"""Run in an environment that has the wheel with the extras named in the arguments, and nothing else of ours.

It plays a newcomer's project from a config to a verdict, and makes sure that what an extra would bring
is asked for by name where it is missing.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = """\
version: 1
budgets:
  files:
    bundle: "*.js"
    limits: [raw <= 1 kB, gzip <= 1 kB, files <= 1]
  start:
    command: [python, -c, "print(1)"]
    limits: [wall <= 30 s, peak_rss <= 500 MB]
"""
TESTS = """\
import sqlite3
import pytest

@pytest.mark.budget("queries <= 2", "threads <= 0", "http_requests <= 0", "wall <= 5 s")
def test_within():
    connection = sqlite3.connect(":memory:")
    connection.execute("select 1")
    connection.close()
"""
OVER = """
@pytest.mark.budget("queries <= 0")
def test_over():
    sqlite3.connect(":memory:").execute("select 1")
"""
TIMED = """\
import pytest
from work import work

@pytest.mark.budget("time <= baseline + 50%")
def test_time():
    work()
"""
MODULES = {
    "benchmark": "pytest_benchmark",
    "bundle": "brotli",
    "cache": "msgspec",
    "github": "requests",
    "image": "PIL",
    "instructions": "pytest_codspeed",
    "load": "locust",
    "memory": "memray",
}
BROUGHT_ALONG = {"load": {"bundle", "github"}}
"""Extras whose module another one needs as well: locust has brotli and requests."""
LOAD = """\
version: 1
budgets:
  api:
    load: locustfile.py
    serve: python -m http.server {port} --bind 127.0.0.1
    stages: [{users: 4, for: 3 s}]
    warmup: 1 s
    limits: [p50 <= 5 s, failures <= 0%]
"""
LOCUSTFILE = """\
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def page(self):
        self.client.get("/")
"""


def main() -> None:
    extras = set(sys.argv[1:])
    installed = set(MODULES) if "all" in extras else extras
    installed = installed.union(*(BROUGHT_ALONG.get(extra, ()) for extra in installed))
    for extra, module in MODULES.items():
        found = importlib.util.find_spec(module) is not None
        assert found == (extra in installed), (
            f"{module}: found is {found}, with extras {sorted(extras)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), installed)
    if not extras or "all" in extras:
        with tempfile.TemporaryDirectory() as folder:
            play_time(Path(folder))
    print("smoke: passed")


def play_image(project: Path) -> None:
    """A picture that is drawn here becomes a smaller one, and a file that is none is refused."""
    from PIL import Image

    Image.radial_gradient("L").convert("RGB").save(project / "picture.png")
    expect(run(project, "image", "optimize", "picture.png", "--format", "webp"), 0)
    assert (project / "picture.webp").stat().st_size < (project / "picture.png").stat().st_size
    expect(run(project, "image", "inspect", "picture.webp"), 0)
    expect(run(project, "image", "inspect", "budgetguard.yml"), 1)


def play(project: Path, installed: set[str]) -> None:
    if "image" in installed:
        project.joinpath("budgetguard.yml").write_text(CONFIG)
        play_image(project)
    else:
        assert (
            "pytest-budgetguard[image]" in expect(run(project, "image", "inspect", "x"), 2).stderr
        )
    (project / "app.js").write_text("console.log('hello')\n" * 3)
    (project / "budgetguard.yml").write_text(CONFIG)
    (project / "test_app.py").write_text(TESTS)
    assert "check" in run(project, "--help").stdout
    report = json.loads(expect(run(project, "check", "--json"), 0).stdout)
    assert report["exit_code"] == 0, report
    expect(run(project, "baseline", "update"), 0)
    (project / "app.js").write_text("console.log('hello')\n" * 300)
    expect(run(project, "check"), 1)
    (project / "app.js").write_text("console.log('hello')\n" * 3)
    (project / "test_app.py").write_text(TESTS + OVER)
    expect(pytest(project), 1)
    missing(project, "bundle" in installed, 'bundle: "*.js"', "brotli <= 1 kB", "[bundle]")
    memory = TESTS.replace('"queries <= 2"', '"queries <= 2", "peak <= 9 MB"')
    (project / "test_app.py").write_text(memory)
    done = pytest(project)
    assert (done.returncode == 0) == ("memory" in installed), done.stdout
    assert "memory" in installed or "[memory]" in done.stdout, done.stdout
    (project / "locustfile.py").write_text(LOCUSTFILE)
    (project / "budgetguard.yml").write_text(LOAD)
    told = expect(run(project, "load", "run", "api"), 0 if "load" in installed else 4)
    assert "load" in installed or "[load]" in told.stdout, told.stdout


def play_time(folder: Path) -> None:
    """Base and head side by side: three times the work is over +50 %."""
    project = folder / "project"
    project.mkdir()
    (project / "budgetguard.yml").write_text("version: 1\nbudgets: {}\n")
    (project / "test_time.py").write_text(TIMED)
    (project / "work.py").write_text("def work():\n    return sum(range(20_000))\n")
    os.environ["BUDGETGUARD_CACHE"] = str(folder / "cache")
    git(project, "init", "-q")
    expect(run(project, "baseline", "update"), 0)
    git(project, "add", "-A")
    git(
        project, "-c", "user.name=smoke", "-c", "user.email=smoke@localhost", "commit", "-qm", "one"
    )
    assert "same code" in expect(run(project, "check"), 0).stdout
    (project / "work.py").write_text("def work():\n    return sum(range(60_000))\n")
    expect(run(project, "check"), 1)


def git(project: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=project, check=True, timeout=60)


def missing(project: Path, there: bool, target: str, limit: str, named: str) -> None:
    (project / "test_app.py").write_text(TESTS)
    (project / "budgetguard.yml").write_text(
        f"version: 1\nbudgets:\n  x:\n    {target}\n    limits: [{limit}]\n"
    )
    done = run(project, "check", "x")
    expect(done, 0 if there else 4)
    assert there or named in done.stdout + done.stderr, done.stdout + done.stderr


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return start(project, "-m", "budgetguard", *words)


def pytest(project: Path) -> subprocess.CompletedProcess[str]:
    return start(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def start(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", *words], cwd=project, capture_output=True, text=True, timeout=300
    )


def expect(done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == code, (
        f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
    )
    return done


if __name__ == "__main__":
    main()
