"""How near a found quality comes to its target, in how many encodes, and what it saves beside one for all.

Run: python -m benchmarks.image.quality [--target 75] [--few]

Each photograph in JPEG, WebP and AVIF: `Search.for_score`, beside a bisection of the qualities 1 to 100 at full size,
which finds the lowest that comes up to the target in seven encodes. The smallest quality that does so for every
picture is what a team would have to write into its settings; `adaptive` is what is saved beside it.
CPU is that of one thread, all decoding and scoring included.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from benchmarks.image.pictures import DRAWN, pictures
from budgetguard.image.decoding import Picture
from budgetguard.image.encoders import Encoding, Format, encode
from budgetguard.image.inspection import inspect
from budgetguard.image.scoring import Judge
from budgetguard.image.search import ROOM, Found, Search

T = TypeVar("T")
FORMATS: tuple[Format, ...] = ("jpeg", "webp", "avif")


@dataclass(frozen=True)
class Pair:
    """One picture in one format."""

    name: str
    format: Format
    score: float
    bytes: int
    encodes: int
    cpu_s: float
    exact_quality: int
    exact_bytes: int
    bisection_s: float
    reached: bool
    """Whether the format comes up to the target at all: of drawn pictures 4:2:0 may not."""


def main() -> int:
    """Measure and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--target", type=float, default=75.0, help="a score (default: 75)")
    reader.add_argument("--few", action="store_true", help="four pictures only")
    asked = reader.parse_args()
    all_of_them = pictures()
    names = list(all_of_them)[:4] if asked.few else list(all_of_them)
    held = {name: _picture(all_of_them[name]) for name in names}
    pairs = []
    for name in names:
        for one in FORMATS:
            print(f"{name} {one}", file=sys.stderr, flush=True)
            pairs.append(_measured(name, held[name], one, asked.target))
    print(
        f"target {asked.target:g}, {len(names)} pictures of {_megapixels(held):.1f} megapixels together\n"
    )
    _near(pairs, asked.target)
    print()
    _one_for_all(pairs, held)
    return 0


def _picture(image: Image.Image) -> Picture:
    import io

    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return Picture((image,), (), 0, inspect(stream.getvalue()))


def _megapixels(held: dict[str, Picture]) -> float:
    return sum(one.size[0] * one.size[1] for one in held.values()) / 1e6


def _measured(name: str, picture: Picture, one: Format, target: float) -> Pair:
    how = Encoding(one)

    def ours() -> Found:
        return Search(picture, how, Judge(picture).score, lambda: None).for_score(target)

    found, cpu_s = _timed(ours)
    (quality, size), bisection_s = _timed(lambda: _bisected(picture, how, target))
    return Pair(
        name, one, found.trial.value, len(found.trial.data), found.encodes, cpu_s,
        quality, size, bisection_s, found.reached,
    )  # fmt: skip


def _timed(do: Callable[[], T]) -> tuple[T, float]:
    began = time.thread_time()
    return do(), time.thread_time() - began


def _bisected(picture: Picture, how: Encoding, target: float) -> tuple[int, int]:
    judge, low, high, size = Judge(picture), 1, 100, 0
    while low < high:
        middle = (low + high) // 2
        data = encode(picture, how, middle)
        if judge.score(data) >= target:
            high, size = middle, len(data)
        else:
            low = middle + 1
    return high, size or len(encode(picture, how, high))


def _near(pairs: list[Pair], target: float) -> None:
    print(
        "| format | photographs | within 1.5 above | under | full-size encodes | CPU / bisection | bytes / exact | worst above |"
    )
    print("|---|---|---|---|---|---|---|---|")
    taken = [pair for pair in pairs if pair.name not in DRAWN and pair.reached]
    for one in (*FORMATS, ""):
        some = [pair for pair in taken if one in ("", pair.format)]
        near = sum(0 <= pair.score - target <= ROOM for pair in some)
        under = sum(pair.score < target for pair in some)
        cpu = sum(pair.cpu_s for pair in some) / sum(pair.bisection_s for pair in some)
        size = statistics.geometric_mean(pair.bytes / pair.exact_bytes for pair in some)
        encodes = statistics.fmean(pair.encodes for pair in some)
        most = max(pair.score - target for pair in some)
        print(
            f"| {one or '**all**'} | {len(some)} | {near / len(some):.0%} | {under} | {encodes:.2f} "
            f"| {cpu:.2f} | {size:.3f} | {most:+.2f} |"
        )
    missed = [f"{pair.name} {pair.format}" for pair in pairs if not pair.reached]
    if missed:
        print(f"\nnot reached at any quality: {', '.join(missed)}")
    drawn = [
        f"{pair.name} {pair.format} {pair.score:.1f}"
        for pair in pairs
        if pair.name in DRAWN and pair.reached
    ]
    print(f"\ndrawn ones, by a lossy encoder all the same: {', '.join(drawn) or 'none reached'}")


def _one_for_all(pairs: list[Pair], held: dict[str, Picture]) -> None:
    print(
        "| format | smallest quality for all | qualities found | adaptive bytes / one quality | CPU ms a megapixel |"
    )
    print("|---|---|---|---|---|")
    for one in FORMATS:
        some = [
            pair for pair in pairs if pair.format == one and pair.name not in DRAWN and pair.reached
        ]
        highest = max(pair.exact_quality for pair in some)
        ratios = [
            pair.bytes / len(encode(held[pair.name], Encoding(one), highest)) for pair in some
        ]
        per_mp = (
            1000
            * sum(pair.cpu_s for pair in some)
            / _megapixels({pair.name: held[pair.name] for pair in some})
        )
        lowest = min(pair.exact_quality for pair in some)
        print(
            f"| {one} | {highest} | {lowest} to {highest} | {statistics.geometric_mean(ratios):.3f} | {per_mp:.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
