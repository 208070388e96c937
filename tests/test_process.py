"""Running a process tree: what it costs, what it prints, and that it always ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from budgetguard.errors import MeasureError
from budgetguard.process import run
from budgetguard.process.command import Command, Tail, find_program
from budgetguard.process.portable import run_portable
from budgetguard.process.supervised import supervision_works

supervised = pytest.mark.skipif(not supervision_works(), reason="needs Linux's subreaper")

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.005)
if sys.argv[2:] == ["stay"]:
    time.sleep(600)
"""
COORDINATOR = """
import sys
from budgetguard.process import run
run([sys.executable, "-c", *sys.argv[1:]], timeout_s=120)
"""
SPIN = "import time\nwhile time.process_time() < 0.3: pass\n"


def python(source, *arguments, **options):
    options.setdefault("timeout_s", 60)
    return run([sys.executable, "-c", source, *map(str, arguments)], **options)


def command(argv, **options):
    defaults = {"cwd": Path.cwd(), "env": None, "timeout_s": 60.0, "keep_bytes": 1000}
    rest = {"pass_fds": (), "stdin": subprocess.DEVNULL, "on_line": None}
    return Command(argv=tuple(argv), **(defaults | rest | options))


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_output_and_exit_code_of_a_plain_command():
    """Both streams, the exit code and the number of bytes printed are told."""
    done = run(["sh", "-c", "printf 'out\\0x'; echo err >&2; exit 3"], timeout_s=60)
    assert (done.stdout, done.stderr, done.stdout_bytes) == ("out\0x", "err\n", 5)
    assert (done.exit_code, done.timed_out, done.left_behind) == (3, False, ())


def test_cwd_env_and_stdin(tmp_path):
    """The command runs in cwd, with env only, and reads end of file from standard input."""
    done = run(
        ["sh", "-c", 'pwd; echo "$WORD-$HOME"; cat; echo end'],
        cwd=tmp_path,
        env={"WORD": "w=\n1", "PATH": os.environ["PATH"]},
        timeout_s=60,
    )
    assert done.stdout == f"{tmp_path.resolve()}\nw=\n1-\nend\n"


def test_descriptors_are_passed_on_and_no_others(tmp_path):
    """pass_fds and stdin reach the command under their numbers; our own pipes do not."""
    (tmp_path / "in").write_text("input")
    read, write = os.pipe()
    stdin = os.open(tmp_path / "in", os.O_RDONLY)
    source = "import os, sys\nos.write(int(sys.argv[1]), os.read(0, 99))\nprint(len(os.listdir('/proc/self/fd')))"
    try:
        done = python(source, write, pass_fds=[write], stdin=stdin)
        assert os.read(read, 99) == b"input"
        assert int(done.stdout) == 5  # 0, 1, 2, ours, and the one listdir reads
    finally:
        for fd in (read, write, stdin):
            os.close(fd)


