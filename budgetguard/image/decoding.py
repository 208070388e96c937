"""Pixels as every encoder here takes them: upright, sRGB, 8 bits, RGB or RGBA, and nothing else kept."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from budgetguard.image.inspection import Source, SourceInfo, inspect_opened, opened, orientation_of
from budgetguard.image.limits import LIMITS, Limits

_SIXTEEN_BITS = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes an EXIF orientation. Pillow's own function would parse all metadata again."""
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded frames of one size, all RGB or all RGBA."""

    frames: tuple[Image.Image, ...]
    durations_ms: tuple[int, ...]
    """How long each frame is shown; empty for a still."""
    loop: int
    """How often an animation is shown; 0 is for ever."""
    source: SourceInfo

    @property
    def still(self) -> Image.Image:
        """The first frame."""
        return self.frames[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.still.size

    @property
    def animated(self) -> bool:
        """Whether there is more than one frame."""
        return len(self.frames) > 1

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is not opaque."""
        return self.still.mode == "RGBA"


def decode(source: Source, *, limits: Limits = LIMITS) -> Picture:
    """Every frame of a picture, decoded whole.

    Turned as its EXIF says, in sRGB by its profile, and opaque where no pixel is not. Raises a
    `RefusedImage` for what is not taken, also for a file that ends early.
    """
    with opened(source, limits) as (data, image):
        info = inspect_opened(data, image)
        frames, durations = [], []
        for number in range(info.frames):
            if info.frames > 1:
                image.seek(number)
            image.load()
            durations.append(int(image.info.get("duration") or 0))
            frames.append(_normal(image))
        loop = int(image.info.get("loop", 1) or 0)
    return Picture(tuple(_alike(frames)), tuple(durations) if len(frames) > 1 else (), loop, info)


def _normal(image: ImageFile) -> Image.Image:
    """Eight bits a channel, then sRGB, then upright."""
    profile = image.info.get("icc_profile")
    frame: Image.Image = image.copy()
    if frame.mode in _SIXTEEN_BITS:  # convert() would cut off what is above 255
        values = np.asarray(frame).astype(np.int64)
        frame = Image.fromarray(np.clip((values + 128) // 257, 0, 255).astype(np.uint8))
    if "transparency" in image.info and frame.mode != "RGBA":
        frame.info["transparency"] = image.info["transparency"]
        frame = frame.convert("RGBA")
    if frame.mode in ("LA", "PA", "La", "RGBa"):
        frame = frame.convert("RGBA")
    if frame.mode == "P":
        frame = frame.convert("RGB")
    frame = _in_srgb(frame, profile)
    turned = _UPRIGHT.get(orientation_of(image))
    upright = frame if turned is None else frame.transpose(turned)
    upright.info.clear()
    return upright


def _in_srgb(frame: Image.Image, profile: Any) -> Image.Image:
    """By its own profile, or taken for sRGB; a profile that cannot be read is none."""
    wanted = "RGBA" if frame.mode == "RGBA" else "RGB"
    if profile and frame.mode in ("L", "RGB", "RGBA", "CMYK"):
        try:
            own = ImageCms.ImageCmsProfile(BytesIO(profile))
            moved = ImageCms.profileToProfile(
                frame, own, _SRGB, ImageCms.Intent.RELATIVE_COLORIMETRIC, wanted
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            moved = None
        if moved is not None:
            return moved
    return frame if frame.mode == wanted else frame.convert(wanted)


def _alike(frames: list[Image.Image]) -> list[Image.Image]:
    """All RGBA where any pixel of any frame is not opaque, else all RGB."""
    mode = "RGBA" if any(map(_is_translucent, frames)) else "RGB"
    return [one if one.mode == mode else one.convert(mode) for one in frames]


def _is_translucent(frame: Image.Image) -> bool:
    return frame.mode == "RGBA" and bool((np.asarray(frame)[..., 3] < 255).any())
