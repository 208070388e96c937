"""What `track` calls left behind, and what it rightly leaves out."""

import asyncio
import contextlib
import gc
import logging.handlers
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from budgetguard.errors import UsageError
from budgetguard.monitoring import Left, track
from budgetguard.monitoring.resources import KINDS

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
PLAIN_INIT = ThreadPoolExecutor.__init__


def wait_for(event):
    event.wait(20)


@pytest.fixture
def go():
    """An event that ends the threads of a test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_clean_block_leaves_nothing(tmp_path):
    """Files, sockets, threads, loops and processes that are ended count for nothing."""

    def body():
        (tmp_path / "a").write_text("x")
        left, right = socket.socketpair()
        left.close()
        right.close()
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        asyncio.run(asyncio.sleep(0))
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)

    with track() as tracked:
        body()
    assert tracked.left == Left()
    assert not tracked.left


def test_a_thread_is_told_with_its_target(go):
    """A thread that still runs is named, with daemon or not and where its target stands."""
    with track({"threads"}) as tracked:
        threading.Thread(target=wait_for, args=(go,), name="poller", daemon=True).start()
        threading.Thread(target=wait_for, args=(go,), name="worker").start()
    line = wait_for.__code__.co_firstlineno
    daemon, plain = sorted(tracked.left.threads)
    assert daemon.startswith("poller (daemon), runs wait_for at ")
    assert plain.startswith("worker, runs wait_for at ")
    assert daemon.endswith(f"test_resources.py:{line}")


def test_a_subclass_of_thread_is_told_by_its_run(go):
    """A thread without a target is described by its class's run."""

    class Poller(threading.Thread):
        def run(self):
            wait_for(go)

    with track({"threads"}) as tracked:
        Poller(daemon=True).start()
    assert "Poller.run at " in tracked.left.threads[0]


def test_a_thread_about_to_end_is_given_a_grace():
    """A thread that ends soon after the block is not left behind."""
    ending = threading.Event()
    with track({"threads"}, grace_s=10) as tracked:
        threading.Thread(target=wait_for, args=(ending,)).start()
        threading.Timer(0.02, ending.set).start()
    assert tracked.left.threads == ()


def test_a_thread_of_before_does_not_count(go):
    """What was there before the block is nobody's fault."""
    thread = threading.Thread(target=wait_for, args=(go,))
    thread.start()
    with track() as tracked:
        pass
    assert not tracked.left


def test_our_own_threads_do_not_count(go):
    """Threads of budgetguard, told by their name's prefix, are left out."""
    with track({"threads"}) as tracked:
        threading.Thread(target=wait_for, args=(go,), name="budgetguard-sampler").start()
    assert not tracked.left


def test_the_dummy_of_a_foreign_thread_that_ended_does_not_count():
    """A thread that threading did not start leaves its dummy in the list; it is not alive."""
    import _thread

    done = threading.Event()

    def foreign():
        threading.current_thread()
        done.set()

    with track({"threads"}, grace_s=5) as tracked:
        _thread.start_new_thread(foreign, ())
        assert done.wait(10)
    assert tracked.left.threads == ()


def test_a_pool_of_before_may_keep_its_idle_workers():
    """A pool made before the block starts its threads late: no leak."""
    with ThreadPoolExecutor(2) as pool:
        with track({"threads"}) as tracked:
            pool.submit(int).result()
        assert tracked.left.threads == ()


def test_a_busy_worker_of_a_pool_of_before_counts(go):
    """Work that still runs is left behind, whoever owns its thread."""
    with ThreadPoolExecutor(2) as pool:
        with track({"threads"}) as tracked:
            pool.submit(wait_for, go)
        go.set()
    assert len(tracked.left.threads) == 1


def test_a_pool_made_in_the_block_and_kept_counts():
    """A pool made in the block and not shut down leaves its threads."""
    with track({"threads"}) as tracked:
        pool = ThreadPoolExecutor(2, thread_name_prefix="mine")
        pool.submit(int).result()
    pool.shutdown()
    assert len(tracked.left.threads) == 1
    assert tracked.left.threads[0].startswith("mine_0, runs _worker")


def test_a_pool_made_and_forgotten_ends_with_the_collection():
    """The garbage collector ends the workers of a pool that nobody holds."""
    with track({"threads"}, grace_s=10) as tracked:
        ThreadPoolExecutor(1).submit(int).result()
    assert tracked.left.threads == ()


def test_constructors_are_restored_and_blocks_nest(go):
    """The pool's constructor is as before after the last of several blocks, by an error too."""
    with track() as outer:
        with contextlib.suppress(ValueError), track() as inner:
            threading.Thread(target=wait_for, args=(go,)).start()
            raise ValueError
        assert ThreadPoolExecutor.__init__ is not PLAIN_INIT
    assert ThreadPoolExecutor.__init__ is PLAIN_INIT
    assert len(inner.left.threads) == len(outer.left.threads) == 1


def test_default_executor_of_a_loop_may_stay():
    """asyncio's default executor lives as long as its loop, which ends it."""
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        with track() as tracked:
            runner.run(asyncio.to_thread(int))
        assert not tracked.left


def test_idle_workers_of_anyio_may_stay():
    """anyio keeps idle worker threads for ten seconds."""

    async def main():
        async with track() as tracked:
            await anyio.to_thread.run_sync(int)
        return tracked.left

    assert not asyncio.run(main())


