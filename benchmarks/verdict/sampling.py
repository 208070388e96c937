"""Rounds of one workload on two sides, taken in turn from two processes that are alive together."""

import math
import os
import random
import signal
import statistics
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.start_up import environment

WORKER = Path(__file__).with_name("worker.py")
ROUND_NS = 8_000_000
MOST_CALLS = 10_000
PAIR_TIMEOUT_S = 120.0
CPU_SHARE = 0.5
"""A workload that computes for less of its time is read by the clock on the wall."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one round took."""

    wall_ns: int
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class Shift:
    """How far head is from base, as a log ratio, with its standard error over process pairs."""

    mean: float
    error: float
    pairs: int


@contextmanager
def side(python: Path, folder: Path, module: str, seed: int) -> Iterator[subprocess.Popen[str]]:
    """A process that serves rounds of one workload; it is killed at the end and at a time limit."""
    child = subprocess.Popen(
        [str(python), "-B", str(WORKER), "serve", str(folder), module],
        env={**environment(), "PYTHONHASHSEED": str(seed)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = threading.Timer(PAIR_TIMEOUT_S, os.killpg, (child.pid, signal.SIGKILL))
    end.start()
    try:
        yield child
    finally:
        end.cancel()
        if child.poll() is None:
            child.kill()
        child.communicate()


def ask(child: subprocess.Popen[str], calls: int) -> Spent:
    """One round. Raises `RuntimeError` where the process is gone."""
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(f"{calls}\n")
        child.stdin.flush()
        wall_ns, cpu_ns = map(int, child.stdout.readline().split())
    except (OSError, ValueError):
        raise RuntimeError(f"a worker ended with exit code {child.wait(10)}") from None
    return Spent(wall_ns, cpu_ns)


def rounds(
    python: Path, folders: tuple[Path, Path], module: str, count: int, *, seed: int, pinned: bool
) -> list[tuple[Spent, Spent]]:
    """So many pairs of rounds, base and head, whichever first; both processes hash alike."""
    draw = random.Random(seed)
    with ExitStack() as stack:
        children = [stack.enter_context(side(python, f, module, seed)) for f in folders]
        for child in children:
            if child.stdout is None or child.stdout.readline() != "ready\n":
                raise RuntimeError(f"{module}: the workload did not start")
        if pinned and hasattr(os, "sched_setaffinity"):
            core = {draw.choice(sorted(os.sched_getaffinity(0)))}
            for child in children:
                os.sched_setaffinity(child.pid, core)
        calls = _calls(children)
        return [_pair(children, calls, draw) for _ in range(count)]


def shift(
    python: Path, folders: tuple[Path, Path], module: str, *, blocks: int, pairs: int, seed: int
) -> Shift:
    """How far head moved: the mean over fresh process pairs of the median of their paired log ratios."""
    values = []
    for number in range(blocks):
        taken = rounds(python, folders, module, pairs, seed=seed + number, pinned=True)
        values.append(block_value(taken))
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Shift(statistics.fmean(values), error, blocks)


def block_value(taken: Sequence[tuple[Spent, Spent]]) -> float:
    """The median log ratio of the pairs, on the clock that sees what the workload does."""
    computing = sum(base.cpu_ns for base, _ in taken) / sum(base.wall_ns for base, _ in taken)
    if computing < CPU_SHARE:
        return statistics.median(math.log(head.wall_ns / base.wall_ns) for base, head in taken)
    return statistics.median(math.log(head.cpu_ns / base.cpu_ns) for base, head in taken)


def _calls(children: Sequence[subprocess.Popen[str]]) -> int:
    """How many calls make a round of `ROUND_NS`: what the faster of two tries on each side says."""
    tries = [min(ask(child, 1).wall_ns for _ in range(2)) for child in children]
    return max(1, min(MOST_CALLS, round(ROUND_NS / min(tries))))


def _pair(
    children: Sequence[subprocess.Popen[str]], calls: int, draw: random.Random
) -> tuple[Spent, Spent]:
    base, head = children
    if draw.random() < 0.5:
        first = ask(base, calls)
        return first, ask(head, calls)
    second = ask(head, calls)
    return ask(base, calls), second
