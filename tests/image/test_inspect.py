"""What a header tells, and what is refused for it before a pixel is decoded."""

import os
import struct
import zlib

import pytest
from PIL import Image

from budgetguard.image.decoding import decode
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
from budgetguard.image.inspection import inspect
from budgetguard.image.limits import Limits

from .made import chunk, gif, inflated, many_scans, photo, png, saved

KINDS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF"]
HOSTILE = {
    "a gigapixel": (lambda: png(50_000, 50_000, bits=1), ImageTooLarge),
    "169 megapixels": (lambda: png(13_000, 13_000), ImageTooLarge),
    "a header that lies": (lambda: png(65_000, 65_000, colour=6, body=b"x" * 100), ImageTooLarge),
    "one pixel wide": (lambda: png(1, 60_000, body=b""), ImageTooLarge),
    "text that inflates": (
        lambda: png(8, 8, before=chunk(b"zTXt", b"a\0\0" + inflated(80 << 20))),
        RefusedImage,
    ),
    "a profile that inflates": (
        lambda: png(8, 8, before=chunk(b"iCCP", b"a\0\0" + inflated(80 << 20))),
        RefusedImage,
    ),
    "a thousand scans": (lambda: many_scans(1000), TooManyScans),
    "ten thousand frames": (lambda: gif(10_003), TooManyFrames),
    "a frame beyond its screen": (
        lambda: gif(1).replace(
            struct.pack("<4H", 0, 0, 1, 1), struct.pack("<4H", 0, 0, 60_000, 60_000)
        ),
        ImageTooLarge,
    ),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedFormat),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', UnsupportedFormat),
    "HTML": (lambda: b"<html><script>alert(1)</script>", UnsupportedFormat),
    "HTML as a GIF": (lambda: b"GIF89a/*" + b"<script>" * 20, RefusedImage),
    "TIFF": (lambda: saved(photo(16, 16), "TIFF"), UnsupportedFormat),
    "BMP": (lambda: saved(photo(16, 16), "BMP"), UnsupportedFormat),
    "HEIC": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), UnsupportedFormat),
    "nothing": (lambda: b"", TruncatedImage),
    "zeros": (lambda: bytes(1000), UnsupportedFormat),
    "a JPEG's first bytes": (lambda: b"\xff\xd8\xff", RefusedImage),
    "a WebP's first bytes": (lambda: b"RIFF\0\0\0\0WEBPVP8 ", RefusedImage),
    "an AVIF's first bytes": (lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", RefusedImage),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_its_class(name, tmp_path):
    """By its header, from memory and from a file whose name says JPEG; the reason names the file."""
    make, kind = HOSTILE[name]
    data = make()
    with pytest.raises(kind):
        inspect(data)
    file = tmp_path / "holiday.jpg"
    file.write_bytes(data)
    with pytest.raises(kind, match=r"holiday\.jpg: "):
        inspect(file)
    with pytest.raises(kind):
        decode(file)


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_told_by_its_content(kind, tmp_path):
    """Whatever the file is called."""
    file = tmp_path / "picture.bmp"
    file.write_bytes(saved(photo(40, 30), kind))
    info = inspect(file)
    assert (info.format, info.width_px, info.height_px, info.frames) == (kind, 40, 30, 1)
    assert info.bytes == file.stat().st_size
    assert len(info.sha256) == 64
    assert info == inspect(file.read_bytes())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_ends_early_is_refused(kind):
    """Where other tools show grey; a header alone does not tell."""
    data = saved(photo(), kind)
    for share in (0.2, 0.6, 0.95):
        with pytest.raises(RefusedImage):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("body", [b"no pixels", b"x" * 100, zlib.compress(bytes(650))[:-6]])
def test_a_png_without_its_pixels_is_refused(body):
    """Its chunks are whole and their sums are right, and what they hold is no picture of that size."""
    data = png(64, 64, body=body)
    assert inspect(data).width_px == 64
    with pytest.raises(RefusedImage):
        decode(data)


@pytest.mark.parametrize("kind", KINDS)
def test_limits_hold_for_each_format(kind):
    """Bytes, a side and pixels are each a limit of their own."""
    data = saved(photo(40, 30), kind)
    inspect(data, limits=Limits(max_bytes=len(data), max_side_px=40, max_pixels=1200))
    for limits in (
        Limits(max_bytes=len(data) - 1),
        Limits(max_side_px=39),
        Limits(max_pixels=1199),
    ):
        with pytest.raises(ImageTooLarge):
            inspect(data, limits=limits)
    with pytest.raises(
        UnsupportedFormat, match="expected one of PNG" if kind != "PNG" else "of GIF"
    ):
        inspect(data, limits=Limits(formats=frozenset({"GIF" if kind == "PNG" else "PNG"})))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_all_frames_count(kind):
    """An animation is as large as its frames together."""
    frames = [photo(20, 20, seed) for seed in range(5)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    assert inspect(data).frames == 5
    with pytest.raises(TooManyFrames):
        inspect(data, limits=Limits(max_frames=4))
    with pytest.raises(ImageTooLarge, match="5 "):
        inspect(data, limits=Limits(max_pixels=1999))


def test_scans_are_counted():
    """A plain JPEG has one; a progressive one has some."""
    assert inspect(saved(photo(), "JPEG")).scans == 1
    assert inspect(saved(photo(), "JPEG", progressive=True)).scans == 10
    assert inspect(many_scans(80)).scans == 90


def test_metadata_is_named():
    """EXIF, a place, a comment and a profile; the size is that in which it is shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    data = saved(photo(40, 30), "JPEG", exif=exif, comment=b"me", icc_profile=b"x" * 200)
    info = inspect(data)
    assert info.metadata == ("exif", "gps", "icc", "comment")
    assert (info.width_px, info.height_px, info.orientation) == (30, 40, 6)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_broken_metadata_is_no_reason_to_refuse_pixels():
    """Nothing of it is kept anyway."""
    data = saved(photo(40, 30), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 200)
    assert inspect(data).orientation == 1
    assert decode(data).size == (40, 30)


def test_what_is_no_file_says_so(tmp_path):
    """A folder, a missing file, a pipe and one that may not be read."""
    for path, told in ((tmp_path, "no regular file"), (tmp_path / "none.png", "no such file")):
        with pytest.raises(ImageError, match=told):
            inspect(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(ImageError, match="no regular file"):
            inspect(tmp_path / "pipe.png")


def test_a_gif_of_nonsense_is_corrupt():
    """A block of no known kind ends it."""
    with pytest.raises(CorruptImage, match="0x99"):
        inspect(gif(1)[:-1] + b"\x99")
