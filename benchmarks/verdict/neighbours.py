"""Other work on the machine while something is measured: a memory hog, two neighbours that come in bursts.

Each neighbour is a process that ends by itself: after its time, or when the one that started it is gone.

    python neighbours.py hog|burst SECONDS SEED PARENT
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

REGIMES = {"quiet": (), "hog": ("hog",), "bursty": ("burst", "burst")}
HOG_BYTES, LINE_BYTES = 192 * 1024 * 1024, 64
BURST_S, PAUSE_S = (0.02, 0.6), (0.02, 0.8)
LONGEST_S, END_S = 1800.0, 10.0


@contextmanager
def regime(name: str, seed: int) -> Iterator[None]:
    """Let the neighbours of a regime work until the block is left, or until `LONGEST_S`."""
    started = [start(kind, seed + number) for number, kind in enumerate(REGIMES[name])]
    try:
        yield
    finally:
        for child in started:
            child.terminate()
        for child in started:
            child.wait(END_S)


def start(kind: str, seed: int, seconds: float = LONGEST_S) -> subprocess.Popen[bytes]:
    """One neighbour in a process of its own."""
    command = [sys.executable, "-I", __file__, kind, str(seconds), str(seed)]
    command.append(str(os.getpid()))
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def alive(parent: int, until_s: float) -> bool:
    """Whether a neighbour may go on."""
    return time.monotonic() < until_s and os.getppid() == parent


def hog(parent: int, until_s: float) -> None:
    """Walk through more memory than any cache holds, without a pause."""
    memory = bytearray(HOG_BYTES)
    page = bytes(HOG_BYTES // 16)
    while alive(parent, until_s):
        for start_byte in range(0, HOG_BYTES, len(page)):
            memory[start_byte : start_byte + len(page)] = page
        memory[::LINE_BYTES].count(1)


def burst(parent: int, until_s: float, draw: random.Random) -> None:
    """Work and rest in turns of random length."""
    while alive(parent, until_s):
        end_s = time.monotonic() + draw.uniform(*BURST_S)
        while time.monotonic() < end_s:
            sorted(draw.random() for _ in range(2000))
        time.sleep(draw.uniform(*PAUSE_S))


def main() -> None:
    kind, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    until_s = time.monotonic() + min(seconds, LONGEST_S)
    parent = int(sys.argv[4])  # told, not asked for: the one that started us may be gone by now
    if kind == "hog":
        hog(parent, until_s)
    else:
        burst(parent, until_s, random.Random(seed))


if __name__ == "__main__":
    main()
