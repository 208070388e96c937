"""How many slowdowns a verdict on time finds, and how many false reds, by how much blocks differ. No clock.

Run: python benchmarks/power_of_looks.py [--tries 2000] [--spreads 1.8 3 4.5] [--limit 5]

Blocks are drawn, not measured: log ratios with a normal spread, from that of a quiet machine to that of
threads and neighbours (`block_noise.py`). `paired.decide`, which judges real blocks, asks for as many as it
needs and decides. A red counts only once fresh blocks have confirmed it; it is found early where the look
that raised the alarm had 16 blocks or fewer. The rest is what the later ones of `paired.LOOKS` are worth.
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

EARLY = 16
TIMES_THE_LIMIT = (0.0, 0.5, 1.0, 1.5, 2.0)
"""True changes: none, half the limit, one that only reaches it, half a limit over it, twice the limit."""
MOST_BLOCKS = LOOKS[-1] + LOOKS_AGAIN[-1]


def main() -> int:
    """Draw, decide and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--tries", type=int, default=2000, help="of each change (default: 2000)")
    reader.add_argument(
        "--spreads",
        type=float,
        nargs="+",
        default=[1.8, 3.0, 4.5],
        help="standard deviations of a block, percent (default: 1.8 3 4.5)",
    )
    reader.add_argument("--limit", type=float, default=5.0, help="percent (default: 5)")
    reader.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    asked = reader.parse_args()
    limit = asked.limit / 100
    print(
        f"{asked.tries} verdicts of each row; limit {asked.limit:g} %, looks after "
        f"{', '.join(map(str, LOOKS))} blocks, to confirm after {', '.join(map(str, LOOKS_AGAIN))}\n"
    )
    columns = ("red", f"alarm by {EARLY} blocks", "green", "UNSETTLED", "blocks, mean")
    print(
        f"| blocks differ by | true change | {' | '.join(columns)} |\n|---|---|---|---|---|---|---|"
    )
    for spread in asked.spreads:
        for times in TIMES_THE_LIMIT:
            draw = random.Random(f"{asked.seed} {spread} {times}")
            row(times * limit, limit, spread / 100, asked.tries, draw)
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
    shares = (states["over"], early, states["within"], states["open"])
    told = " | ".join(f"{number / tries:.2%}" if number else "0" for number in shares)
    print(f"| {spread:.1%} | {change:.1%} | {told} | {blocks / tries:.1f} |", flush=True)


def judged(change: float, limit: float, spread: float, draw: random.Random) -> tuple[Paired, int]:
    """One verdict, and after how many blocks it raised its alarm, if it did."""
    values: list[float] = []
    alarm = 0
    verdict = decide(values, limit)
    while verdict.state == "more" and len(values) <= MOST_BLOCKS:
        if verdict.confirming and not alarm:
            alarm = verdict.blocks
        values += [draw.gauss(math.log1p(change), spread) for _ in range(verdict.more)]
        verdict = decide(values, limit)
    return verdict, alarm


if __name__ == "__main__":
    sys.exit(main())
