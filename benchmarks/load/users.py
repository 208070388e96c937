"""How many users one machine can be: what is reached, what it costs, and when the run is UNSETTLED.

    python -m benchmarks.load.users [--seconds 15] [--users 500 1200 2000]

Users think for 0.5 to 1.5 s between two requests to a server that answers after 20 ms, so that each of
them asks for 0.98 requests a second. The server runs on the same machine, and takes its part of it.
CPU is that of the generator, in cores; "late" is how late it was when it wanted to be woken. What p95 is
over that of the server is not the server's: the generator's own, or that of a machine with too few cores.
"""

import argparse
import sys
from collections.abc import Iterator

from benchmarks.load.generators import LOCUSTFILES
from benchmarks.load.serving import latency_server, quantiles, took_s
from benchmarks.start_up import machine_line
from budgetguard.gate.targets.load.generator import Generator, generate
from budgetguard.gate.targets.load.profiles import Plan, staged
from budgetguard.gate.targets.load.seconds import Window, merged
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.gate.targets.load.traffic import Stage, Traffic
from budgetguard.gate.targets.load.trust import saturated

KINDS = {"FastHttpUser": "thinking_fast.py", "HttpUser": "thinking_http.py"}
USERS = (500, 1200, 2000)
THINKING_S, DELAY_S = 1.0, 0.020
COLUMNS = (
    "class",
    "users",
    "reached",
    "requests/s",
    "of asked",
    "failed",
    "p50 ms",
    "p95 ms",
    "p95 of the server",
    "CPU",
    "RSS MB",
    "late p95 ms",
    "the run is",
)


def main() -> None:
    """Load with each class of user and each number of them, and print a row for each."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--seconds", type=float, default=15.0, help="of each run (default: 15)")
    reader.add_argument("--users", type=int, nargs="+", default=USERS, help="how many at a time")
    asked = reader.parse_args()
    print(f"{machine_line()}; {asked.seconds:.0f} s each, after a warm-up\n")
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 2)}---|", flush=True)
    for kind in KINDS:
        for users in asked.users:
            plan = staged([Stage(users=users, seconds=asked.seconds)])
            print(f"| {kind} | {users} | {' | '.join(cells(kind, users, plan))} |", flush=True)


def cells(kind: str, users: int, plan: Plan) -> Iterator[str]:
    """What so many users of a class reached; raises `RuntimeError` for a run that is no measurement."""
    window, served_s = loaded(kind, plan)
    tally = window.tally()
    asked_per_s = users / (THINKING_S + DELAY_S)
    reached_per_s = tally.count / window.length_s
    cpu_s = sum(one.cpu * one.seconds for one in window.seconds)
    late_s = Tally.of(one.lag for one in window.seconds).quantile_s(0.95)
    yield f"{max(one.users for one in window.seconds)}"
    yield f"{reached_per_s:.0f}"
    yield f"{reached_per_s / asked_per_s:.0%}"
    yield f"{tally.failed / tally.count:.1%}"
    yield f"{tally.quantile_s(0.5) * 1000:.0f}"
    yield f"{tally.quantile_s(0.95) * 1000:.0f}"
    yield f"{quantiles(served_s)[0.95] * 1000:.0f}"
    yield f"{cpu_s / window.length_s:.2f}"
    yield f"{max(one.rss_bytes for one in window.seconds) / 1e6:.0f}"
    yield f"{late_s * 1000:.3g}"
    why = saturated(window, users)
    yield f"UNSETTLED: {why.partition(':')[0]}" if why else "judged"


def loaded(kind: str, plan: Plan) -> tuple[Window, list[float]]:
    """One run without its warm-up, and how many seconds the server had each request."""
    file = LOCUSTFILES / KINDS[kind]
    generator = Generator(python=sys.executable, folder=LOCUSTFILES, locustfile=file)
    with latency_server("constant", "--delay-ms", f"{DELAY_S * 1000:g}") as url:
        run = generate(generator, Traffic(host=url, stages=plan.stages))
        served_s = took_s(url)
    if run.problem:
        raise RuntimeError("\n".join([run.problem, *run.evidence]))
    return Window.of(merged(run.intervals), plan.warmup_s), served_s


if __name__ == "__main__":
    main()
