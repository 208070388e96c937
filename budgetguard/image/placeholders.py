"""What stands in a page until a picture has come: a blurred miniature, its hash, or its colour."""

import base64
import math
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Kind = Literal["lqip", "thumbhash", "blurhash", "color"]
KINDS: tuple[Kind, ...] = ("lqip", "thumbhash", "blurhash", "color")

_MINIATURE_PX = 16
_MINIATURE_QUALITY = 20
_HASHED_PX = 64
_COUNTED_PX = (64, 40)
_COLOURS = 8
_BLURHASH_COMPONENTS = 4

Channel = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`text` is a data URI (lqip), base64 (thumbhash), a BlurHash, or a colour such as #a08c72."""

    kind: Kind
    text: str
    color: str
    """The colour that is most of the picture, which every kind may stand on."""


def placeholder(image: Image.Image, kind: Kind = "lqip") -> Placeholder:
    """The placeholder of an sRGB picture, RGB or RGBA, made of a reduction of it."""
    color = dominant_color(image)
    makers = {"lqip": lqip, "thumbhash": thumbhash, "blurhash": blurhash}
    return Placeholder(kind, makers[kind](image) if kind in makers else color, color)


def lqip(image: Image.Image) -> str:
    """A data URI of a WebP 16 pixels wide or high, some 130 characters; CSS blurs it as it scales."""
    stream = BytesIO()
    _fitted(image, _MINIATURE_PX).save(stream, format="WEBP", quality=_MINIATURE_QUALITY, method=6)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def dominant_color(image: Image.Image) -> str:
    """The most frequent of eight colours, as #rrggbb; what is transparent is not counted."""
    small = image.resize(_COUNTED_PX, Image.Resampling.BOX)
    if small.mode == "RGBA":
        pixels = np.asarray(small)
        opaque = pixels[pixels[..., 3] > 127][:, :3]
        if not len(opaque):
            return "#ffffff"
        small = Image.fromarray(opaque[np.newaxis])
    counted = small.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    _, index = max(counted.getcolors() or [(1, 0)])
    palette = counted.getpalette() or [255, 255, 255]
    assert isinstance(index, int)  # noqa: S101  # a palette's picture has numbers
    return "#{:02x}{:02x}{:02x}".format(*palette[3 * index : 3 * index + 3])


def blurhash(image: Image.Image) -> str:
    """A BlurHash of up to 4 x 4 components, its longer side the one with more."""
    from blurhash import encode  # a library without types, of which nothing else needs anything

    small = _fitted(image.convert("RGB"), _HASHED_PX // 2)
    width, height = small.size
    x, y = (
        max(round(_BLURHASH_COMPONENTS * side / max(width, height)), 1) for side in (width, height)
    )
    return str(encode(np.asarray(small).tolist(), components_x=x, components_y=y))


def thumbhash(image: Image.Image) -> str:
    """A ThumbHash of 20 to 30 bytes, in base64: form, colours, transparency and rough shapes.

    By Evan Wallace's description and reference, https://evanw.github.io/thumbhash/.
    """
    pixels = np.asarray(_fitted(image.convert("RGBA"), _HASHED_PX)) / 255
    height, width = pixels.shape[:2]
    alpha = pixels[..., 3]
    has_alpha = bool(alpha.sum() < width * height)
    lightness, p, q = _channels(pixels, alpha)

    limit = 5 if has_alpha else 7
    lx, ly = (max(1, _round(limit * side / max(width, height))) for side in (width, height))
    l_dc, l_ac, l_scale = _cosines(lightness, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = _cosines(p, 3, 3)
    q_dc, q_ac, q_scale = _cosines(q, 3, 3)

    wide = width > height
    header_24 = (
        _round(63 * l_dc)
        | _round(31.5 + 31.5 * p_dc) << 6
        | _round(31.5 + 31.5 * q_dc) << 12
        | _round(31 * l_scale) << 18
        | has_alpha << 23
    )
    header_16 = (
        (ly if wide else lx) | _round(63 * p_scale) << 3 | _round(63 * q_scale) << 9 | wide << 15
    )
    found = header_24.to_bytes(3, "little") + header_16.to_bytes(2, "little")
    waves = [*l_ac, *p_ac, *q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = _cosines(alpha, 5, 5)
        found += bytes([_round(15 * a_dc) | _round(15 * a_scale) << 4])
        waves += a_ac
    halves = [_round(15 * wave) for wave in waves] + [0] * (len(waves) % 2)
    found += bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    return base64.b64encode(found).decode()


def _channels(pixels: Channel, alpha: Channel) -> tuple[Channel, Channel, Channel]:
    """Lightness, yellow against blue, red against green, over the mean colour where it is transparent."""
    total = alpha.sum()
    mean = (pixels[..., :3] * alpha[..., None]).sum((0, 1)) / total if total else np.zeros(3)
    red, green, blue = np.moveaxis(
        mean * (1 - alpha[..., None]) + pixels[..., :3] * alpha[..., None], -1, 0
    )
    return (red + green + blue) / 3, (red + green) / 2 - blue, red - green


def _cosines(channel: Channel, nx: int, ny: int) -> tuple[float, list[float], float]:
    """The mean, the other waves between 0 and 1, and by how much they were scaled."""
    height, width = channel.shape
    across = np.cos(np.pi / width * np.outer(np.arange(nx), np.arange(width) + 0.5))
    down = np.cos(np.pi / height * np.outer(np.arange(ny), np.arange(height) + 0.5))
    all_waves = down @ channel @ across.T / (width * height)
    waves = [
        float(all_waves[y, x])
        for y in range(ny)
        for x in range(nx)
        if x * ny < nx * (ny - y) and (x or y)
    ]
    scale = max(map(abs, waves), default=0.0)
    if scale:
        waves = [0.5 + 0.5 / scale * wave for wave in waves]
    return float(all_waves[0, 0]), waves, scale


def _round(value: float) -> int:
    """Halves upwards, as JavaScript has it."""
    return math.floor(value + 0.5)


def _fitted(image: Image.Image, longest: int) -> Image.Image:
    """At most so many pixels long, its form kept; never larger."""
    scale = min(longest / max(image.size), 1)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