def test_command_starts_with_default_signals():
    """SIGPIPE, which Python ignores, is not handed on ignored."""
    shown = run(["grep", "SigIgn", "/proc/self/status"], timeout_s=60).stdout
    assert int(shown.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.parametrize("name", ["no-such-program-here", "./no-such-file"])
def test_missing_program(name):
    """A program that is not there is an error that names it, not an exit code."""
    with pytest.raises(MeasureError, match="no-such") as caught:
        run([name], timeout_s=5)
    assert "found in PATH" in str(caught.value) or "does not exist" in str(caught.value)


def test_program_that_cannot_run(tmp_path):
    """No x bit, a folder, a lost interpreter and a missing cwd are told apart."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    with pytest.raises(MeasureError, match=r"not executable.*chmod"):
        run([str(script)], timeout_s=5)
    script.chmod(0o755)
    with pytest.raises(MeasureError, match=r"cannot start.*No such file"):
        run(["./script"], cwd=tmp_path, timeout_s=5)
    with pytest.raises(MeasureError, match="not executable"):
        run([str(tmp_path)], timeout_s=5)
    with pytest.raises(MeasureError, match=r"'true'.*gone.*does not exist"):
        run(["true"], cwd=tmp_path / "gone", timeout_s=5)
    with pytest.raises(MeasureError, match="NUL"):
        run(["true", "a\0b"], timeout_s=5)
    with pytest.raises(MeasureError, match="empty"):
        run([], timeout_s=5)


def test_timeout_ends_a_tree_that_ignores_sigterm():
    """A hanging tree is killed after the grace, and what it printed until then is kept."""
    source = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 600; sleep 600' & wait"
    done = run(["sh", "-c", source], timeout_s=0.5)
    assert (done.timed_out, done.exit_code, done.left_behind) == (True, -9, ())
    assert not is_alive(int(done.stdout))


@supervised
def test_daemon_is_found_reported_and_ended(tmp_path):
    """A process that left by double fork and setsid is named and ended."""
    done = python(DAEMON, tmp_path / "pid")
    pid = int((tmp_path / "pid").read_text())
    assert len(done.left_behind) == 1
    assert done.left_behind[0].startswith(f"pid {pid} ")
    assert not is_alive(pid)
    assert done.exit_code == 0


def test_grandchild_keeps_the_pipe_open():
    """Output ends with the root, however long a child holds the pipe."""
    done = run(["sh", "-c", "sleep 600 & echo $!"], timeout_s=60)
    assert not done.timed_out
    assert done.left_behind == (f"pid {done.stdout.strip()} sleep 600",)
    assert not is_alive(int(done.stdout))


@supervised
def test_every_process_of_a_wide_tree_ends():
    """A tree that keeps forking while it is being ended is ended too."""
    source = "for i in 1 2 3 4; do (trap '' TERM; while :; do sleep 0.05 & sleep 0.05; done) & done; wait"
    mark = f"BUDGETGUARD_TEST={os.getpid()}-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    done = run(["sh", "-c", source], env={**os.environ, name: value}, timeout_s=0.5)
    assert done.timed_out
    environs = [path for path in Path("/proc").glob("[0-9]*/environ") if _holds(path, mark)]
    assert environs == []


@supervised
def test_children_are_found_on_a_kernel_without_the_list():
    """A scan of /proc finds the same children as the kernel's list."""
    from budgetguard.process import supervisor

    with subprocess.Popen(["sleep", "600"]) as child:
        try:
            assert child.pid in supervisor._children_by_scan()(os.getpid())
            assert child.pid in supervisor._children_by_task(os.getpid())
        finally:
            child.kill()


def _holds(path, mark):
    try:
        return mark.encode() in path.read_bytes()
    except OSError:
        return False


def test_early_closed_output_is_not_the_end():
    """A command that closes both streams is waited for."""
    done = run(["sh", "-c", "exec >&- 2>&-; sleep 0.1; exit 7"], timeout_s=60)
    assert (done.exit_code, done.stdout) == (7, "")


def test_huge_output_does_not_grow_our_memory():
    """200 MB without a newline cost us little memory; the last bytes and the count are kept."""
    before = psutil.Process().memory_info().rss
    source = "head -c 200000000 /dev/zero; printf END"
    lines = []
    done = run(["sh", "-c", source], timeout_s=60, on_line=lambda line: lines.append(len(line)))
    assert psutil.Process().memory_info().rss - before < 50e6
    assert (done.stdout_bytes, len(done.stdout)) == (200_000_003, 1 << 20)
    assert done.stdout.endswith("\0END")
    assert sum(lines) == done.stdout_bytes


@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_tail_keeps_the_last_bytes(size):
    """However it is fed, a tail holds the last bytes and passes every line once."""
    lines = []
    tail = Tail(size, lines.append)
    for byte in b"one\n\ntwo":
        tail.feed(bytes([byte]))
    tail.end()
    assert tail.text() == ("one\n\ntwo"[-size:] if size else "")
    assert b"".join(lines) == b"onetwo"
    assert tail.total_bytes == 8


def test_lines_come_while_the_command_runs():
    """on_line sees a line at once, and what it raises ends the tree."""
    seen = []

    def stop(line):
        seen.append(int(line))
        raise KeyError

    with pytest.raises(KeyError):
        run(["sh", "-c", "echo $$; sleep 600"], timeout_s=60, on_line=stop)
    assert not is_alive(seen[0])


def test_exit_by_signal_is_negative():
    """A command killed by SIGKILL ends in -9."""
    assert run(["sh", "-c", "kill -9 $$"], timeout_s=60).exit_code == -9


def test_peak_rss_is_the_sum_of_the_tree():
    """Parent and child count together."""
    child = "import time; x = bytearray(b'x') * 60_000_000; time.sleep(0.3)"
    parent = (
        "import subprocess, sys; x = bytearray(b'x') * 30_000_000;"
        "subprocess.run([sys.executable, '-c', sys.argv[1]])"
    )
    assert 90e6 < python(parent, child).peak_rss_bytes < 150e6


@supervised
def test_short_peak_is_read_from_the_kernel_and_is_not_ours():
    """A peak between two samples counts; the size of the measuring process does not."""
    ballast = bytearray(b"x") * 120_000_000
    assert 60e6 < python("x = bytearray(b'x') * 60_000_000; del x").peak_rss_bytes < 100e6
    assert run(["true"], timeout_s=60).peak_rss_bytes < 20e6
    del ballast


@pytest.mark.parametrize(
    "ignore", ["", "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"]
)
@supervised
def test_cpu_of_grandchildren_counts(ignore):
    """CPU of a grandchild counts, also where its parent does not wait for it."""
    middle = ignore + (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
        "p.wait()"
    )
    outer = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    done = python(outer, middle, SPIN.replace("0.3", "0.9"))
    assert 0.4 < done.cpu_s < 9  # it spins for 0.9 s; unwaited, the end is lost between two samples
    assert done.blocked_s is None


@supervised
def test_sleep_is_blocked_and_spinning_is_not():
    """Blocked time is waiting, without CPU."""
    slept = run(["sleep", "0.3"], timeout_s=60)
    assert slept.blocked_s is not None
    assert 0.25 < slept.blocked_s <= slept.wall_s
    assert slept.cpu_s < 0.1
    spun = python(SPIN)
    assert spun.blocked_s is not None
    assert spun.blocked_s < 0.2 < spun.cpu_s


@contextlib.contextmanager
def coordinator(*arguments):
    """A process of its own that is in the middle of `run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, *map(str, arguments)], stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


@supervised
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_coordinator_leaves_no_process(tmp_path, number):
    """Ctrl-C and SIGKILL end the whole tree: the command, its daemon and the supervisor."""
    with coordinator(DAEMON, tmp_path / "pid", "stay") as process:
        assert wait_for((tmp_path / "pid").exists)
        tree = psutil.Process(process.pid).children(recursive=True)
        pids = [child.pid for child in tree]
        assert len(pids) >= 3
        process.send_signal(number)
        process.wait(timeout=30)
        assert wait_for(lambda: not any(map(is_alive, pids)))


@supervised
def test_killed_supervisor_is_an_error(tmp_path):
    """Without the supervisor there are no numbers: the run says so, and the command is ended."""
    with coordinator("import os,sys,time; open(sys.argv[1], 'w').close(); time.sleep(600)", tmp_path / "up") as process:  # fmt: skip
        assert wait_for((tmp_path / "up").exists)
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGSTOP)  # so that the end is the kernel's work, not ours
        tree[0].kill()
        assert wait_for(lambda: not is_alive(tree[1].pid))
        process.send_signal(signal.SIGCONT)
        error = process.communicate(timeout=30)[1].decode()
        assert "MeasureError" in error
        assert "without its account" in error


def test_runs_in_threads_do_not_disturb_each_other():
    """Two threads may run commands at once; a run outlives the thread that began another."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(run, ["sh", "-c", f"sleep 0.1; echo {n}"], timeout_s=60) for n in range(8)
        ]
        assert [job.result().stdout for job in jobs] == [f"{n}\n" for n in range(8)]


