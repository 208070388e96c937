"""How many slowdowns a verdict on time finds after 16 and after 32 blocks, and how many false reds. No clock.

Run: python benchmarks/power_of_looks.py [--tries 400] [--spread 1.8] [--limit 5]

Blocks are drawn, not measured: log ratios with a normal spread, as much as a block differs on a quiet
machine (`block_noise.py`). `paired.decide`, which judges real blocks, asks for as many as it needs and
decides. A red counts only once fresh blocks have confirmed it; it is found after 16 blocks where the
look that raised the alarm had 16 or fewer. The rest is what the last two of `paired.LOOKS` are worth.
"""

import argparse
import math
import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from budgetguard.gate.inference import State
from budgetguard.gate.paired import LOOKS, LOOKS_AGAIN, Paired, decide

EARLY, LATE = 16, 32
TIMES_THE_LIMIT = (0.0, 1.0, 1.5, 2.0)
"""True changes: none, one that only reaches the limit, half a limit over it, and twice the limit."""
MOST_BLOCKS = LOOKS[-1] + LOOKS_AGAIN[-1]


def main() -> int:
    """Draw, decide and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--tries", type=int, default=400, help="of each change (default: 400)")
    reader.add_argument(
        "--spread", type=float, default=1.8, help="SD of a block, percent (default: 1.8)"
    )
    reader.add_argument("--limit", type=float, default=5.0, help="percent (default: 5)")
    reader.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    asked = reader.parse_args()
    limit, spread = asked.limit / 100, asked.spread / 100
    print(
        f"{asked.tries} verdicts of each change; limit {asked.limit:g} %, standard deviation of a block "
        f"{asked.spread:g} %, looks after {', '.join(map(str, LOOKS))} blocks\n"
    )
    columns = (f"red after {EARLY} blocks", f"red after {LATE} blocks", "green", "UNSETTLED")
    print(f"| true change | {' | '.join(columns)} | blocks, mean |\n|---|---|---|---|---|---|")
    for times in TIMES_THE_LIMIT:
        draw = random.Random(f"{asked.seed} {times}")
        row(times * limit, limit, spread, asked.tries, draw)
    return 0


def row(change: float, limit: float, spread: float, tries: int, draw: random.Random) -> None:
    """One line of the table: so many verdicts on one true change."""
    states: Counter[State] = Counter()
    early = blocks = 0
    for _ in range(tries):
        verdict, alarm = judged(change, limit, spread, draw)
        states[verdict.state] += 1
        early += verdict.state == "over" and alarm <= EARLY
        blocks += verdict.blocks
    shares = (early, states["over"], states["within"], states["open"])
    told = " | ".join(f"{number} ({number / tries:.1%})" for number in shares)
    print(f"| {change:.1%} | {told} | {blocks / tries:.1f} |")


def judged(change: float, limit: float, spread: float, draw: random.Random) -> tuple[Paired, int]:
    """One verdict, and after how many blocks it raised its alarm, if it did."""
    values: list[float] = []
    alarm = 0
    verdict = decide(values, limit)
    while verdict.state == "more" and len(values) <= MOST_BLOCKS:
        if verdict.confirming and not alarm:
            alarm = len(values)
        values += [draw.gauss(math.log1p(change), spread) for _ in range(verdict.more)]
        verdict = decide(values, limit)
    return verdict, alarm


if __name__ == "__main__":
    sys.exit(main())
