"""The quality of an encoder at which a picture comes up to its target, in as few encodes as it takes.

A score is looked for on a half-size copy first, where an encode costs a quarter; how an encoder's score
there differs from that at full size is known well enough to start beside the answer. At full size the
slope found on the copy leads on, then the line between the nearest misses on both sides.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from PIL import Image

from budgetguard.image.decoding import Picture
from budgetguard.image.encoders import Encoding, Format, encode
from budgetguard.image.scoring import Judge

BEST, WORST = 100, 1
ROOM = 1.5
"""A score this far over its target is near enough; the next lower quality may be under it."""
AIM = 0.6
"""How far over its target a guess aims: under it nothing counts, and `ROOM` is the end of what is near."""
NEAR_BYTES = 0.03
"""Bytes this far under their budget, as a share of it, are near enough."""
_MOST_AT_FULL_SIZE = 8
_MOST_ON_THE_COPY = 3
_NEAR_ON_THE_COPY = 1.0
_SMALLEST_COPIED = 96 * 96
"""A picture of fewer pixels is not halved: its own encode costs nothing."""


class _Prior(NamedTuple):
    """What is expected of an encoder before anything is known of the picture."""

    quality: float
    """At which a picture scores 75."""
    slope: float
    """Points of the score for one of quality there."""
    copy: float
    """How much higher a half-size copy scores at the same quality."""
    grain: int
    """Qualities nearer to each other than this are often the same to the encoder."""


_PRIORS: Mapping[Format, _Prior] = {
    "jpeg": _Prior(73, 0.59, -0.6, 1),
    "webp": _Prior(81, 0.84, 1.1, 1),
    "avif": _Prior(57, 0.75, -0.2, 2),
    "png": _Prior(100, 1.0, 0.0, 1),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One encode at full size."""

    quality: int
    data: bytes
    value: float
    """Its score, or its bytes where those are looked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best trial, how many there were, and whether it comes up to the target."""

    trial: Trial
    encodes: int
    reached: bool


class Search:
    """The qualities of one picture in one format.

    `value` is what is looked for in encoded bytes: their score, or how many they are; `tick` is called
    before each encode, and may raise. `start` is a quality that was right for a picture much like it.
    """

    def __init__(
        self,
        picture: Picture,
        how: Encoding,
        value: Callable[[bytes], float],
        tick: Callable[[], None],
        start: int | None = None,
    ) -> None:
        self._picture, self._how, self._value, self._tick = picture, how, value, tick
        self._start = start
        self._trials: dict[int, Trial] = {}
        self._slope = _PRIORS[how.format].slope

    def for_score(self, target: float) -> Found:
        """The lowest quality that scores `target`, or one at most `ROOM` above it."""
        quality = self._guess(target)
        while len(self._trials) < _MOST_AT_FULL_SIZE:
            trial = self._tried(quality)
            if 0 <= trial.value - target <= ROOM:
                break
            following = self._next(target)
            if following in self._trials:
                break
            quality = following
        enough = [trial for trial in self._trials.values() if trial.value >= target]
        if not enough:
            return Found(max(self._trials.values(), key=_value), len(self._trials), reached=False)
        smallest = min(enough, key=lambda trial: len(trial.data))
        return Found(smallest, len(self._trials), reached=True)

    def for_bytes(self, most: int) -> Found:
        """The highest quality within `most` bytes, or one that leaves `NEAR_BYTES` of them."""
        low, high = WORST - 1, BEST + 1
        quality = round(_PRIORS[self._how.format].quality)
        while len(self._trials) < _MOST_AT_FULL_SIZE and high - low > 1:
            trial = self._tried(quality)
            if trial.value <= most:
                low = quality
                if trial.value >= most * (1 - NEAR_BYTES):
                    break
            else:
                high = quality
            quality = self._between_bytes(low, high, most)
        within = [trial for trial in self._trials.values() if trial.value <= most]
        if not within:
            return Found(min(self._trials.values(), key=_value), len(self._trials), reached=False)
        return Found(max(within, key=_rank), len(self._trials), reached=True)

    def at(self, quality: int) -> Trial:
        """A trial at a given quality."""
        return self._tried(quality)

    @property
    def encodes(self) -> int:
        """How many at full size there were."""
        return len(self._trials)

    def _tried(self, quality: int) -> Trial:
        if quality not in self._trials:
            self._tick()
            data = encode(self._picture, self._how, quality)
            self._trials[quality] = Trial(quality, data, self._value(data))
        return self._trials[quality]

    def _guess(self, target: float) -> int:
        """Where to start: by the half-size copy, or by what is usual."""
        if self._start is not None:
            return self._start
        prior = _PRIORS[self._how.format]
        usual = prior.quality + (target + AIM - 75) / prior.slope
        if self._copy is None:
            return _quality(usual)
        wanted = target + AIM + prior.copy
        quality, seen = _quality(usual), {}
        for _ in range(_MOST_ON_THE_COPY):
            self._tick()
            seen[quality] = self._copy_judge.score(encode(self._copy, self._how, quality))
            missing = wanted - seen[quality]
            self._slope = _slope(seen, self._slope)
            if abs(missing) <= _NEAR_ON_THE_COPY:
                return _quality(quality + missing / self._slope)
            quality = _quality(quality + missing / self._slope)
            if quality in seen:
                return quality
        return quality

    def _next(self, target: float) -> int:
        """The next quality to try: between the misses on both sides, or along the slope from one."""
        under = max((t for t in self._trials.values() if t.value < target), default=None, key=_rank)
        over = min((t for t in self._trials.values() if t.value >= target), default=None, key=_rank)
        if under and over:
            if over.quality - under.quality <= _PRIORS[self._how.format].grain:
                return over.quality
            share = (target + AIM - under.value) / max(over.value - under.value, 1e-9)
            inside = under.quality + share * (over.quality - under.quality)
            return min(max(round(inside), under.quality + 1), over.quality - 1)
        known = under or over
        assert known is not None  # noqa: S101  # the loop has tried one
        step = (target + AIM - known.value) / self._slope
        away = max(round(abs(step)), 1)
        return _quality(known.quality + math.copysign(away, step))

    def _between_bytes(self, low: int, high: int, most: int) -> int:
        """Along the line of log(bytes) between the nearest on both sides, else halfway."""
        under, over = self._trials.get(low), self._trials.get(high)
        middle = (max(low, WORST) + min(high, BEST) + 1) // 2
        if under and over:
            span = math.log(over.value / under.value)
            share = math.log(most / under.value) / span if span > 0 else 0.5
            middle = low + math.floor(share * (high - low))
        return min(max(middle, low + 1), high - 1)

    @cached_property
    def _copy(self) -> Picture | None:
        width, height = self._picture.size
        if width * height < _SMALLEST_COPIED or self._picture.animated:
            return None
        half = self._picture.still.resize((width // 2, height // 2), Image.Resampling.BOX)
        return replace(self._picture, frames=(half,))

    @cached_property
    def _copy_judge(self) -> Judge:
        assert self._copy is not None  # noqa: S101  # asked where there is one
        return Judge(self._copy)


def _rank(trial: Trial) -> int:
    return trial.quality


def _value(trial: Trial) -> float:
    return trial.value


def _quality(wanted: float) -> int:
    return min(max(round(wanted), WORST), BEST)


def _slope(seen: Mapping[int, float], usual: float) -> float:
    """Points a step between the last two qualities tried, where they tell a believable one."""
    if len(seen) < 2:
        return usual
    (q0, s0), (q1, s1) = list(seen.items())[-2:]
    found = (s1 - s0) / (q1 - q0)
    return min(max(found, usual / 3), usual * 3)
