"""A little worker for the tests of same code: one process per record, as the real one calls the recorder.

Reads jobs as JSON lines on stdin and forks for each before anything is watched, so that a record costs
milliseconds; with `--once` it serves one job itself. A job is a `root` with a `bench.py` that has
`bench()` and may have `setup()`, or `benches`, several that are served in turn; or a project whose
`tests` are run by `pytest`.
"""

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path


def load_recorder(package: Path):
    """The worker's package by its path, as its `__main__` does it."""
    spec = importlib.util.spec_from_file_location(
        "budgetguard_worker", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    sys.modules["budgetguard_worker"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import budgetguard_worker.recorder

    return budgetguard_worker.recorder


def record(recorder, job: dict) -> dict:
    """The payload of the last benchmark of a job."""
    os.chdir(job["root"])
    os.environ.update(job.get("env", {}))
    sys.path[:0] = [job["root"], *job.get("path", ())]
    watched = recorder.start([job["root"]])
    return in_pytest(watched) if job.get("pytest") else in_turn(watched, job)


def in_turn(watched, job: dict) -> dict:
    """The benchmarks of `bench.py`."""
    import bench

    payload = {}
    for name in job.get("benches", ["bench"]):
        watched.begin(name)
        getattr(bench, "setup", int)()
        watched.rounds_begin()
        for _ in range(job.get("rounds", 3)):
            getattr(bench, name)()
        payload = watched.end()
    watched.stop()
    return payload


def in_pytest(watched) -> dict:
    """The tests of the project, by its real pytest: a payload for each."""
    import pytest

    payloads = {}

    class Recorded:
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_protocol(self, item):
            watched.begin(item.nodeid)
            return (yield)

        @pytest.hookimpl(wrapper=True)
        def pytest_pyfunc_call(self, pyfuncitem):
            watched.rounds_begin()
            result = yield
            payloads[pyfuncitem.nodeid] = watched.end()
            return result

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "--no-header"]
        code = pytest.main([*options, "--rootdir=.", "tests"], plugins=[Recorded()])
    return payloads if code == 0 else {"error": f"pytest ended with {code}"}


def serve(recorder, line: str) -> None:
    """One job in a fork of its own; its answer is one line."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.close(readable)
        try:
            answer = json.dumps(record(recorder, json.loads(line)))
        except BaseException as error:
            answer = json.dumps({"error": repr(error)})
        with os.fdopen(writable, "w") as pipe:
            pipe.write(answer)
            pipe.flush()
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        print(pipe.read(), flush=True)
    os.waitpid(child, 0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    loaded = load_recorder(Path(sys.argv[1]))
    if sys.argv[2:] == ["--once"]:
        print(json.dumps(record(loaded, json.loads(sys.stdin.readline()))))
    else:
        for job in sys.stdin:
            serve(loaded, job)
