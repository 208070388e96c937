"""Commands on base and head in turn, on real processes."""

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

import psutil
import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Point, Where
from budgetguard.gate.section import Node, Problems, Section
from budgetguard.gate.side import CANARY, Side
from budgetguard.gate.targets import command
from budgetguard.gate.targets.base import Duel
from budgetguard.gate.targets.command import duel as duel_module
from budgetguard.gate.targets.command.duel import CommandDuel
from budgetguard.gate.targets.command.meet import together

LOOP = "n = 0\nfor i in range({}): n += i & 7\n"
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="what /proc tells")
needs_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="two cores to choose from",
)


def node(value):
    """A YAML value as the configuration reads it: every scalar is text."""
    if isinstance(value, dict):
        return Node({key: node(entry) for key, entry in value.items()}, 1)
    if isinstance(value, list):
        return Node([node(entry) for entry in value], 1)
    return Node(value, 1)


def budget_of(*limits, name="cli", **keys):
    """A budget with a command."""
    problems = Problems("budgetguard.yml")
    options = command.parse(Section(node(keys), "budgets.cli", problems, None))
    assert problems.found == []
    known = command.metrics(options)
    parsed = tuple(parse_limit(limit, known) for limit in limits)
    where = Where("budgetguard.yml")
    return Budget(name=name, target="command", limits=parsed, where=where, options=options)


@pytest.fixture(autouse=True)
def few_pairs(request, monkeypatch):
    """Three pairs a block, where their number is not the matter."""
    if "all_pairs" not in request.fixturenames:
        monkeypatch.setattr(duel_module, "SHORT_PAIRS", 3)
        monkeypatch.setattr(duel_module, "LONG_PAIRS", 3)


@pytest.fixture
def all_pairs():
    """As many pairs as in earnest."""


@pytest.fixture
def sides(tmp_path):
    """Two checkouts that share an interpreter, base and head."""
    return tuple(checkout(tmp_path / name, name) for name in ("base", "head"))


def checkout(folder, name, python=sys.executable):
    folder.mkdir()
    return Side(name, folder, python, root=folder)


def write(sides, base, head, file="tool.py"):
    """Put a program of its own into each checkout; None leaves it out."""
    for side, text in zip(sides, (base, head), strict=True):
        if text is not None:
            (side.folder / file).write_text(text)


def duel(sides):
    fighting: Duel = CommandDuel(*sides)
    return fighting


def one(sides, *limits, seed=1, **keys):
    """The blocks of the first block of one command, by metric."""
    keys.setdefault("command", "python tool.py")
    budget = budget_of(*limits, **keys)
    found = duel(sides).block([budget], seed)
    return {point.metric: block for point, block in found.items() if point.budget == "cli"}


def ratio(block):
    assert not block.error
    return statistics.median(h / b for b, h in zip(block.base, block.head, strict=True))


TIME = "time <= baseline + 5%"


def test_half_as_much_cpu_again_is_seen(sides, all_pairs):
    """A head that works half as much more is more than 1.2 times as slow in time and cpu."""
    write(sides, LOOP.format(600_000), LOOP.format(900_000))
    found = one(sides, TIME, "cpu <= baseline + 5%", "blocked <= baseline + 5%")
    assert ratio(found["time"]) > 1.2
    assert ratio(found["cpu"]) > 1.2
    assert len(found["time"].base) == len(found["time"].head) in (4, 8)
    assert not found["time"].note or "CPU time only" in found["time"].note


@needs_linux
def test_longer_sleep_is_seen_in_blocked_and_time(sides):
    """What only waits has no CPU to compare: blocked and time see it."""
    write(sides, "import time; time.sleep(0.1)", "import time; time.sleep(0.2)")
    found = one(sides, TIME, "blocked <= baseline + 5%")
    assert ratio(found["blocked"]) > 1.2
    assert ratio(found["time"]) > 1.2
    assert found["time"].note == ""


def test_more_memory_is_seen_in_peak_rss(sides):
    """The highest memory of the process tree is compared like time."""
    write(sides, "x = bytes(60_000_000)", "x = bytearray(b'x' * 120_000_000)")
    assert ratio(one(sides, "peak_rss <= baseline + 5%")["peak_rss"]) > 1.2


