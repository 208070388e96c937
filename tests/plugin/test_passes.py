"""Further calls of a body: fresh fixtures, the same output, and a fresh process where it cannot repeat."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from budgetguard.gate.meters import METERS
from pytest_budgetguard.passes import Pass

TWICE = '"wall <= 9 s", "peak <= 640 MiB"'


def test_function_fixtures_are_fresh_and_wider_ones_are_kept(project):
    """A pass sets function-scoped fixtures up anew, ends each once, and leaves class and module ones."""
    project.write(
        test_it=f"""
        import atexit, pytest
        log = []

        def noting(scope):
            @pytest.fixture(scope=scope, params=["a", "b"] if scope == "module" else None)
            def fixture(request):
                log.append(f"{{scope}}+")
                yield getattr(request, "param", None)
                log.append(f"{{scope}}-")
            return fixture

        in_session, in_module, in_class, in_function = map(noting, ["session", "module", "class", "function"])

        @pytest.fixture
        def indirect(request, in_function):
            return request.param

        class TestIt:
            @pytest.mark.budget({TWICE})
            @pytest.mark.parametrize("indirect", [1], indirect=True)
            def test_a(self, in_session, in_module, in_class, in_function, indirect):
                assert indirect == 1 and in_module in "ab"
                log.append("body")

        @pytest.mark.budget("wall <= 9 s")
        def test_b(in_module): pass

        def test_c():
            every = {{word: log.count(word) for word in log}}
            assert every["body"] == every["function+"] == every["function-"] >= 6, every
            assert every["session+"] == 1 and "session-" not in every
            assert every["module+"] == 2 and every["class+"] == 2, every
        """
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str()


def test_every_pass_sees_what_a_first_call_sees(project):
    """tmp_path, monkeypatch, capsys, capfd, caplog and recwarn are as in the first call."""
    project.write(
        test_it=f"""
        import logging, os, warnings, pytest
        calls = []

        @pytest.mark.budget({TWICE})
        def test_it(tmp_path, monkeypatch, capsys, caplog, recwarn):
            (tmp_path / "d").mkdir()
            assert "PASSES" not in os.environ
            monkeypatch.setenv("PASSES", "1")
            print("hello")
            assert capsys.readouterr().out == "hello\\n"
            logging.getLogger().warning("once")
            assert len(caplog.records) == 1 and caplog.text.count("once") == 1
            warnings.warn("look")
            assert len(recwarn) == 1
            calls.append(1)

        @pytest.mark.budget({TWICE})
        def test_fd(capfd):
            os.system("echo hello")
            assert capfd.readouterr().out == "hello\\n"

        def test_calls(): assert len(calls) >= 3
        """
    )
    result = project.run()
    result.assert_outcomes(passed=3)
    assert result.ret == 0


@pytest.mark.parametrize("arguments", [["-s"], [], ["--capture=sys"], ["--capture=tee-sys"]])
def test_a_body_that_prints_keeps_its_output(project, arguments):
    """Output goes where it always went, whatever captures it."""
    project.write(
        test_it=f"""
        import pytest
        @pytest.mark.budget({TWICE}, "queries <= 0")
        def test_it(): print("hello there")
        def test_fails(): print("hello here"); assert 0
        """
    )
    result = project.run(*arguments)
    result.assert_outcomes(passed=1, failed=1)
    assert "hello here" in result.stdout.str()
    assert ("hello there" in result.stdout.str()) is (arguments in (["-s"], ["--capture=tee-sys"]))


@pytest.mark.parametrize("policy", ["all", "failed", "none"])
def test_tmp_path_with_each_retention_policy(project, policy):
    """Folders of passes are kept or removed as the policy says, without an error."""
    project.put("tox.ini", f"[pytest]\ntmp_path_retention_policy = {policy}\n")
    project.write(
        test_it=f"""
        import pytest
        @pytest.mark.budget({TWICE})
        def test_it(tmp_path): (tmp_path / "d").mkdir()
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_a_body_that_cannot_be_repeated_is_read_in_a_fresh_process(project):
    """Module state that the first call leaves does no harm: root, ini and configuration are the same there."""
    project.config("perf: {test: sub, limits: [wall <= 30 s]}", folder="packages")
    project.put("tox.ini", "[pytest]\npython_functions = check_*\npythonpath = lib\n")
    project.put("lib/state.py", "used = []\n")
    project.put(
        "packages/sub/test_it.py",
        """
        import state, pytest

        @pytest.mark.budget("peak <= 640 MiB", "p50 <= 30 s")
        def check_it(request):
            assert not state.used
            state.used.append(1)
        """,
    )
    result = project.start()
    assert result.ret == 0, result.stdout.str()
    assert "guarded 3 of 3 limits" in result.stdout.str()


