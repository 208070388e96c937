"""The score: how far from the reference's values, and its CPU beside the package `ssimulacra2` of PyPI.

Run: python -m benchmarks.image.score [--rounds 5]

The golden values are those of tests/image/golden, printed by the reference implementation. The package is installed
into .benchmarks/image/peer, for it brings scipy. CPU is that of one thread, of one score of a megapixel, in turn.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.image.pictures import FOLDER
from budgetguard.image.ssimulacra2 import Reference, ssimulacra2

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "image" / "golden"
_PEER = "ssimulacra2==0.3.0"


def main() -> int:
    """Measure and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--rounds", type=int, default=5, help="scores of each (default: 5)")
    asked = reader.parse_args()
    peer = _peer()
    errors: dict[str, list[float]] = {"ours": [], "ssimulacra2 of PyPI": []}
    for pair in json.loads((GOLDEN / "scores.json").read_text()):
        one, two = (GOLDEN / pair[key] for key in ("reference", "distorted"))
        errors["ours"].append(ssimulacra2(_pixels(one), _pixels(two)) - pair["ssimulacra2"])
        errors["ssimulacra2 of PyPI"].append(peer(str(one), str(two)) - pair["ssimulacra2"])
    print("| | pairs | mean error | lowest | highest | beyond 0.6 |\n|---|---|---|---|---|---|")
    for name, found in errors.items():
        beyond = sum(abs(error) > 0.6 for error in found)
        print(
            f"| {name} | {len(found)} | {statistics.fmean(found):+.3f} | {min(found):+.2f} | {max(found):+.2f} | {beyond} |"
        )
    print()
    _times(peer, asked.rounds)
    return 0


def _times(peer, rounds: int) -> None:
    draw = np.random.default_rng(1)
    smooth = Image.fromarray(draw.integers(0, 255, (64, 65, 3), np.uint8)).resize(
        (1020, 1000), Image.Resampling.BICUBIC
    )
    one, two = FOLDER / "one.png", FOLDER / "two.png"
    smooth.save(one)
    smooth.save(FOLDER / "two.jpg", quality=50)
    with Image.open(FOLDER / "two.jpg") as image:
        image.save(two)
    first, second = _pixels(one), _pixels(two)
    reference = Reference(first)
    reference.score(second)
    ways = {
        "ours": lambda: ssimulacra2(first, second),
        "ours, of an original that is known": lambda: reference.score(second),
        "ssimulacra2 of PyPI": lambda: peer(str(one), str(two)),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            spent[name].append(time.process_time() - began)
    best = {name: min(took) for name, took in spent.items()}
    print("| a score of 1.02 megapixels | CPU ms | ratio |\n|---|---|---|")
    for name, took in best.items():
        print(f"| {name} | {1000 * took:.0f} | {took / best['ssimulacra2 of PyPI']:.3f} |")


def _peer():
    """The package's function, from a folder of its own."""
    folder = FOLDER / "peer"
    if not folder.is_dir():
        run = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _PEER]
        subprocess.run(run, check=True, timeout=600)
    sys.path.append(str(folder))
    from ssimulacra2 import compute_ssimulacra2

    return compute_ssimulacra2


def _pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


if __name__ == "__main__":
    sys.exit(main())