def test_sampled_numbers_it_prints_are_compared(sides):
    """A declared number is read in each run; one that is missing on a side is an error that says it."""
    write(sides, "print('{\"rate\": 2}')", "print('{\"rate\": 3}')")
    keys = {"numbers": {"rate": "seconds"}}
    assert ratio(one(sides, "rate <= baseline + 5%", **keys)["rate"]) == 1.5
    write(sides, "print('{}')", "print('{\"rate\": 3}')")
    assert (
        "on the base, rate is missing" in one(sides, "rate <= baseline + 5%", **keys)["rate"].error
    )


def test_only_relative_limits_on_sampled_metrics_are_run(sides):
    """Absolute limits and exact numbers start nothing; the canary runs."""
    write(sides, "open('ran', 'w')", "open('ran', 'w')")
    absolute = budget_of("time <= 5 s", name="a", command="python tool.py")
    exact = budget_of(
        "n <= baseline", name="b", command="python tool.py", numbers={"n": "count exact"}
    )
    found = duel(sides).block([absolute, exact], 1)
    assert set(found) == {Point(CANARY, "", "time")}
    assert not any((side.folder / "ran").exists() for side in sides)


def test_the_canary_is_the_same_code_on_both_sides(sides):
    """With every block comes a fixed program, run in turn by both interpreters, never slowed by theirs."""
    write(sides, "raise SystemExit(1)", "raise SystemExit(1)", "sitecustomize.py")
    found = duel(sides).block([], 5)
    block = found[Point(CANARY, "", "time")]
    assert not block.error
    assert len(block.base) == len(block.head) == 3
    assert min(block.base + block.head) > 0.001


@needs_linux
def test_a_command_with_threads_is_judged_by_cpu_alone(sides):
    """Threads on one side only: time is CPU time on both, with a note; blocked has no value."""
    threads = (
        "import threading\n"
        "def work(): sum(range(3_000_000))\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
    )
    write(sides, "sum(range(3_000_000))", threads)
    found = one(sides, TIME, "cpu <= baseline + 5%", "blocked <= baseline + 5%")
    assert "CPU time only" in found["time"].note
    assert found["time"].base == found["cpu"].base
    assert "put the limit on cpu" in found["blocked"].error


@needs_linux
def test_the_clock_of_the_first_block_stays(sides):
    """A command that begins to use threads in a later block is an error, never another clock."""
    text = (
        "import os, threading\n"
        "def work(): sum(range(2_000_000))\n"
        "if os.path.exists('many'):\n"
        "    t = threading.Thread(target=work); t.start(); t.join()\n"
        "else: work()\n"
    )
    write(sides, text, text)
    budget = budget_of(TIME, command="python tool.py")
    fighting = duel(sides)
    point = Point("cli", "", "time")
    assert not fighting.block([budget], 1)[point].note
    for side in sides:
        (side.folder / "many").touch()
    assert "in some runs and not in others" in fighting.block([budget], 2)[point].error


SHOWS = (
    "import os, time\n"
    "log = open('seen', 'a')\n"
    "seed = os.environ['PYTHONHASHSEED']\n"
    "cores = ','.join(map(str, sorted(os.sched_getaffinity(0))))\n"
    "print(seed, cores, time.monotonic_ns(), os.getcwd(), file=log)\n"
)


def seen(side):
    """The runs of a side: hash seed, cores, start, folder."""
    return [line.split() for line in (side.folder / "seen").read_text().splitlines()]


