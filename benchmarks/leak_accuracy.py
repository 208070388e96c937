"""False alarms, finds and CPU of `budgetguard.monitoring.leaks.measure`, as Markdown.

    python benchmarks/leak_accuracy.py [SEEDS]      # 3 seeds by default; about a minute

The calls are those of tests/monitoring/leak_cases.py: synthetic, with realistic warm-up.
"""

import importlib.util
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from budgetguard.monitoring.leaks import measure

CASES = Path(__file__).parents[1] / "tests" / "monitoring" / "leak_cases.py"
LIMIT_S = 150.0
FIRST_SEED = 1000  # not the seeds that the rules were tuned with


def load_cases():
    """Import the cases from their file: tests are no package."""
    spec = importlib.util.spec_from_file_location("leak_cases", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {make.__name__: make for make in module.BENIGN}, module.LEAKING


def judged(make, seed):
    """One verdict and its CPU seconds."""
    call = make(random.Random(seed))
    began_s = time.process_time()
    try:
        leak = measure(call, time_limit_s=5.0)
    finally:
        getattr(call, "close", lambda: None)()
    return leak, time.process_time() - began_s


def run(title, table, seeds, until_s):
    """Judge a table with all seeds and print a row per case."""
    print(f"### {title}\n\n| call | leak | undecided | clean | B per call | suspect | CPU s |")
    print("|---|---|---|---|---|---|---|")
    total, every_cpu_s = Counter(), []
    for name, make in table.items():
        if time.monotonic() > until_s:
            print(f"| {name} and the rest: not run, time is over | | | | | | |")
            break
        runs = [judged(make, seed) for seed in seeds]
        count = Counter(leak.verdict for leak, _ in runs)
        cpu_s = [cpu for _, cpu in runs]
        total += count
        every_cpu_s += cpu_s
        last = runs[-1][0]
        first = last.suspects[0] if last.suspects and count["leak"] else ""
        counts = " | ".join(str(count[v]) for v in ("leak", "undecided", "clean"))
        rate = f"{last.bytes_per_call:.0f} [{last.low:.0f}, {last.high:.0f}]"
        print(f"| {name} | {counts} | {rate} | {first} | {statistics.median(cpu_s):.2f} |")
    counts = " | ".join(str(total[v]) for v in ("leak", "undecided", "clean"))
    cpu = f"median {statistics.median(every_cpu_s):.2f}, max {max(every_cpu_s):.2f}"
    print(f"| **all {len(every_cpu_s)}** | {counts} | | | {cpu} |\n")


def main():
    """Run both tables within the time limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    until_s = time.monotonic() + LIMIT_S
    benign, leaking = load_cases()
    run("Benign: every `leak` is a false alarm", benign, seeds, until_s)
    run("Leaking: every `clean` is a miss", leaking, seeds, until_s)


if __name__ == "__main__":
    main()
