"""`optimize`: a picture in the fewest bytes that come up to a target."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image

from budgetguard.image.decoding import Picture, decode
from budgetguard.image.encoders import FORMATS, Effort, Encoding, Format, can_hold, encode
from budgetguard.image.errors import ImageError, OutputTooLarge, TargetUnreachable, TimeLimit
from budgetguard.image.inspection import Source
from budgetguard.image.limits import LIMITS, Limits
from budgetguard.image.scoring import Judge
from budgetguard.image.search import BEST, Found, Search
from budgetguard.image.variant import Target, Variant
from budgetguard.units import Unit, show

DEFAULT = Target("score", 75)
_FLAT_COLOURS = 4096
"""A picture of fewer colours is drawn, not taken: it is tried without loss, too."""
_PIXELS_PER_COLOUR = 8
_HIGH_QUALITY = 85
"""From here on a JPEG is tried with all its colours, too."""
_FLOOR_STEPS = 6
_FLOOR_STEP = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of every picture of a call."""

    target: Target = DEFAULT
    floor: float | None = None
    """What the worst part of a picture has to score."""
    effort: Effort = "balanced"
    limits: Limits = LIMITS
    start: int | None = None
    """A quality to begin with, such as that of another width."""


def optimize(  # noqa: PLR0913  # each is one wish of a caller, by its name
    source: Source,
    *,
    format: Format | Literal["auto"] = "auto",  # noqa: A002  # the word of the domain
    formats: Sequence[Format] = FORMATS,
    width: int | None = None,
    target: Target = DEFAULT,
    floor: float | None = None,
    effort: Effort = "balanced",
    limits: Limits = LIMITS,
) -> Variant:
    """The smallest encoding of a picture that comes up to `target`, in one format or the best of `formats`.

    Of those within a target in bytes it is the one that looks best. `width` is in pixels; a picture is
    never made larger than it is. `floor` is a score that its worst part has to have as well. Whatever
    comes out was encoded anew, without any metadata, and is no larger than a source of its size, if need
    be at a lower score. Raises a `RefusedImage` for what is not taken, `TargetUnreachable`,
    `OutputTooLarge`, `TimeLimit`.
    """
    clock = Clock(limits.cpu_s)
    picture = resized(decode(source, limits=limits), width, limits)
    wish = Wish(target=target, floor=floor, effort=effort, limits=limits)
    wanted = tuple(formats) if format == "auto" else (format,)
    return best_of(picture, wanted, wish, clock)


_Make = Callable[[Picture, Encoding, Wish, Judge, "Clock"], Variant]


class Clock:
    """The CPU that one picture takes, which has an end."""

    def __init__(self, most_s: float, now: Callable[[], float] = time.thread_time) -> None:
        self._most_s, self._now, self._began = most_s, now, now()

    @property
    def spent_s(self) -> float:
        """Since it was made, by this thread."""
        return self._now() - self._began

    def tick(self) -> None:
        """Raise `TimeLimit` where no more is left."""
        if self.spent_s > self._most_s:
            raise TimeLimit(
                f"over {show(self._most_s, Unit.SECONDS)} of CPU for one picture; "
                "ask for less effort, fewer formats or a smaller width, or allow more with cpu_s"
            )


def resized(picture: Picture, width: int | None, limits: Limits) -> Picture:
    """A picture at most `width` pixels wide, its form kept; raises `OutputTooLarge`."""
    full_width, full_height = picture.size
    if width is None or width >= full_width:
        _check_output(full_width, full_height, len(picture.frames), limits)
        return picture
    if width < 1:
        raise OutputTooLarge(f"a width of {width} px; expected at least 1")
    size = (width, max(round(full_height * width / full_width), 1))
    _check_output(*size, len(picture.frames), limits)
    frames = tuple(scaled(frame, size) for frame in picture.frames)
    return replace(picture, frames=frames)


def scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Lanczos; of a picture more than three times as large, after a mean that costs little."""
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _check_output(width: int, height: int, frames: int, limits: Limits) -> None:
    pixels = width * height * frames
    if pixels > limits.max_output_pixels:
        raise OutputTooLarge(
            f"{width} x {height} px{f' x {frames} frames' if frames > 1 else ''} are {pixels:,} pixels; "
            f"expected at most {limits.max_output_pixels:,}"
        )


def best_of(picture: Picture, formats: Sequence[Format], wish: Wish, clock: Clock) -> Variant:
    """The best variant of all formats that can hold a picture and come up to the target."""
    reasons = {one: can_hold(one, picture) for one in formats}
    able = [one for one in formats if not reasons[one]]
    if not able:
        told = "; ".join(f"{one}: {why}" for one, why in reasons.items())
        raise ImageError(f"no format that was asked for can hold it ({told})")
    judge = Judge(picture)
    found: list[Variant] = []
    missed: list[TargetUnreachable] = []
    for one in able:
        try:
            found += _variants(picture, Encoding(one, wish.effort), wish, judge, clock)
        except TargetUnreachable as error:
            missed.append(error)
    if not found:
        raise max(missed, key=_nearness)
    best = _chosen(found, wish.target)
    if best.bytes > picture.source.bytes and _is_as_large_as_its_source(picture):
        best = _within_the_source(picture, able, wish, judge, clock) or best
    return replace(best, cpu_s=clock.spent_s)


def _chosen(found: Sequence[Variant], target: Target) -> Variant:
    """The smallest; of those within a number of bytes the one that looks best."""
    if target.kind == "bytes":
        return max(found, key=lambda variant: variant.score or 0)
    return min(found, key=lambda variant: variant.bytes)


def _is_as_large_as_its_source(picture: Picture) -> bool:
    return picture.size == (picture.source.width_px, picture.source.height_px)


def _within_the_source(
    picture: Picture, formats: Sequence[Format], wish: Wish, judge: Judge, clock: Clock
) -> Variant | None:
    """The best in no more bytes than the source, which spent less on its own quality than was asked for."""
    if wish.target.kind != "score":
        return None
    within = replace(wish, target=Target.bytes(picture.source.bytes), floor=None, start=None)
    found = []
    for one in formats:
        with contextlib.suppress(TargetUnreachable):
            found += _variants(picture, Encoding(one, wish.effort), within, judge, clock)
    return _chosen(found, within.target) if found else None


def _variants(
    picture: Picture, how: Encoding, wish: Wish, judge: Judge, clock: Clock
) -> list[Variant]:
    """What one format comes up to the target with: with loss, without, or with all its colours."""
    if how.format == "png":
        return [_without_loss(picture, how, wish, judge, clock)]
    found: list[Variant] = []
    missed: list[TargetUnreachable] = []

    def attempt(make: _Make, way: Encoding) -> None:
        try:
            found.append(make(picture, way, wish, judge, clock))
        except TargetUnreachable as error:
            missed.append(error)

    attempt(_with_loss, how)
    # a lossy WebP and a usual JPEG keep every fourth colour, and some pictures are all colour
    if how.format == "webp" and not picture.animated and (not found or is_flat(picture.still)):
        attempt(_without_loss, replace(how, lossless=True))
    if how.format == "jpeg" and (not found or (found[0].quality or 0) >= _HIGH_QUALITY):
        attempt(_with_loss, replace(how, sharp_colours=True))
    if not found:
        raise max(missed, key=_nearness)
    return found


def _nearness(error: TargetUnreachable) -> float:
    return error.best.score or 0


def is_flat(image: Image.Image) -> bool:
    """Whether a picture has few colours for its size, as screenshots and line art do."""
    few = min(_FLAT_COLOURS, image.width * image.height // _PIXELS_PER_COLOUR)
    return image.getcolors(few) is not None


def _without_loss(
    picture: Picture, how: Encoding, wish: Wish, judge: Judge, clock: Clock
) -> Variant:
    clock.tick()
    data = encode(picture, how, BEST)
    variant = _variant(picture, how, data, None, judge.score(data), 1, clock)
    if wish.target.kind == "bytes" and variant.bytes > wish.target.value:
        raise _unreachable(variant, wish.target)
    return replace(variant, worst_tile=100.0) if wish.floor is not None else variant


def _with_loss(picture: Picture, how: Encoding, wish: Wish, judge: Judge, clock: Clock) -> Variant:
    value = len if wish.target.kind == "bytes" else judge.score
    search = Search(picture, how, value, clock.tick, wish.start)
    found = _looked_for(search, wish.target)
    worst, found = _above_floor(search, found, wish, judge)
    score = found.trial.value if wish.target.kind != "bytes" else judge.score(found.trial.data)
    variant = _variant(
        picture, how, found.trial.data, found.trial.quality, score, search.encodes, clock
    )
    variant = replace(variant, worst_tile=worst)
    if not found.reached:
        raise _unreachable(variant, wish.target)
    return variant


def _looked_for(search: Search, target: Target) -> Found:
    if target.kind == "score":
        return search.for_score(target.value)
    if target.kind == "bytes":
        return search.for_bytes(int(target.value))
    return Found(search.at(int(target.value)), 1, reached=True)


def _above_floor(
    search: Search, found: Found, wish: Wish, judge: Judge
) -> tuple[float | None, Found]:
    """Raise the quality until the worst part comes up to the floor; a byte budget is not left for it."""
    if wish.floor is None:
        return None, found
    worst = judge.worst_tile(found.trial.data)
    for _ in range(_FLOOR_STEPS):
        if worst >= wish.floor or found.trial.quality == BEST or wish.target.kind != "score":
            break
        step = max(round((wish.floor - worst) / 2), 1)
        trial = search.at(min(found.trial.quality + min(step, _FLOOR_STEP * 2), BEST))
        found, worst = replace(found, trial=trial), judge.worst_tile(trial.data)
    return worst, replace(found, reached=found.reached and worst >= wish.floor)


def _variant(
    picture: Picture,
    how: Encoding,
    data: bytes,
    quality: int | None,
    score: float,
    encodes: int,
    clock: Clock,
) -> Variant:
    width, height = picture.size
    return Variant(
        data=data,
        format=how.format,
        width_px=width,
        height_px=height,
        quality=quality,
        score=score,
        encodes=encodes,
        cpu_s=clock.spent_s,
        source_bytes=picture.source.bytes,
    )


def _unreachable(best: Variant, target: Target) -> TargetUnreachable:
    reached = f"{best.bytes:,} bytes" if target.kind == "bytes" else f"score {best.score:.1f}"
    if best.worst_tile is not None:
        reached += f", worst part {best.worst_tile:.1f}"
    return TargetUnreachable(
        f"{best.format} does not come up to {target}: the nearest is {reached}; "
        "allow another format or a smaller width, or ask for less",
        best,
    )
