"""What the bytes of a file say before a decoder sees them: its format, a JPEG's scans, a GIF's frames.

Pillow tells neither: it looks at all scans when it decodes them, and counts frames by walking them all.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from budgetguard.image.errors import CorruptImage, TruncatedImage


class Rectangle(NamedTuple):
    """Where a frame of a GIF lies, in pixels."""

    left: int
    top: int
    width: int
    height: int


_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_OTHERS = (
    (b"%!PS", "EPS"),
    (b"<?xml", "SVG or other XML"),
    (b"<svg", "SVG"),
    (b"<", "HTML or SVG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"\0\0\1\0", "ICO"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\xff\x0a", "JPEG XL"),
)


def format_of(data: bytes) -> str:
    """JPEG, PNG, WEBP, GIF or AVIF by the first bytes, never by a name; "" for anything else."""
    head = data[:64]
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, len(head), 4))}
        return "AVIF" if brands & _AVIF_BRANDS else ""
    return ""


def guessed(data: bytes) -> str:
    """What something that is none of ours seems to be, for a message."""
    head = data[:64].lstrip()
    if head[4:8] == b"ftyp":
        return "HEIC or a video"
    return next((name for start, name in _OTHERS if head.startswith(start)), "unknown to us")


def scans_of(data: bytes, most: int) -> int:
    """The scans of a JPEG, counted no further than one beyond `most`. Raises `TruncatedImage`."""
    scans, at = 0, 2
    while scans <= most:
        at = _next_marker(data, at)
        code = data[at : at + 1]
        if code in (b"", b"\xd9"):  # the end of the file or of the picture
            break
        if code == b"\xda":
            scans += 1
        if b"\xd0" <= code <= b"\xd8" or code == b"\x01":  # these stand alone
            at += 1
            continue
        size = data[at + 1 : at + 3]
        if len(size) < 2:
            raise TruncatedImage("a JPEG that ends within a marker; expected its pixels")
        at += 1 + int.from_bytes(size)
    return scans


def _next_marker(data: bytes, at: int) -> int:
    """Where the code of the next marker stands; within a scan, 0xFF 0x00 is a byte of it and no marker."""
    while (at := data.find(b"\xff", at)) >= 0:
        at += 1
        if data[at : at + 1] not in (b"\x00", b"\xff"):
            return at
    return len(data)


def frames_of(data: bytes) -> Iterator[Rectangle]:
    """The frames of a GIF, one by one. Raises `CorruptImage` for a block of no known kind."""
    flags = data[10:11]
    if len(data) < 13:
        raise TruncatedImage("a GIF that ends within its header")
    at = 13 + _colours(flags)
    while (kind := data[at : at + 1]) not in (b"", b"\x3b"):
        if kind == b"\x21":
            at = _after_blocks(data, at + 2)
        elif kind == b"\x2c":
            head = data[at + 1 : at + 10]
            if len(head) < 9:
                return
            yield Rectangle(*struct.unpack("<4H", head[:8]))
            at = _after_blocks(data, at + 11 + _colours(head[8:9]))
        else:
            raise CorruptImage(f"a GIF with a block of kind 0x{kind.hex()} at byte {at}")


def _colours(flags: bytes) -> int:
    """How many bytes a colour table takes, by the flags before it."""
    return 3 * 2 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Where a chain of blocks of up to 255 bytes ends."""
    while (size := data[at : at + 1]) not in (b"", b"\0"):
        at += 1 + size[0]
    return at + 1
