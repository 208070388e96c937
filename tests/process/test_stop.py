"""A run that is told to stop: what is ended, what is returned, and who hears of its start."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from budgetguard.errors import MeasureError
from budgetguard.process import run
from budgetguard.process.command import Command, find_program
from budgetguard.process.portable import run_portable
from budgetguard.process.supervised import supervision_works


def portable(argv, **options):
    """`run` on the path of systems without a subreaper."""
    rest = {"cwd": Path.cwd(), "env": None, "timeout_s": 60.0, "keep_bytes": 1000}
    rest |= {"pass_fds": (), "stdin": subprocess.DEVNULL, "on_line": None}
    asked = Command(argv=tuple(argv), **(rest | options))
    return run_portable(asked, find_program(asked))


def supervised(argv, **options):
    """`run` as this system does it."""
    return run(argv, **({"timeout_s": 60.0} | options))


pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs sh"),
    pytest.mark.parametrize(
        "start",
        [
            pytest.param(
                supervised,
                marks=pytest.mark.skipif(not supervision_works(), reason="needs a subreaper"),
            ),
            portable,
        ],
    ),
]


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stopped_at_a_line(start, source, **options):
    """Run a shell script until it prints a line."""
    stop = threading.Event()
    return start(["sh", "-c", source], stop=stop, on_line=lambda _: stop.set(), **options)


def test_a_stopped_run_returns_what_it_cost(start):
    """Stop is no error and no timeout: the tree is gone, and its cost and output are told."""
    done = stopped_at_a_line(start, "sleep 600 & echo $! $$; wait")
    assert (done.exit_code, done.timed_out, done.left_behind) == (-15, False, ())
    assert not any(is_alive(int(pid)) for pid in done.stdout.split())
    assert 0 < done.wall_s < 30
    assert done.peak_rss_bytes > 0


def test_what_ignores_sigterm_is_killed(start):
    """After the grace a tree that ignores SIGTERM is killed, every process of it."""
    source = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 600; sleep 600' & wait"
    done = stopped_at_a_line(start, source)
    assert (done.exit_code, done.timed_out, done.left_behind) == (-9, False, ())
    assert not is_alive(int(done.stdout))


def test_a_clean_end_keeps_its_exit_code_and_last_words(start):
    """A program that ends by itself on SIGTERM is told with its own exit code and output."""
    source = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    done = stopped_at_a_line(start, source)
    assert (done.exit_code, done.stdout) == (7, "up\nbye\n")


def test_stop_is_heard_through_endless_output(start):
    """A program that prints without a pause is stopped, too."""
    done = stopped_at_a_line(start, "exec yes")
    assert not done.timed_out
    assert done.stdout_bytes > 0


def test_stop_from_another_thread(start):
    """A silent program is stopped by a thread that knows its pid."""
    stop, pids = threading.Event(), []

    def begun(pid):
        pids.append(pid)
        threading.Timer(0.2, stop.set).start()

    done = start(["sleep", "600"], stop=stop, on_start=begun)
    assert done.exit_code == -15
    assert not is_alive(pids[0])


def test_stop_before_the_start(start):
    """A run whose stop is set already ends at once."""
    stop = threading.Event()
    stop.set()
    assert start(["sleep", "600"], stop=stop).timed_out is False


def test_a_stop_that_never_comes_changes_nothing(start):
    """With a stop at hand the end, the time limit and what is left behind stay as they are."""
    stop = threading.Event()
    done = start(["sh", "-c", "echo out; exit 3"], stop=stop)
    assert (done.exit_code, done.stdout, done.left_behind) == (3, "out\n", ())
    assert len(start(["sh", "-c", "sleep 600 & sleep 0.3"], stop=stop).left_behind) == 1
    assert start(["sleep", "600"], stop=stop, timeout_s=0.3).timed_out


def test_on_start_hears_the_root_once(start):
    """on_start gets the pid of the root, once, in the thread that called run."""
    heard = []
    done = start(
        ["sh", "-c", "echo $$"], on_start=lambda pid: heard.append((pid, threading.get_ident()))
    )
    assert heard == [(int(done.stdout), threading.get_ident())]


def test_on_start_that_fails_ends_the_tree(start):
    """What on_start raises goes on to the caller, and no process stays."""
    pids = []

    def begun(pid):
        pids.append(pid)
        raise KeyError

    with pytest.raises(KeyError):
        start(["sleep", "600"], on_start=begun)
    assert not is_alive(pids[0])


def test_on_start_is_not_told_of_what_cannot_start(start, tmp_path):
    """A program that the system refuses has no pid to tell."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    heard = []
    with pytest.raises(MeasureError, match="cannot start"):
        start([str(script)], on_start=heard.append)
    assert heard == []


def test_a_stopped_python_leaves_no_worker(start, tmp_path):
    """Workers that a program forked are ended with it."""
    source = (
        "import os, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: time.sleep(600); os._exit(0)\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    stop, seen = threading.Event(), []

    def up(line):
        root = psutil.Process(int(line))
        seen.extend(child.pid for child in root.children(recursive=True))
        stop.set()

    start([sys.executable, "-c", source], cwd=tmp_path, stop=stop, on_line=up)
    assert len(seen) == 3
    assert not any(map(is_alive, seen))