@needs_cores
def test_both_sides_of_a_block_share_seed_and_core_in_random_order(sides):
    """Of a block: one seed and one core for both; of several: cores and orders change."""
    write(sides, SHOWS, SHOWS)
    budget = budget_of(TIME, command="python tool.py")
    fighting = duel(sides)
    mine = os.sched_getaffinity(0)
    for seed in range(4):
        fighting.block([budget], seed)
    base, head = (seen(side)[1:] for side in sides)  # without the warm-up
    blocks = [
        [[run for run in side if run[0] == str(seed)] for side in (base, head)] for seed in range(4)
    ]  # told apart by seed, not by count: a pair in which one waited for the other is run once more
    assert all(len(side) >= 3 for block in blocks for side in block)
    assert {run[0] for run in base + head} == {"0", "1", "2", "3"}
    cores = [{run[1] for side in block for run in side} for block in blocks]
    assert all(len(drawn) == 1 and min(drawn).isdigit() for drawn in cores)
    assert len(set.union(*cores)) > 1, "the core is drawn for each block"
    firsts = {int(block[0][0][2]) < int(block[1][0][2]) for block in blocks}
    assert firsts == {True, False}, "no side is always first"
    assert {run[3] for run in base} == {str(sides[0].folder)}
    assert os.sched_getaffinity(0) == mine


