"""The reaper: nothing of ours outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from budgetguard.gate.sides import reaping
from budgetguard.gate.sides.reaper import Reaper

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="daemons are found by /proc")

# a leader, a child of its own session, and a daemon whose parents are gone
TREE = """
import os, subprocess, sys, time
out = sys.argv[1]
child = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL, start_new_session=True)
middle = subprocess.Popen([sys.executable, "-c",
    "import subprocess, sys; d = subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL, start_new_session=True);"
    "print(d.pid)"], stdout=subprocess.PIPE, start_new_session=True)
daemon = int(middle.communicate()[0])
with open(out + ".new", "w") as stream:
    stream.write(f"{os.getpid()} {child.pid} {daemon}")
os.rename(out + ".new", out)
time.sleep(1000)
"""

COORDINATOR = """
import os, subprocess, sys, time
from pathlib import Path
from budgetguard.gate.sides.reaper import Reaper
reaper = Reaper()
reaper.folder(Path(sys.argv[2]))
tree = subprocess.Popen([sys.executable, "-c", sys.argv[3], sys.argv[1]],
    start_new_session=True, env={**os.environ, **reaper.environment})
reaper.group(tree.pid)
if sys.argv[4] == "fork":  # a child that inherits the pipe must not keep the reaper waiting
    held = os.fork()
    if held == 0:
        time.sleep(30)
        os._exit(0)
    Path(sys.argv[1] + ".fork").write_text(str(held))
time.sleep(1000)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie has ended."""
    return reaping.started_of(pid) > 0


def wait_for(condition, seconds: float = 20.0) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def pids_in(file: Path) -> list[int]:
    """The tree's processes, once it has told them."""
    assert wait_for(file.exists)
    return [int(word) for word in file.read_text().split()]


def start_tree(reaper: Reaper, file: Path) -> subprocess.Popen:
    """A tree in the reaper's charge."""
    tree = subprocess.Popen(
        [sys.executable, "-c", TREE, str(file)],
        start_new_session=True,
        env={**os.environ, **reaper.environment},
    )
    reaper.group(tree.pid)
    return tree


def filled(folder: Path) -> Path:
    """A folder with something in it that is read-only."""
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_text("x")
    (folder / "below" / "file").chmod(0o400)
    (folder / "below").chmod(0o500)
    return folder


@pytest.mark.parametrize("fork", ["", "fork"])
def test_a_killed_coordinator_leaves_nothing(tmp_path: Path, fork: str) -> None:
    """After SIGKILL of the coordinator its group, a child's session, a daemon and the folder go."""
    folder = filled(tmp_path / "mit Leerzeichen ü")
    coordinator = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(tmp_path / "pids"), str(folder), TREE, fork]
    )
    pids = pids_in(tmp_path / "pids")
    assert all(alive(pid) for pid in pids)
    if fork:
        assert wait_for((tmp_path / "pids.fork").exists)
    coordinator.kill()
    coordinator.wait()
    try:
        assert wait_for(lambda: not any(alive(pid) for pid in pids))
        assert wait_for(lambda: not folder.exists())
    finally:
        if fork:
            os.kill(int((tmp_path / "pids.fork").read_text()), signal.SIGKILL)


def test_close_does_the_same_at_once(tmp_path: Path) -> None:
    """When `close` returns, processes and folders are gone; what is to be kept stays."""
    gone, kept = filled(tmp_path / "gone"), filled(tmp_path / "kept")
    with Reaper() as reaper:
        tree = start_tree(reaper, tmp_path / "pids")
        pids = pids_in(tmp_path / "pids")
        for folder in (gone, kept):
            reaper.folder(folder)
        reaper.keep(kept)
    assert not any(alive(pid) for pid in pids)
    assert tree.wait(10) == -signal.SIGKILL
    assert (gone.exists(), kept.exists()) == (False, True)


def test_end_kills_one_group_and_no_other(tmp_path: Path) -> None:
    """`end` kills a group with its descendants at once; another group lives on."""
    with Reaper() as reaper:
        first = start_tree(reaper, tmp_path / "first")
        second = start_tree(reaper, tmp_path / "second")
        leader, child, _ = pids_in(tmp_path / "first")
        others = pids_in(tmp_path / "second")
        reaper.end(first.pid)
        assert not alive(leader)
        assert not alive(child)
        assert all(alive(pid) for pid in others)
    assert (first.wait(10), second.wait(10)) == (-signal.SIGKILL, -signal.SIGKILL)


def test_a_killed_reaper_is_replaced(tmp_path: Path) -> None:
    """Where somebody has killed the reaper itself, `close` does its work."""
    folder = filled(tmp_path / "folder")
    with Reaper() as reaper:
        tree = start_tree(reaper, tmp_path / "pids")
        pids = pids_in(tmp_path / "pids")
        reaper._process.kill()
        reaper._process.wait()
        reaper.folder(folder)
    assert not any(alive(pid) for pid in pids)
    assert not folder.exists()
    tree.wait(10)


def test_a_reused_pid_is_not_ours() -> None:
    """A group whose leader began at another time belongs to a stranger and is left alone."""
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        assert reaping.reap({stranger.pid: reaping.started_of(stranger.pid) + 1}, "", ())
        assert alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_signals_of_a_terminal_do_not_end_it() -> None:
    """INT, TERM and HUP leave the reaper at work, in a session of its own."""
    with Reaper() as reaper:
        process = reaper._process
        assert wait_for(lambda: ignores(process.pid, signal.SIGTERM))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        assert os.getsid(process.pid) == process.pid
        time.sleep(0.1)
        assert process.poll() is None
    assert process.returncode == 0


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return bool(mask & (1 << (number - 1)))


def test_links_are_never_followed(tmp_path: Path) -> None:
    """A folder that has become a link is not removed, nor what it points to."""
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    assert not reaping.reap({}, "", [os.fsencode(tmp_path / "link")])
    assert target.exists()
