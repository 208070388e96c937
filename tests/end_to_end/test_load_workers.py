"""Past one machine: a master and its workers, each in a process of its own."""

import contextlib
import json
import socket

import pytest

from budgetguard.gate.targets.load.generator import MASTER_PORT

from .loads import app, below, config, files, outcomes

SHARED = "    workers: external\n    processes: 2\n"


@pytest.fixture
def served(project):
    """An app that runs already, and a budget whose load two workers elsewhere share."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host = f"http://127.0.0.1:{port}"
    settings = config("failures <= 1%", "p50 <= 30 s", more=SHARED).replace(
        "serve: python app.py {port}", f"host: {host}"
    )
    project.write({**files(), "budgetguard.yml": settings})
    with project.start("app", str(port)) as process:
        try:
            yield project
        finally:
            process.kill()


def _taken():
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", MASTER_PORT)):
        return False
    return True


def _apart(project, *options):
    """What a master printed and its exit code, with two workers, started with these options; all have ended."""
    if _taken():
        pytest.skip(f"port {MASTER_PORT}, where a master listens, is taken")
    parts = [project.start("budgetguard", "load", "run", "api", "--json")]
    worker = ("budgetguard", "load", "worker", "api", "--master", f"127.0.0.1:{MASTER_PORT}")
    try:
        parts += [project.start(*worker, *options) for _ in range(2)]
        out, err = parts[0].communicate(timeout=120)
        codes = [part.wait(60) for part in parts]
    finally:
        for part in parts:
            part.kill()
            part.communicate(timeout=60)
    assert codes[1:] == [0, 0], err
    return codes[0], json.loads(out)


def test_a_master_and_two_workers(served):
    """All three end by themselves, and the run has the requests of both workers."""
    code, document = _apart(served)
    assert code == 0
    assert set(outcomes(document).values()) <= {"PASS", "UNSETTLED"}, document["report"]
    (run,) = document["runs"]
    assert 1 <= run["users_reached"] <= 4  # they come late on a busy machine
    assert run["total"]["requests"] > 4
    assert run["total"]["failed"] == 0


def test_a_red_where_the_master_does_not_know_the_host(served):
    """Workers go where they are told, and stay for the run that confirms what is red."""
    text = (served.folder / "budgetguard.yml").read_text()
    host = text.partition("host: ")[2].partition("\n")[0]
    for old, new in ((host, "http://app.invalid:8000"), ("failures <= 1%", "rps >= 10000 /s")):
        text = text.replace(old, new)
    served.write({"budgetguard.yml": text.replace("host: ", "allow_remote: true\n    host: ")})
    code, document = _apart(served, "--host", host)
    assert (code, len(document["runs"])) == (1, 2)
    assert outcomes(document)["rps >= 10000 /s"] == "FAIL"
    assert all(run["total"]["failed"] == 0 < run["total"]["requests"] for run in document["runs"])


def test_a_worker_needs_to_know_the_app(project):
    """Where the master starts the app itself, a worker is told how it reaches it."""
    project.write({**files("p50 <= 30 s", more=SHARED), "app.py": app()})
    told = project.run("budgetguard", "load", "worker", "api", "--master", "127.0.0.1")
    assert "expected --host, as a worker reaches it" in told.ends(4).words
    assert below(project.scratch) == []


@pytest.mark.parametrize("master", ["127.0.0.1:", "127.0.0.1:x", ":5557"])
def test_a_master_that_is_none(project, master):
    """The address is told with what was expected."""
    project.write(files("p50 <= 30 s", more=SHARED))
    told = project.run("budgetguard", "load", "worker", "api", "--master", master)
    told.ends(2, f"--master {master}", "expected HOST or HOST:PORT")
