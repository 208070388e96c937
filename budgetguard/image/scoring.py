"""How near encoded bytes come to a picture: they are decoded again, as a browser would, and scored."""

from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image

from budgetguard.image.decoding import Picture
from budgetguard.image.ssimulacra2 import SMALLEST_PX, Pixels, Reference

TILE_PX = 128
"""The side of a part that is scored by itself; one that is cut off by an edge belongs to its neighbour."""
_SAMPLED = 3
"""Of an animation so many frames are scored: the first, the last and one between them."""


class Judge:
    """Scores encodings of one picture; what it takes of the picture itself is computed once."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.scored = 0

    def score(self, data: bytes) -> float:
        """SSIMULACRA2 of what the bytes decode to; of an animation that of its worst sampled frame."""
        self.scored += 1
        return min(
            reference.score(_pixels(data, number, self._mode))
            for number, reference in self._references.items()
        )

    def worst_tile(self, data: bytes) -> float:
        """The lowest score of any part of the first frame: an average hides what is blurred in one place."""
        original = _padded(np.asarray(self._picture.still))
        decoded = _padded(_pixels(data, 0, self._mode))
        rows, columns = (_edges(side) for side in original.shape[:2])
        return min(
            Reference(original[top:bottom, left:right]).score(decoded[top:bottom, left:right])
            for top, bottom in rows
            for left, right in columns
        )

    @property
    def _mode(self) -> str:
        return self._picture.still.mode

    @cached_property
    def _references(self) -> dict[int, Reference]:
        frames = self._picture.frames
        sampled = {0, len(frames) // 2, len(frames) - 1} if len(frames) >= _SAMPLED else {0}
        return {
            number: Reference(_padded(np.asarray(frames[number]))) for number in sorted(sampled)
        }


def _pixels(data: bytes, number: int, mode: str) -> Pixels:
    with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP", "AVIF")) as image:
        if number:
            image.seek(number)
        return _padded(np.asarray(image.convert(mode)))


def _padded(pixels: Pixels) -> Pixels:
    """An icon of a few pixels, its edge repeated up to the smallest side that can be scored."""
    height, width = (max(SMALLEST_PX - side, 0) for side in pixels.shape[:2])
    return (
        np.pad(pixels, ((0, height), (0, width), (0, 0)), mode="edge")
        if height or width
        else pixels
    )


def _edges(side: int) -> list[tuple[int, int]]:
    count = max(side // TILE_PX, 1)
    return [(at * TILE_PX, side if at == count - 1 else (at + 1) * TILE_PX) for at in range(count)]