@LINUX
def test_an_open_file_is_told_with_its_path(tmp_path):
    """A file descriptor tells what it points at."""
    with track({"fds"}) as tracked:
        handle = (tmp_path / "x").open("w")
    assert tracked.left.fds == (f"fd {handle.fileno()} -> file {tmp_path}/x",)
    handle.close()


@LINUX
def test_a_number_used_again_is_a_new_file(tmp_path):
    """A file closed and another opened under its number is told from the first."""
    first = (tmp_path / "first").open("w")
    number = first.fileno()
    with track({"fds"}) as tracked:
        first.close()
        second = (tmp_path / "second").open("w")
        assert second.fileno() == number
    assert tracked.left.fds == (f"fd {number} -> file {tmp_path}/second",)
    second.close()


@LINUX
def test_a_file_of_before_may_be_renamed_or_removed(tmp_path):
    """A file is known by its inode: a log turned over by name is the same file."""
    with (tmp_path / "log").open("w"):
        with track({"fds"}) as tracked:
            (tmp_path / "log").unlink()
    assert not tracked.left


def test_standard_streams_do_not_count(tmp_path):
    """Whoever captures output puts other files under the numbers 0 to 2."""
    saved = os.dup(2)
    with (tmp_path / "err").open("w") as other, track({"fds"}) as tracked:
        os.dup2(other.fileno(), 2)
    os.dup2(saved, 2)
    os.close(saved)
    assert not tracked.left


def test_a_file_in_a_cycle_only_waits_for_the_collector(tmp_path):
    """Garbage is collected before judging, so a file in a reference cycle is not left."""

    def body():
        cycle = [(tmp_path / "a").open("w")]
        cycle.append(cycle)

    gc.disable()
    try:
        with pytest.warns(ResourceWarning), track() as tracked:
            body()
    finally:
        gc.enable()
    assert not tracked.left


@LINUX
def test_sockets_stand_apart_with_their_peer():
    """A socket counts in sockets and not in fds, and tells family and both ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with track({"fds", "sockets"}) as tracked:
            client = socket.create_connection(server.getsockname())
        port = server.getsockname()[1]
        assert tracked.left.fds == ()
        (told,) = tracked.left.sockets
        assert told.startswith(f"fd {client.fileno()} -> socket AF_INET SOCK_STREAM")
        assert told.endswith(f"to ('127.0.0.1', {port})")
        client.close()


@LINUX
def test_a_loop_left_open_leaves_its_selector_and_sockets():
    """A loop that nobody closed shows as one epoll descriptor and two sockets."""
    with track() as tracked:
        loop = asyncio.new_event_loop()
    loop.close()
    assert (len(tracked.left.fds), len(tracked.left.sockets)) == (1, 2)
    assert "eventpoll" in tracked.left.fds[0]


def test_a_child_process_is_told_with_its_command():
    """A child that runs on is left behind; one that ended unwaited is told as such."""
    with track({"children"}) as tracked:
        child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        child.kill()
    (told,) = tracked.left.children
    assert told.startswith(f"pid {child.pid} ")
    assert told.endswith("-S -c input()")


def test_the_helper_process_of_multiprocessing_does_not_count():
    """The resource tracker starts once per process and stays by design."""
    code = """if True:
        from multiprocessing import resource_tracker
        from budgetguard.monitoring import track
        with track() as tracked:
            resource_tracker.ensure_running()
        assert not tracked.left, tracked.left
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path.cwd())


@LINUX
def test_a_fork_in_the_block_confuses_neither_side():
    """The child's way out of the block judges nothing; the parent sees only the child."""
    code = """if True:
        import os
        from budgetguard.monitoring import Left, track
        with track() as tracked:
            handle = open("/dev/null")
            pid = os.fork()
        if not pid:
            os._exit(0 if tracked.left == Left() else 3)
        assert len(tracked.left.fds) == 1, tracked.left
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path.cwd())


def test_only_what_is_wanted_is_judged(go):
    """Kinds that nobody asked for stay empty and are not paid for."""
    with track({"fds"}) as tracked:
        threading.Thread(target=wait_for, args=(go,)).start()
        assert ThreadPoolExecutor.__init__ is PLAIN_INIT
    assert not tracked.left


def test_wrong_use_is_told():
    """An unknown kind, a bare string and reading too early are errors that say what to do."""
    with pytest.raises(UsageError, match=r"expected some of threads, fds"):
        track({"files"})
    with pytest.raises(UsageError):
        track("fds")
    tracked = track()
    with pytest.raises(UsageError, match="outside of `with`"):
        _ = tracked.left


def test_an_error_of_the_block_passes_and_left_is_known(go):
    """The body's own error is never swallowed."""
    tracked = track()
    with pytest.raises(ZeroDivisionError), tracked:  # noqa: PT012  (the block is the subject)
        threading.Thread(target=wait_for, args=(go,)).start()
        raise ZeroDivisionError
    assert len(tracked.left.threads) == 1


def test_a_handler_that_turns_its_file_over_leaves_the_new_one(tmp_path):
    """A replaced file counts as new: identity is what a number points at (documented)."""
    handler = logging.handlers.RotatingFileHandler(tmp_path / "log", maxBytes=1, backupCount=1)
    with track({"fds"}) as tracked:
        handler.doRollover()
    handler.close()
    assert [text.endswith("/log") for text in tracked.left.fds] == [True]


def test_kinds_are_the_fields_of_left():
    """Every kind that can be wanted has its field, and each is empty at first."""
    assert [getattr(Left(), kind) for kind in KINDS] == [()] * 5
