"""What is asked of a picture, and what came of it."""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from budgetguard.errors import UsageError
from budgetguard.image.encoders import MEDIA_TYPES, Format
from budgetguard.units import Unit, parse_quantity

Kind = Literal["score", "bytes", "quality"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is to come up to: a perceptual score, a number of bytes, or a fixed quality."""

    kind: Kind
    value: float

    @classmethod
    def score(cls, value: float) -> "Target":
        """SSIMULACRA2 of at least `value`: 50 is medium, 70 high, 90 cannot be told from the original."""
        return cls("score", _between(value, 1, 100, "a score"))

    @classmethod
    def bytes(cls, most: int) -> "Target":
        """The best quality in at most so many bytes."""
        return cls("bytes", _between(most, 1, 2**40, "a number of bytes"))

    @classmethod
    def quality(cls, value: int) -> "Target":
        """The encoder's own scale from 1 to 100, which no two formats share."""
        return cls("quality", _between(value, 1, 100, "a quality"))

    @classmethod
    def parse(cls, text: str) -> "Target":
        """`75` and `score 75`, `120 kB`, `quality 80`. Raises `UsageError`."""
        found = re.fullmatch(r"(?:(score|quality)\s*)?(\d+(?:\.\d+)?)", text.strip())
        if found and found[1] == "quality":
            return cls.quality(int(float(found[2])))
        if found:
            return cls.score(float(found[2]))
        quantity = parse_quantity(text)
        if quantity.unit is not Unit.BYTES:
            raise UsageError(f"{text!r} is no target; write 75, quality 80 or 120 kB")
        return cls.bytes(int(quantity.value))

    def __str__(self) -> str:
        return f"{self.value:,.0f} bytes" if self.kind == "bytes" else f"{self.kind} {self.value:g}"


def _between(value: float, low: float, high: float, what: str) -> float:
    if not low <= value <= high:
        raise UsageError(f"{value:g} is no target; expected {what} from {low:,g} to {high:,g}")
    return value


@dataclass(frozen=True)
class Variant:
    """One encoded result. `data` is what to serve; everything else is about it."""

    data: bytes = field(repr=False)
    format: Format
    width_px: int
    height_px: int
    quality: int | None
    """Of the encoder's scale; None where it is lossless."""
    score: float | None
    """SSIMULACRA2 against the picture at this size; None where a fixed quality was asked for."""
    encodes: int
    """At full size."""
    cpu_s: float
    source_bytes: int
    worst_tile: float | None = None
    """The score of the worst part of it, where a floor was asked for."""

    @property
    def bytes(self) -> int:
        """How long `data` is."""
        return len(self.data)

    @property
    def media_type(self) -> str:
        """For `Content-Type` and `<source type=…>`."""
        return MEDIA_TYPES[self.format]

    @cached_property
    def sha256(self) -> str:
        """Of the content, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def etag(self) -> str:
        """A strong entity tag, with its quotes."""
        return f'"{self.sha256[:32]}"'