@needs_cores
def test_other_threads_of_ours_keep_their_cores(sides):
    """While a command is pinned, our own other threads are not, and afterwards nothing is."""
    write(sides, "import time; time.sleep(0.03)", "import time; time.sleep(0.03)")
    mine, masks, done = os.sched_getaffinity(0), set(), threading.Event()

    def look():
        while not done.wait(0.01):
            masks.add(frozenset(os.sched_getaffinity(0)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        one(sides, TIME)
    finally:
        done.set()
        thread.join()
    assert masks == {frozenset(mine)}
    assert os.sched_getaffinity(0) == mine


@needs_cores
def test_what_uses_several_processes_is_never_pinned(sides):
    """A command that starts others keeps all cores, for it may start as many as it has."""
    text = (
        SHOWS
        + "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'sum(range(10**6))'])\n"
    )
    write(sides, text, text)
    one(sides, TIME)
    every = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    assert {run[1] for side in sides for run in seen(side)} == {every}


@needs_cores
def test_a_core_that_vanished_is_no_obstacle(sides, monkeypatch):
    """Where the drawn core cannot be had, the block is measured on all of them."""
    write(sides, SHOWS, SHOWS)
    mine = os.sched_getaffinity(0)
    budget = budget_of(TIME, command="python tool.py")
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda pid: {4090, 4091})  # no machine has these
        block = duel(sides).block([budget], 1)[Point("cli", "", "time")]
    assert block.base
    assert not block.error
    assert os.sched_getaffinity(0) == mine


def test_setup_runs_once_per_side_and_the_warm_up_in_the_first_block_only(sides):
    """setup: once per checkout; one unmeasured run before the first block, none before the second."""
    write(sides, "open('ran', 'a').write('x')", "open('ran', 'a').write('x')")
    budget = budget_of(TIME, command="python tool.py", setup=["sh", "-c", "echo s >> setup"])
    fighting = duel(sides)
    point = Point("cli", "", "time")
    first = len(fighting.block([budget], 1)[point].base)
    for side in sides:
        assert len((side.folder / "ran").read_text()) == first + 1
    second = len(fighting.block([budget], 2)[point].base)
    for side in sides:
        assert len((side.folder / "ran").read_text()) == first + 1 + second
        assert (side.folder / "setup").read_text() == "s\n"
    assert first == second


@pytest.mark.parametrize(("wall_s", "pairs"), [(0.01, 8), (0.19, 8), (0.21, 4), (1.5, 2), (30, 1)])
def test_a_block_of_one_command_is_bounded(wall_s, pairs, all_pairs):
    """Eight pairs of short runs, four of long ones, fewer where they would take over 8 s."""
    from budgetguard.gate.targets.command.duel import _Pair, _pairs
    from budgetguard.process import Finished

    run = Finished(
        exit_code=0,
        wall_s=wall_s,
        cpu_s=0.0,
        blocked_s=0.0,
        peak_rss_bytes=0,
        stdout="",
        stderr="",
        stdout_bytes=0,
        timed_out=False,
        left_behind=(),
    )
    assert _pairs(_Pair(run, run)) == pairs


def test_a_base_that_does_not_know_an_option_is_an_error_with_its_last_line(sides):
    """Failing on the base only is told as that, with what the base said, and is not NEW."""
    write(sides, "import sys; sys.exit('unrecognized arguments: --fast')", "")
    block = one(sides, TIME, command="python tool.py --fast")["time"]
    assert block.error.startswith("on the base, `python tool.py --fast` ended with exit code 1")
    assert "its last line: unrecognized arguments: --fast" in block.error
    assert "works on the head" in block.error
    assert "baseline update --time" in block.error
    assert (block.new, block.base, block.head) == (False, (), ())


def test_a_head_that_fails_is_named_even_where_the_base_fails_too(sides):
    """The head's failure is what has to be mended first."""
    write(sides, "raise SystemExit(2)", "import sys; sys.exit('no database')")
    block = one(sides, TIME)["time"]
    assert block.error.startswith("on the head, ")
    assert "no database" in block.error
    assert not block.new


def test_a_failure_in_mid_block_leaves_no_halves(sides):
    """A command that fails from its third run on gives an error, not the pairs before it."""
    text = "import os, sys\nopen('n', 'a').write('x')\nsys.exit(os.path.getsize('n') >= 3)\n"
    write(sides, text, "")
    block = one(sides, TIME)["time"]
    assert "on the base" in block.error
    assert (block.base, block.head) == ((), ())


def test_a_program_that_the_base_has_not_is_new(sides):
    """A missing program, script or folder to run in: the base has no such benchmark."""
    for side in sides[1:]:
        (side.folder / "sub").mkdir()
        for name in ("tool", "sub/tool"):
            (side.folder / name).write_text("#!/bin/sh\ntrue\n")
            (side.folder / name).chmod(0o755)
    for keys in ({"command": "./tool"}, {"command": "./tool", "cwd": "sub"}):
        block = one(sides, TIME, **keys)["time"]
        assert block.new
        assert block.error.startswith("the base has no such command: ")
        assert "does not exist" in block.error


def test_a_setup_that_fails_on_the_base_is_an_error_not_new(sides):
    """What setup: would have built is not missing from the base: its setup is what failed."""
    write(sides, "false", "printf '#!/bin/sh\\n' > tool; chmod +x tool", "setup.sh")
    block = one(sides, TIME, command="./tool", setup="sh setup.sh")["time"]
    assert "on the base, setup `sh setup.sh` ended with exit code 1" in block.error
    assert not block.new


@needs_linux
def test_a_daemon_on_the_base_is_an_error_and_ended(sides):
    """A command that leaves a process behind is no reading, and the process is gone."""
    daemon = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('daemon', 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "while not os.path.exists('daemon') or not open('daemon').read(): time.sleep(0.01)\n"
    )
    write(sides, daemon, "")
    block = one(sides, TIME)["time"]
    assert "on the base" in block.error
    assert "left a process behind" in block.error
    pid = int((sides[0].folder / "daemon").read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(pid)


def test_one_failing_command_does_not_spoil_the_others(sides):
    """Each command of a block has its own error or values; the canary is there as well."""
    write(sides, "raise SystemExit(1)", "raise SystemExit(1)")
    bad = budget_of(TIME, name="bad", command="python tool.py")
    good = budget_of(TIME, name="good", command="python -c pass")
    found = duel(sides).block([bad, good], 3)
    assert found[Point("bad", "", "time")].error
    assert found[Point("good", "", "time")].base
    assert found[Point(CANARY, "", "time")].base


# both at the same time, or one after the other


ALIVE = (
    "import os, time\n"
    "mine, other = ('base', 'head') if os.getcwd().endswith('base') else ('head', 'base')\n"
    "open(f'../{mine}.on', 'w').close()\n"
    "sum(range(4_000_000))\n"
    "met = os.path.exists(f'../{other}.on')\n"
    "os.remove(f'../{mine}.on')\n"
)


def meetings(sides, text, *limits, **keys):
    """How many measured runs saw that of the other side alive, and the blocks."""
    log = "open('met', 'a').write('x' if met else '.')\n"
    write(sides, ALIVE + log + text, ALIVE + log + text)
    blocks = one(sides, *limits, **keys)
    return [(side.folder / "met").read_text()[1:].count("x") for side in sides], blocks


@needs_linux
def test_single_processes_run_at_the_same_time(sides):
    """What only works meets the other side in every pair, so that neighbours slow both alike."""
    met, blocks = meetings(sides, "", TIME, "peak_rss <= baseline + 5%")
    assert sum(met) >= 3, "whoever starts first may have ended before the other looks"
    assert not blocks["time"].error


@needs_linux
@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("blocked <= baseline + 5%", ""),
        ("rate <= baseline + 5%", "print('{\"rate\": 2}')"),
        (TIME, "time.sleep(0.5)"),
        (
            TIME,
            "import subprocess; subprocess.run(['sh', '-c', 'i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done'])",
        ),
    ],
    ids=["blocked", "number", "waits", "processes"],
)
def test_what_would_show_the_other_side_runs_alone(sides, limit, text):
    """Waiting, numbers a program reports, and several processes are measured one after the other."""
    met, blocks = meetings(sides, text, limit, numbers={"rate": "seconds"})
    assert met == [0, 0]
    assert not any(block.error for block in blocks.values())


