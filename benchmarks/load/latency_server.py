"""An HTTP server whose every delay is known, so that a load generator's figures can be held against it.

    python latency_server.py --port 8000 --mode lognormal --seed 1 [--slower 1.2] [--cpu-ms 2]

lognormal  median 40 ms, sigma 0.6, at most 0.5 s
bimodal    10 ms, and 200 ms for one request in ten
stall      2 ms, but nothing is answered to what arrives in the last second of every four before it is over
constant   --delay-ms

The n-th request gets the n-th delay of the seed. Every path is alike but /truth, which tells the delays
that were meant and those that came of it, for the last 200 000 requests: {"served": number,
"planned_s": [...], "took_s": [...]}. It listens on 127.0.0.1 only, speaks HTTP/1.1 with keep-alive, and
is a single file of the standard library, which may be copied; with uvloop it costs less CPU.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import itertools
import json
import math
import random
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

MODES = ("lognormal", "bimodal", "stall", "constant")
MEDIAN_S, SIGMA, LONGEST_S = 0.040, 0.6, 0.5
QUICK_S, SLOW_S, SLOW_SHARE = 0.010, 0.200, 0.1
STALL_DELAY_S, FREEZE_S, CYCLE_S = 0.002, 1.0, 4.0
KEPT_REQUESTS = 200_000
LONGEST_REQUEST_BYTES = 1 << 20
BACKLOG = 4096  # thousands of users may connect within a second

REQUEST = re.compile(rb"[A-Z]+ (\S+) HTTP/1\.([01])\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def delays_s(mode: str, seed: int, constant_s: float = 0.020) -> Iterator[float]:
    """The endless delays of a mode in seconds, always the same for one seed."""
    draw = random.Random(seed)
    if mode == "lognormal":
        while True:
            yield min(LONGEST_S, draw.lognormvariate(math.log(MEDIAN_S), SIGMA))
    if mode == "bimodal":
        while True:
            yield SLOW_S if draw.random() < SLOW_SHARE else QUICK_S
    yield from itertools.repeat(STALL_DELAY_S if mode == "stall" else constant_s)


def until_thaw_s(elapsed_s: float) -> float:
    """How long a freeze still lasts so many seconds after the start; 0 outside of one."""
    phase_s = elapsed_s % CYCLE_S
    return CYCLE_S - phase_s if phase_s >= CYCLE_S - FREEZE_S else 0.0


def burn(seconds: float) -> None:
    """Spend so much CPU time of this thread."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


@dataclass(frozen=True, slots=True)
class Request:
    """What the server has to know of a request; `last` of its connection if the client says so."""

    path: bytes
    last: bool
    length_bytes: int


def first_of(unread: bytes) -> Request | None:
    """The first request, if it is complete; raises `ValueError` for what is none of HTTP/1."""
    head, complete, rest = unread.partition(b"\r\n\r\n")
    if len(unread) > LONGEST_REQUEST_BYTES:
        raise ValueError("a request is too long")
    if not complete:
        return None
    line = REQUEST.match(head + b"\r\n")
    if not line:
        raise ValueError("no request line")
    length = LENGTH.search(head)
    body_bytes = int(length[1]) if length else 0
    if len(rest) < body_bytes:
        return None
    last = line[2] == b"0" or CLOSE.search(head) is not None
    return Request(line[1], last, len(head) + len(complete) + body_bytes)


class Delays:
    """What the server does to each request, and what it did."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._next_s = delays_s(asked.mode, asked.seed, asked.delay_ms / 1000)
        self._slower: float = asked.slower
        self._cpu_s: float = asked.cpu_ms / 1000 * asked.slower
        self._freezes: bool = asked.mode == "stall"
        self._began_s = time.monotonic()
        self._served = 0
        self._planned_s: deque[float] = deque(maxlen=KEPT_REQUESTS)
        self._took_s: deque[float] = deque(maxlen=KEPT_REQUESTS)

    def of_next(self) -> float:
        """Burn the CPU of one request, and tell how many seconds its answer has to wait."""
        arrived_s = time.monotonic() - self._began_s
        delay_s = next(self._next_s) * self._slower
        if self._freezes:
            delay_s += until_thaw_s(arrived_s)
        burn(self._cpu_s)
        return delay_s

    def served(self, planned_s: float, took_s: float) -> None:
        """Note a request that is answered."""
        self._served += 1
        self._planned_s.append(planned_s)
        self._took_s.append(took_s)

    def truth(self) -> bytes:
        """All that is known, as JSON."""
        lists = {"planned_s": list(self._planned_s), "took_s": list(self._took_s)}
        return json.dumps({"served": self._served, **lists}).encode()


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._loop = asyncio.get_running_loop()
        self._unread = b""
        self._answering = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what the answers go to."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that left before its answer."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is complete."""
        self._unread += data
        if not self._answering:
            self._answer_next()

    def _answer_next(self) -> None:
        try:
            request = first_of(self._unread)
        except ValueError:
            self._leave()
            return
        if not request:
            return
        self._unread = self._unread[request.length_bytes :]
        self._answering = True
        if request.path == b"/truth":
            self._write(self._delays.truth(), last=request.last)
            return
        arrived_s = self._loop.time()
        delay_s = self._delays.of_next()
        self._loop.call_later(delay_s, self._answer, delay_s, arrived_s, request.last)

    def _answer(self, delay_s: float, arrived_s: float, last: bool) -> None:
        self._delays.served(delay_s, self._loop.time() - arrived_s)
        self._write(b"ready\n", last=last)

    def _write(self, body: bytes, *, last: bool) -> None:
        if not self._transport:
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        head += "Connection: close\r\n\r\n" if last else "\r\n"
        self._transport.write(head.encode() + body)
        if last:
            self._leave()
            return
        self._answering = False
        self._answer_next()

    def _leave(self) -> None:
        if self._transport:
            self._transport.close()


async def serve(asked: argparse.Namespace) -> None:
    """Listen until the process is ended, and say where; raises `OSError` for a port that is taken."""
    loop = asyncio.get_running_loop()
    delays = Delays(asked)
    server = await loop.create_server(
        lambda: Connection(delays), "127.0.0.1", asked.port, backlog=BACKLOG
    )
    host, port = server.sockets[0].getsockname()[:2]
    print(f"listening on http://{host}:{port}", flush=True)
    await server.serve_forever()


def arguments() -> argparse.ArgumentParser:
    """What the command line takes."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--port", type=int, default=0, help="0 takes a free one, and tells it")
    reader.add_argument("--mode", choices=MODES, default="constant")
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--slower", type=float, default=1.0, help="multiplies delays and CPU time")
    reader.add_argument("--delay-ms", type=float, default=20.0, help="of the mode constant")
    reader.add_argument("--cpu-ms", type=float, default=0.0, help="CPU time spent on each request")
    return reader


def main() -> int:
    """Serve until interrupted; the exit code is 1 when the port is taken."""
    asked = arguments().parse_args()
    factory = None
    if importlib.util.find_spec("uvloop"):
        factory = importlib.import_module("uvloop").new_event_loop
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        try:
            runner.run(serve(asked))
        except OSError as error:
            print(f"127.0.0.1:{asked.port}: {error.strerror}; take another --port", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
