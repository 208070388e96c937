"""Pixels as they are meant: upright, sRGB, 8 bits, and nothing else."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from budgetguard.image.decoding import decode

from .made import linear_profile, photo, saved


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_it_is_turned_as_its_exif_says(orientation, kind):
    """All eight ways, as Pillow's own reading of the standard has them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (40, 24), "red")
    image.paste("blue", (0, 0, 20, 12))
    image.paste("green", (20, 0, 40, 12))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    data = saved(image, kind, exif=exif, **options)
    told = image.copy()
    told.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(told)).astype(int)
    found = np.asarray(decode(data).still).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 8


def test_sixteen_bits_are_scaled_and_not_cut_off():
    """0, a quarter, half and all of the range stay what they are."""
    values = np.array([[0, 16448, 32896, 65535]] * 4, np.uint16)
    still = decode(saved(Image.fromarray(values), "PNG")).still
    assert [still.getpixel((x, 0))[0] for x in range(4)] == [0, 64, 128, 255]


def test_cmyk_becomes_rgb():
    """Ink on white: no ink is white, cyan is no red."""
    image = Image.new("CMYK", (16, 8), (0, 0, 0, 0))
    image.paste((255, 0, 0, 0), (8, 0, 16, 8))
    still = decode(saved(image, "JPEG", quality=95)).still
    assert min(still.getpixel((2, 4))) > 245
    assert still.getpixel((13, 4))[0] < 20


def test_another_profile_is_converted():
    """The middle of a linear scale is a light grey in sRGB; without conversion it would be shown too dark."""
    image = Image.new("RGB", (16, 16), (128, 128, 128))
    still = decode(saved(image, "PNG", icc_profile=linear_profile())).still
    assert still.getpixel((8, 8)) == pytest.approx((188, 188, 188), abs=2)
    assert not still.info


def test_a_broken_profile_is_none():
    """The pixels are taken for sRGB, as browsers do."""
    image = Image.new("RGB", (16, 16), (128, 64, 32))
    assert decode(saved(image, "PNG", icc_profile=b"nonsense" * 30)).still.getpixel((1, 1)) == (
        128,
        64,
        32,
    )


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (Image.new("1", (9, 9), 1), "RGB"),
        (Image.new("L", (9, 9), 7), "RGB"),
        (Image.new("LA", (9, 9), (7, 100)), "RGBA"),
        (Image.new("P", (9, 9), 3), "RGB"),
        (Image.new("RGBA", (9, 9), (1, 2, 3, 255)), "RGB"),
        (Image.new("RGBA", (9, 9), (1, 2, 3, 254)), "RGBA"),
    ],
)
def test_every_mode_becomes_one_of_two(image, mode):
    """RGBA only where a pixel is not opaque."""
    picture = decode(saved(image, "PNG"))
    assert picture.still.mode == mode
    assert picture.has_alpha == (mode == "RGBA")


def test_a_transparent_colour_of_a_palette_is_transparent():
    """As a GIF and a small PNG have it."""
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (4, 0, 8, 8))
    still = decode(saved(image, "PNG", transparency=0)).still
    assert still.getpixel((0, 0))[3] == 0
    assert still.getpixel((6, 0)) == (0, 255, 0, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_its_frames_and_times(kind):
    """Each frame whole, whatever the file keeps of it."""
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        duration=[50, 60, 70],
        loop=0,
        **options,
    )
    picture = decode(data)
    assert picture.durations_ms == (50, 60, 70)
    assert [one.convert("RGB").getpixel((3, 3)) for one in picture.frames] == [
        (255, 0, 0), (0, 128, 0), (0, 0, 255),
    ]  # fmt: skip


def test_a_still_has_no_times():
    """One frame is no animation."""
    picture = decode(saved(photo(30, 20), "WEBP"))
    assert (picture.durations_ms, picture.animated) == ((), False)
