"""What `budgetguard check` takes beside the load itself, and what locust alone takes.

    python -m benchmarks.load.overhead [--rounds 3] [--seconds 5]

Told is the wall time of the whole command without the seconds of load. That of budgetguard has the
start and the end of the app in it; locust alone finds it running. Both in turn, in every round.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.load.generators import ended
from benchmarks.load.project import Load, check, tree
from benchmarks.load.serving import latency_server
from benchmarks.start_up import machine_line
from benchmarks.verdict.projects import two_commits

WARMUP_S = 1.0
USERS = 10


def main() -> None:
    """Run both in turn, and print what they took over the load."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    reader.add_argument("--seconds", type=float, default=5.0, help="of load (default: 5)")
    asked = reader.parse_args()
    load = Load(
        limit="p95 <= 5 s",
        seconds=asked.seconds - WARMUP_S,
        warmup_s=WARMUP_S,
        users=USERS,
        options="--mode constant",
    )
    over_s: dict[str, list[float]] = {"`budgetguard check`": [], "locust alone": []}
    with tempfile.TemporaryDirectory(prefix="load-overhead-") as made:
        files = tree(load)
        folder = two_commits(Path(made).resolve() / "shop", files, files).folder
        for _ in range(asked.rounds):
            over_s["`budgetguard check`"].append(check(folder).took_s - asked.seconds)
            over_s["locust alone"].append(alone_s(folder, asked.seconds) - asked.seconds)
    print(f"{machine_line()}; {asked.rounds} rounds of {asked.seconds:g} s of load\n")
    print("| command | seconds over the load, median | least | most |\n|---|--:|--:|--:|")
    for name, took_s in over_s.items():
        print(f"| {name} | {median(took_s):.2f} | {min(took_s):.2f} | {max(took_s):.2f} |")


def alone_s(folder: Path, seconds: float) -> float:
    """What the same run takes with locust alone."""
    command = [sys.executable, "-m", "locust", "-f", folder / "locustfile.py", "--headless"]
    command += ["--only-summary", "--users", USERS, "--spawn-rate", USERS]
    with latency_server("constant") as url:
        began_s = time.monotonic()
        ended([*command, "--run-time", f"{seconds:.0f}s", "--host", url], seconds)
        return time.monotonic() - began_s


if __name__ == "__main__":
    main()