def test_a_body_that_cannot_be_called_there_either_is_an_error(project):
    """What is left on disk by the first call fails a fresh process too: ERROR with the reason, exit 1."""
    project.write(
        test_it="""
        import pathlib, pytest
        @pytest.mark.budget("wall <= 30 s")
        def test_it(): pathlib.Path("once").mkdir()
        """
    )
    result = project.start()
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    text = result.stdout.str()
    assert "cannot be called again (FileExistsError" in text
    assert "nor in a fresh process" in text


def test_threads_forks_and_an_active_tracker(project):
    """Threads are counted, a fork makes SQL an error, and memray's own tracker makes memory one."""
    project.write(
        test_it="""
        import os, threading, memray, pytest
        from database import ask

        @pytest.mark.budget("wall <= 9 s", "threads <= 0")
        def test_threads():
            thread = threading.Thread(target=lambda: None)
            thread.start(); thread.join()

        @pytest.mark.budget("queries <= 1", "wall <= 9 s")
        def test_fork():
            child = os.fork()
            if not child: os._exit(0)
            os.waitpid(child, 0)

        @pytest.mark.budget("peak <= 64 MiB")
        def test_tracker(tmp_path):
            with memray.Tracker(tmp_path / "x"): pass

        @pytest.fixture
        def tracked(tmp_path):
            with memray.Tracker(tmp_path / "x"): yield

        @pytest.mark.budget("allocated <= 64 MiB")
        def test_tracked(tracked): pass
        """
    )
    result = project.start("-W", "ignore")
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    text = result.stdout.str()
    assert "a child process was forked" in text
    assert "another memray tracker runs already" in text
    assert "guarded 3 of 6 limits" in text