@needs_linux
def test_commands_that_cannot_meet_are_run_one_after_the_other(sides):
    """A lock that both want makes one fail beside the other; alone it works, and stays alone."""
    text = (
        "import os, sys\n"
        "try: os.close(os.open('../lock', os.O_CREAT | os.O_EXCL))\n"
        "except FileExistsError:\n"
        "    open('clash', 'a').write('x')\n"
        "    sys.exit('locked')\n"
        "sum(range(5_000_000))\n"
        "os.remove('../lock')\n"
    )
    write(sides, text, text)
    block = one(sides, TIME)["time"]
    assert not block.error
    assert len(block.base) == 3
    assert clashes(sides) == 1


def clashes(sides):
    """How many runs found the other side in their way."""
    files = [side.folder / "clash" for side in sides]
    return sum(file.stat().st_size for file in files if file.exists())


@needs_linux
def test_commands_that_wait_for_each_other_are_run_one_after_the_other(sides):
    """Waiting for the other's lock is no waiting of the command's own: such pairs do not count."""
    text = (
        "import fcntl\n"
        "file = open('../lock', 'w')\n"
        "try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError:\n"
        "    open('clash', 'a').write('x')\n"
        "    fcntl.flock(file, fcntl.LOCK_EX)\n"
        "sum(range(10_000_000))\n"
    )
    write(sides, text, text)
    budget = budget_of(TIME, command="python tool.py")
    fighting = duel(sides)
    for seed in (1, 2):
        block = fighting.block([budget], seed)[Point("cli", "", "time")]
        assert not block.error
        assert len(block.base) == 3
    assert clashes(sides) == 3, "three pairs in a row, and never again"


def test_what_the_other_thread_raises_reaches_the_caller():
    """An error beside the calling thread is not lost."""

    def fails():
        raise RuntimeError("no fork")

    with pytest.raises(RuntimeError, match="no fork"):
        together({"base": fails, "head": lambda: None})


# the guards: never the other side's code


def shared_environment(tmp_path):
    """An environment with the head's package on a .pth and a console script, and both checkouts."""
    for name in ("base", "head"):
        (tmp_path / name / "src" / "shop").mkdir(parents=True)
        (tmp_path / name / "src" / "shop" / "__init__.py").write_text(
            f"def main(): open('ran', 'w').write('{name}')\n"
        )
    env = tmp_path / "head" / ".venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", env], check=True, timeout=60
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pth = env / "lib" / version / "site-packages" / "shop.pth"
    pth.write_text(str(tmp_path / "head" / "src"))
    script = env / "bin" / "shop"
    script.write_text(f"#!{env}/bin/python\nfrom shop import main\nmain()\n")
    script.chmod(0o755)
    return str(env / "bin" / "python")


