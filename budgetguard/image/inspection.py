"""What a picture is, from its header alone, and whether it is taken at all."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from budgetguard.image.containers import format_of, frames_of, guessed, scans_of
from budgetguard.image.errors import (
    CorruptImage,
    ImageError,
    ImageTooLarge,
    RefusedImage,
    TooManyFrames,
    TooManyScans,
    TruncatedImage,
    UnsupportedFormat,
)
from budgetguard.image.limits import LIMITS, Limits

Source = str | os.PathLike[str] | bytes
"""A file's path, or its content."""

READERS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "AVIF": AvifImageFile,
}
"""Called by name: `Image.open` would try every format that Pillow knows, and start Ghostscript for some."""
_TURNED = range(5, 9)
"""EXIF orientations that swap width and height."""
BROKEN: tuple[type[Exception], ...] = (
    OSError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
)
"""What Pillow raises over a broken file, besides OSError; a warning where warnings are errors."""
_SHORT = ("truncat", "too short", "end of", "eof", "incomplete", "unexpected end")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What the header of a picture says; sizes are those it is shown in, after its EXIF orientation."""

    format: str
    width_px: int
    height_px: int
    frames: int
    mode: str
    """Pillow's name of its pixels: RGB, RGBA, L, P, CMYK, I;16 and their like."""
    orientation: int
    scans: int
    """Of a JPEG; 1 of everything else."""
    metadata: tuple[str, ...]
    """Which of exif, gps, xmp, icc, comment it carries."""
    bytes: int
    sha256: str

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.width_px * self.height_px * self.frames


def inspect(source: Source, *, limits: Limits = LIMITS) -> SourceInfo:
    """Read a header and hold it against `limits`; no pixel is decoded.

    Raises a `RefusedImage` for what is not taken, `ImageError` for a file that cannot be read.
    """
    with opened(source, limits) as (data, image):
        return inspect_opened(data, image)


@contextlib.contextmanager
def opened(source: Source, limits: Limits) -> Iterator[tuple[bytes, ImageFile]]:
    """A picture that is within its limits, its header read; errors are ours and name the source."""
    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        data = _content(source, limits)
        found = format_of(data)
        if found not in limits.formats:
            allowed = ", ".join(sorted(limits.formats))
            raise UnsupportedFormat(f"{found or guessed(data)}; expected one of {allowed}")
        _check_structure(data, found, limits)
        with READERS[found](BytesIO(data)) as image:
            _check_size(image, limits)
            yield data, image
    except RefusedImage as error:
        error.args = (f"{name}: {error}", *error.args[1:])
        raise
    except ImageError:
        raise
    except OSError as error:
        if error.strerror:
            raise ImageError(f"{name}: cannot be read: {error.strerror}") from None
        raise _refused(name, error) from error
    except BROKEN as error:
        raise _refused(name, error) from error


def _refused(name: str, error: Exception) -> RefusedImage:
    """A decoder's complaint as one of ours."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    kind = TruncatedImage if any(word in said.lower() for word in _SHORT) else CorruptImage
    return kind(f"{name}: cannot be decoded: {said}")


def _content(source: Source, limits: Limits) -> bytes:
    """All bytes, and not a mapped file: one that somebody shortens meanwhile would end the process."""
    if isinstance(source, bytes):
        _check_bytes(len(source), limits)
        return source
    path = Path(source)
    if not path.is_file():
        raise ImageError(f"{path}: {'no regular file' if path.exists() else 'no such file'}")
    with path.open("rb") as stream:
        _check_bytes(os.fstat(stream.fileno()).st_size, limits)
        return stream.read(limits.max_bytes)


def _check_bytes(size: int, limits: Limits) -> None:
    if not size:
        raise TruncatedImage("an empty file; expected a picture")
    if size > limits.max_bytes:
        raise ImageTooLarge(f"{size:,} bytes; expected at most {limits.max_bytes:,}")


def _check_structure(data: bytes, found: str, limits: Limits) -> None:
    if found == "JPEG":
        scans = scans_of(data, limits.max_scans)
        if scans > limits.max_scans:
            raise TooManyScans(f"over {limits.max_scans} scans; expected at most so many")
    if found == "GIF":
        pixels = 0
        for number, frame in enumerate(frames_of(data), 1):
            pixels += frame.width * frame.height
            if number > limits.max_frames:
                raise TooManyFrames(f"over {limits.max_frames} frames; expected at most so many")
            _check_side(frame.left + frame.width, frame.top + frame.height, limits)
            _check_pixels(pixels, f"{number} frames", limits)


def _check_size(image: ImageFile, limits: Limits) -> None:
    width, height = image.size
    frames = _frames(image)
    _check_side(width, height, limits)
    if frames > limits.max_frames:
        raise TooManyFrames(f"{frames:,} frames; expected at most {limits.max_frames:,}")
    _check_pixels(width * height * frames, f"{frames} x {width} x {height} px", limits)


def _frames(image: ImageFile) -> int:
    """How many; of a GIF they are counted and bounded before. The second picture of a JPEG is no frame."""
    return 1 if image.format == "JPEG" else int(getattr(image, "n_frames", 1))


def _check_side(width: int, height: int, limits: Limits) -> None:
    if max(width, height) > limits.max_side_px:
        raise ImageTooLarge(
            f"{width} x {height} px; expected at most {limits.max_side_px:,} px a side"
        )
    if min(width, height) < 1:
        raise CorruptImage(f"{width} x {height} px; expected at least one")


def _check_pixels(pixels: int, what: str, limits: Limits) -> None:
    if pixels > limits.max_pixels:
        raise ImageTooLarge(f"{what} are {pixels:,} pixels; expected at most {limits.max_pixels:,}")


def inspect_opened(data: bytes, image: ImageFile) -> SourceInfo:
    """What the header of a picture says that `opened` has opened."""
    orientation = orientation_of(image)
    width, height = image.size[::-1] if orientation in _TURNED else image.size
    return SourceInfo(
        format=str(image.format),
        width_px=width,
        height_px=height,
        frames=_frames(image),
        mode=image.mode,
        orientation=orientation,
        scans=scans_of(data, len(data)) if image.format == "JPEG" else 1,
        metadata=tuple(_metadata(image)),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def orientation_of(image: ImageFile) -> int:
    """The EXIF orientation from 1 to 8; 1 where there is none or nonsense."""
    told = _exif(image).get(ExifTags.Base.Orientation, 1)
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _exif(image: ImageFile) -> Image.Exif:
    """What the header has of it; empty where it is broken, for nothing of it is kept.

    Not `image.getexif()`, which decodes a PNG to look behind its pixels: an error of theirs would be lost.
    """
    found = Image.Exif()
    with contextlib.suppress(*BROKEN):
        found.load(image.info.get("exif", b""))
    return found


def _metadata(image: ImageFile) -> Iterator[str]:
    exif: object = image.info.get("exif")
    if exif:
        yield "exif"
    if _has_gps(image):
        yield "gps"
    for key, name in (("xmp", "xmp"), ("icc_profile", "icc"), ("comment", "comment")):
        if image.info.get(key):
            yield name


def _has_gps(image: ImageFile) -> bool:
    xmp = image.info.get("xmp") or b""
    if b"GPSLatitude" in (xmp if isinstance(xmp, bytes) else str(xmp).encode()):
        return True
    return ExifTags.IFD.GPSInfo in _exif(image)