def test_a_hypothesis_test_is_an_error_that_says_what_to_do(project):
    """A property test draws other examples in each call: its budget is not measured, and never green."""
    project.write(
        test_it="""
        import pytest
        from hypothesis import HealthCheck, given, settings, strategies as st

        @pytest.mark.budget("wall <= 5 s", "queries <= 3")
        @settings(database=None)
        @given(n=st.integers())
        def test_it(n): assert n == n

        @settings(database=None, suppress_health_check=list(HealthCheck))
        @given(n=st.integers())
        def test_block(budget, n):
            with budget("queries <= 3"): pass
        """
    )
    result = project.run("-W", "ignore")
    assert result.ret == 1
    assert "a hypothesis test draws other examples in every call" in result.stdout.str()
    assert "budget a plain test that calls the code with one example" in result.stdout.str()
    assert "ERROR test_it.py::test_block" in result.stdout.str()


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_asynchronous_tests(project, plugin):
    """The body of a coroutine is what is measured, not its event loop or fixtures."""
    project.put(
        "conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    )
    fixture = "pytest_asyncio.fixture" if plugin == "asyncio" else "pytest.fixture"
    project.write(
        test_it=f"""
        import asyncio, sqlite3, pytest, pytest_asyncio
        from database import ask
        pytestmark = pytest.mark.{plugin}

        @{fixture}
        async def db():
            connection = sqlite3.connect(":memory:")
            ask(connection, 9)
            yield connection
            ask(connection, 9)
            connection.close()

        @pytest.mark.budget("queries <= 2", "wall <= 9 s", "peak <= 640 MiB", "tasks <= 0")
        async def test_good(db):
            await asyncio.sleep(0)
            ask(db, 2)

        @pytest.mark.budget("queries <= 2")
        async def test_bad(db):
            await asyncio.sleep(0)
            ask(db, 3)

        async def test_block(db, budget):
            ask(db, 5)
            with budget("queries <= 2", "wall <= 9 s"):
                await asyncio.sleep(0)
                ask(db, 3)
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=2)
    assert "guarded 7 of 7 limits" in result.stdout.str()


def test_leaked_memory_of_a_body(project):
    """`leaked` calls the body many times; a clean one is green."""
    project.write(
        test_it="""
        import pytest
        kept = []
        @pytest.mark.budget("leaked <= 1 kB")
        def test_clean(): bytearray(50_000)

        @pytest.mark.budget("leaked <= 1 kB")
        def test_leaks(): kept.append(bytearray(50_000))
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert "over budget: leaked <= 1 kB" in result.stdout.str()


def test_a_p95_of_a_body_that_cannot_be_repeated_is_an_error(project):
    """It takes more readings than fresh processes are started for: told at once, with what to limit."""
    project.write(
        test_it="""
        import pytest
        used = []

        @pytest.mark.budget("p95 <= 30 s", "wall <= 30 s")
        def test_it():
            with open("calls.txt", "a") as file: file.write("x")
            assert not used, "used up"
            used.append(1)
        """
    )
    result = project.start()
    assert result.ret == 1
    text = result.stdout.str()
    assert "the body cannot be called again (AssertionError: used up" in text
    assert "so p95 cannot take its 59 readings; limit wall" in text
    assert "guarded 1 of 2 limits" in text
    assert len((project.folder / "calls.txt").read_text()) == 3  # its own, a second, a fresh one


def test_meters_that_were_on_are_switched_off_where_one_fails(monkeypatch):
    """A meter that cannot be switched on takes those before it along, and the pass can be left."""
    on = []

    @contextmanager
    def watch(wanted):
        on.append(wanted)
        try:
            yield dict
        finally:
            on.remove(wanted)

    @contextmanager
    def broken(_):
        raise OSError("no handles left")
        yield

    monkeypatch.setitem(METERS, "first", SimpleNamespace(METRICS={}, watch=watch))
    monkeypatch.setitem(METERS, "broken", SimpleNamespace(METRICS={}, watch=broken))
    one = Pass(
        {"first": frozenset({"a"}), "queries": frozenset({"queries"}), "broken": frozenset()}
    )
    with pytest.raises(OSError, match="no handles left"), one:
        pass
    assert on == []
    assert set(one.result()) == {"a", "queries"}
    with Pass({"first": frozenset({"a"})}):  # the next one is as good as new
        assert on == [{"a"}]
    assert on == []


FROZEN = """
import sys, time

@pytest.fixture
def frozen(monkeypatch):
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        for function in (getattr(time, name), getattr(time, name + "_ns")):
            for module in list(sys.modules.values()):
                for held, value in list(getattr(module, "__dict__", {}).items()):
                    if value is function:
                        monkeypatch.setattr(module, held, lambda: 0)
"""
FREEZEGUN = """
import freezegun

@pytest.fixture
def frozen():
    with freezegun.freeze_time("2026-01-01"):
        yield
"""


@pytest.mark.parametrize("library", [None, "freezegun"])
def test_a_frozen_clock_hides_no_broken_limit(project, library):
    """A fixture that replaces the functions of time leaves the meter's own: the slow body is over."""
    if library:
        pytest.importorskip(library)
    project.put("conftest.py", f"import pytest\n{FREEZEGUN if library else FROZEN}")
    project.write(
        test_it="""
        import subprocess, pytest

        @pytest.mark.budget("wall <= 1 ms", "max <= 1 ms")
        def test_slow(frozen): subprocess.run(["sleep", "0.02"], check=True)

        @pytest.mark.budget("wall <= 30 s")
        def test_fast(frozen): sum(range(10_000))
        """
    )
    result = project.start()
    result.assert_outcomes(passed=1, failed=1)
    assert "over budget: wall <= 1 ms" in result.stdout.str()