def portable(argv, **options):
    asked = command(argv, **options)
    return run_portable(asked, find_program(asked))


def test_portable_path_reads_and_ends(tmp_path):
    """Without a subreaper: output, exit code, CPU, RSS and what is left behind."""
    done = portable(["sh", "-c", "echo out; echo err >&2; sleep 600 & sleep 0.3; exit 5"])
    assert (done.exit_code, done.stdout, done.stderr) == (5, "out\n", "err\n")
    assert len(done.left_behind) == 1
    assert "sleep 600" in done.left_behind[0]
    assert not is_alive(int(done.left_behind[0].split()[1]))
    spun = portable([sys.executable, "-c", "x = bytearray(b'x') * 60_000_000\n" + SPIN])
    assert spun.cpu_s > 0.15
    assert spun.peak_rss_bytes > 60e6


def test_portable_path_keeps_the_time_limit_and_ends_on_errors():
    """Without a subreaper: a timeout and an exception of the caller end the tree."""
    done = portable(["sh", "-c", "echo $$; sleep 600"], timeout_s=0.5)
    assert (done.timed_out, done.exit_code) == (True, -15)
    seen = []

    def stop(line):
        seen.append(int(line))
        if len(seen) == 2:
            raise KeyError

    with pytest.raises(KeyError):
        portable(["sh", "-c", "echo $$; sleep 600 & echo $!; wait"], on_line=stop)
    assert wait_for(lambda: not any(map(is_alive, seen)))
