"""One function per format, from pixels to bytes. Nothing of a source's metadata can get into them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image

from budgetguard.image.decoding import Picture

Format = Literal["jpeg", "png", "webp", "avif"]
Effort = Literal["fast", "balanced", "small"]

FORMATS: tuple[Format, ...] = ("avif", "webp", "jpeg", "png")
MEDIA_TYPES: Mapping[Format, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
}
SUFFIXES: Mapping[Format, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}
LARGEST_SIDE_PX: Mapping[Format, int] = {
    "jpeg": 65_535,
    "png": 2**31 - 1,
    "webp": 16_383,
    "avif": 65_536,
}
_AVIF_SPEED: Mapping[Effort, int] = {"fast": 9, "balanced": 7, "small": 5}
_WEBP_METHOD: Mapping[Effort, int] = {"fast": 2, "balanced": 4, "small": 6}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to encode: a format, lossless or by a quality from 1 to 100."""

    format: Format
    effort: Effort = "balanced"
    lossless: bool = False
    sharp_colours: bool = False
    """Whether a JPEG keeps the colour of every pixel, and not of every fourth."""


def can_hold(format: Format, picture: Picture) -> str:  # noqa: A002  # the word of the domain
    """Why a format cannot hold a picture; "" where it can."""
    if picture.animated and format not in ("webp", "avif"):
        return "no animation"
    if picture.has_alpha and format == "jpeg":
        return "no transparency"
    if max(picture.size) > LARGEST_SIDE_PX[format]:
        return f"at most {LARGEST_SIDE_PX[format]:,} px a side"
    return ""


def encode(picture: Picture, how: Encoding, quality: int) -> bytes:
    """The bytes of a picture in a format; `quality` from 1 to 100 counts where it is not lossless."""
    return _ENCODERS[how.format](picture, how, quality)


def _jpeg(picture: Picture, how: Encoding, quality: int) -> bytes:
    image = picture.still
    if _is_grey(image):
        image = image.convert("L")
    return _into_a_file(
        image,
        format="JPEG",
        quality=quality,
        progressive=True,
        optimize=True,
        subsampling="4:4:4" if how.sharp_colours else "4:2:0",
    )


def _into_a_file(image: Image.Image, **options: object) -> bytes:
    """A progressive JPEG through a file in memory: only into a file is it encoded without the GIL."""
    if not hasattr(os, "memfd_create"):
        stream = BytesIO()
        image.save(stream, **options)  # type: ignore[arg-type]
        return stream.getvalue()
    with os.fdopen(os.memfd_create("picture", os.MFD_CLOEXEC), "w+b") as file:
        image.save(file, **options)  # type: ignore[arg-type]
        file.seek(0)
        return file.read()


def _png(picture: Picture, how: Encoding, quality: int) -> bytes:
    """Lossless: 256 colours and fewer as a palette, of which each pixel takes 8 bits or less."""
    del quality
    image = picture.still
    colours = image.getcolors(256) if image.mode == "RGB" else None
    if colours and not _is_grey(image):
        image = image.quantize(len(colours), dither=Image.Dither.NONE)
    elif _is_grey(image):
        image = image.convert("L")
    return _saved([image], format="PNG", optimize=how.effort != "fast")


def _webp(picture: Picture, how: Encoding, quality: int) -> bytes:
    return _saved(
        picture.frames,
        **_timing(picture),
        format="WEBP",
        lossless=how.lossless,
        quality=75 if how.lossless else quality,
        method=_WEBP_METHOD[how.effort],
    )


def _avif(picture: Picture, how: Encoding, quality: int) -> bytes:
    return _saved(
        picture.frames,
        **_timing(picture),
        format="AVIF",
        quality=quality,
        speed=_AVIF_SPEED[how.effort],
        subsampling="4:4:4",  # fewer bytes at the same score than 4:2:0
        max_threads=1,  # as many pictures as there are processors, not as many threads for each
        icc_profile=None,
        exif=None,
    )


def _timing(picture: Picture) -> dict[str, object]:
    if not picture.animated:
        return {}
    return {"duration": list(picture.durations_ms), "loop": picture.loop}


def _saved(frames: Sequence[Image.Image], **options: object) -> bytes:
    stream = BytesIO()
    more: dict[str, object] = {}
    if len(frames) > 1:
        more = {"save_all": True, "append_images": list(frames[1:])}
    frames[0].save(stream, **options, **more)  # type: ignore[arg-type]
    return stream.getvalue()


def _is_grey(image: Image.Image) -> bool:
    if image.mode != "RGB":
        return False
    pixels = np.asarray(image)
    red = pixels[..., 0]
    return bool((red == pixels[..., 1]).all() and (red == pixels[..., 2]).all())


_ENCODERS: Mapping[Format, Callable[[Picture, Encoding, int], bytes]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "avif": _avif,
}
