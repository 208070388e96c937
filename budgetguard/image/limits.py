"""How much a picture may cost before it is refused."""

from dataclasses import dataclass

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a source and its results may have; everything but `cpu_s` is known before a pixel is decoded."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    """Of all frames together."""
    max_side_px: int = 16_384
    max_frames: int = 100
    max_scans: int = 100
    """Of a progressive JPEG; each costs a pass over all its pixels."""
    max_output_pixels: int = 64_000_000
    cpu_s: float = 10.0
    """Of one picture, asked between its encodes; a process of its own is held to it by the system."""
    formats: frozenset[str] = frozenset(FORMATS)


LIMITS = Limits()
"""Those that hold where none are given."""
