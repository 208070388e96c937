"""What stands for a picture until it has come."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from budgetguard.image.placeholders import blurhash, dominant_color, lqip, placeholder, thumbhash

GOLDEN = Path(__file__).parent / "golden"


def picture(name):
    with Image.open(GOLDEN / name) as image:
        return image.convert("RGB")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chelsea.png", "m1kGDYK3XXI39mmdGquHmAiglQOH"),
        ("coffee_odd.png", "WqoKFYjgkmdJZoeFdnl2hgxmlkB4"),
        ("screenshot.png", "8wcODYJ4iJdweIeBdxd4g9CxFAx9"),
    ],
)
def test_a_thumbhash_is_that_of_the_reference(name, expected):
    """Byte for byte what the reference's algorithm in Rust makes of the same reduction."""
    assert thumbhash(picture(name)) == expected


def test_a_thumbhash_knows_what_is_transparent():
    """It has room for it then: one more byte and a coarser form."""
    image = picture("chelsea.png").convert("RGBA")
    image.putalpha(image.convert("L"))
    assert thumbhash(image) == "3VmCBIAHlT0L9c9LhzA6CoB223Vzz6l7CA=="


def test_a_miniature_is_a_tiny_webp():
    """Sixteen pixels, in a data URI of a few hundred characters."""
    uri = lqip(picture("chelsea.png"))
    assert len(uri) < 300
    head, _, body = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert (image.format, image.size) == ("WEBP", (16, 12))


def test_the_colour_is_that_of_most_of_it():
    """And what is transparent has none."""
    image = Image.new("RGB", (90, 60), (200, 30, 40))
    image.paste((0, 0, 255), (0, 0, 30, 60))
    assert dominant_color(image) == "#c81e28"
    clear = Image.new("RGBA", (30, 30), (0, 0, 255, 0))
    clear.paste((10, 200, 30, 255), (0, 0, 10, 10))
    assert dominant_color(clear) == "#0ac81e"
    assert dominant_color(Image.new("RGBA", (30, 30), (0, 0, 0, 0))) == "#ffffff"


def test_a_blurhash_can_be_decoded():
    """By the library that others use, to about the same colours."""
    from blurhash import decode

    image = picture("chelsea.png")
    decoded = decode(blurhash(image), 8, 6)
    small = image.resize((8, 6), Image.Resampling.BOX)
    errors = [
        abs(decoded[y][x][c] - small.getpixel((x, y))[c])
        for y in range(6)
        for x in range(8)
        for c in range(3)
    ]
    assert sum(errors) / len(errors) < 25


@pytest.mark.parametrize("kind", ["lqip", "thumbhash", "blurhash", "color"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (64, 64)])
def test_every_form_has_a_placeholder(kind, size):
    """One pixel, a line and a square."""
    found = placeholder(Image.new("RGB", size, "orange"), kind)
    assert found.text
    assert found.color == "#ffa500"