@needs_linux
def test_a_console_script_of_a_shared_environment_runs_the_bases_sources(tmp_path):
    """The side's path comes before the .pth of the head; without it the guard ends in an error."""
    python = shared_environment(tmp_path)
    base, head = tmp_path / "base", tmp_path / "head"
    right = Side("base", base, python, root=base, path=(str(base / "src"),))
    wrong = Side("base", base, python, root=base)
    other = Side("head", head, python, root=head)
    assert not one((right, other), TIME, command="shop")["time"].error
    assert (base / "ran").read_text() == "base"
    assert (head / "ran").read_text() == "head"
    block = one((wrong, other), TIME, command="shop")["time"]
    assert f"it ran {head}/src/shop/__init__.py, which belongs to the other side" in block.error
    assert not block.new


@needs_linux
def test_a_path_into_the_other_checkout_is_an_error(sides):
    """An absolute path that leads to the head would measure the head twice."""
    write(sides, "", "")
    block = one(sides, TIME, command=["python", str(sides[1].folder / "tool.py")])["time"]
    assert "belongs to the other side" in block.error
    assert "relative to cwd" in block.error


@needs_linux
def test_code_of_the_head_in_a_child_process_is_seen(sides):
    """Children of the command tell what they loaded, too."""
    write(sides, "", "", "lib.py")
    head = sides[1].folder
    text = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', \"import sys; sys.path.insert(0, '{head}'); import lib\"])\n"
    write(sides, text, "")
    assert f"it ran {head}/lib.py" in one(sides, TIME)["time"].error


@needs_linux
def test_search_paths_of_our_environment_lead_to_the_same_place_of_each_side(sides, monkeypatch):
    """PATH, PYTHONPATH, PWD and VIRTUAL_ENV that point into the head are the base's for the base."""
    head = sides[1].folder
    for side in sides:
        (side.folder / "bin").mkdir()
        (side.folder / "bin" / "where").write_text("#!/bin/sh\npython -c 'import lib'\n")
        (side.folder / "bin" / "where").chmod(0o755)
        (side.folder / "src").mkdir()
        (side.folder / "src" / "lib.py").write_text(
            "import os; open('ran', 'w').write('|'.join([__file__, os.environ['PWD']]))\n"
        )
    monkeypatch.setenv("PATH", f"{head}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{head}/src")
    monkeypatch.setenv("PWD", str(head))
    monkeypatch.setenv("VIRTUAL_ENV", str(head / "env"))
    assert not one(sides, TIME, command="where")["time"].error
    for side in sides:
        assert (side.folder / "ran").read_text() == f"{side.folder}/src/lib.py|{side.folder}"


@needs_linux
def test_a_script_of_the_heads_environment_is_missing_from_a_base_with_its_own(tmp_path):
    """A console script that only the head has is NEW, not the head's script run for the base."""
    head_bin, base_bin = tmp_path / "head_env" / "bin", tmp_path / "base_env" / "bin"
    for folder in (head_bin, base_bin):
        folder.mkdir(parents=True)
        (folder / "python").symlink_to(shutil.which("true"))
    (head_bin / "shop").write_text(f"#!{head_bin}/python\n")
    (head_bin / "shop").chmod(0o755)
    both = (
        checkout(tmp_path / "base", "base", str(base_bin / "python")),
        checkout(tmp_path / "head", "head", str(head_bin / "python")),
    )
    keys = {"command": "shop", "env": {"PATH": f"{head_bin}:{os.environ['PATH']}"}}
    block = one(both, TIME, **keys)["time"]
    assert block.new
    assert "belongs to the other side" in block.error
    (base_bin / "shop").write_text(f"#!{base_bin}/python\n")
    (base_bin / "shop").chmod(0o755)
    assert not one(both, TIME, command="shop")["time"].error


@needs_linux
def test_the_sitecustomize_of_a_project_still_runs(sides):
    """The witness of the warm-up gives way to a sitecustomize that is there already."""
    write(sides, "open('site', 'a').write('s')", "open('site', 'a').write('s')", "sitecustomize.py")
    write(sides, "", "")
    one(sides, TIME, env={"PYTHONPATH": "."})
    for side in sides:
        # a pair in which one side waited for the other is run once more
        assert len((side.folder / "site").read_text()) >= 4, "warm-up and every pair"
