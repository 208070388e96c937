"""The latency server as a process of its own, and what it says afterwards."""

import json
import math
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).with_name("latency_server.py")
QUANTILES = (0.5, 0.9, 0.95, 0.99)
SEED = 20
TRUTH_TIMEOUT_S = 30.0


@contextmanager
def latency_server(mode: str, *options: str) -> Iterator[str]:
    """Serve on a free port until the block is left; yields the URL."""
    command = [sys.executable, str(SCRIPT), "--mode", mode, "--seed", str(SEED), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            told = server.stdout.readline() if server.stdout else ""
            found = re.fullmatch(r"listening on (\S+)\n", told)
            if not found:
                raise RuntimeError(f"{SCRIPT.name} did not start: {told}")
            yield found[1]
        finally:
            server.kill()


def took_s(url: str) -> list[float]:
    """How long the server at `url` had each request that it answered, in seconds."""
    with urllib.request.urlopen(f"{url}/truth", timeout=TRUTH_TIMEOUT_S) as answer:
        taken: list[float] = json.load(answer)["took_s"]
    return taken


def quantiles(values: Sequence[float]) -> dict[float, float]:
    """The smallest of `values` that a share of them does not exceed, for each of `QUANTILES`."""
    ordered = sorted(values)
    return {q: ordered[math.ceil(q * len(ordered)) - 1] for q in QUANTILES if ordered}
