"""Pictures and hostile files, made when a test needs them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw


def photo(width=320, height=240, seed=1):
    """Something like a photograph: smooth light, edges and some grain."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    light = 120 + 80 * np.sin(x / 37) * np.cos(y / 29)
    channels = [light + 30 * np.sin((x + k * 40) / (15 + k * 7)) for k in range(3)]
    pixels = np.stack(channels, -1) + draw.normal(0, 4, (height, width, 3))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for k in range(12):
        left, top = draw.integers(0, max(width - 40, 1)), draw.integers(0, max(height - 40, 1))
        pen.ellipse(
            (left, top, left + 10 + 3 * k, top + 40),
            fill=tuple(int(draw.integers(40, 200)) + draw.integers(-15, 15, 3)),
        )
    return image


def screenshot(width=320, height=240):
    """Flat areas, thin lines and text."""
    image = Image.new("RGB", (width, height), "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width, 24), fill="#20639b")
    for line in range(40, height - 12, 14):
        pen.text((10, line), "The quick brown fox jumps over the lazy dog", fill="#202020")
    return image


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *, bits=8, colour=0, body=b"", before=b""):
    """A PNG with any header; `before` stands between it and the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def inflated(size):
    """`size` zeros in a thousandth of it."""
    press = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(press.compress(block) for _ in range(size >> 20)) + press.flush()


def many_scans(scans, side=64):
    """A progressive JPEG whose last scan stands in it again and again; a large one has little in it."""
    image = photo(64, 64) if side == 64 else Image.new("RGB", (side, side), "grey")
    data = saved(image, "JPEG", progressive=True, quality=60)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def gif(frames, width=4, height=4):
    """A GIF of so many tiny frames in a few bytes each."""
    one = b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\x00"
    head = b"GIF89a" + struct.pack("<2HBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + one * frames + b"\x3b"


def linear_profile():
    """An ICC profile with sRGB's colours and no gamma: 128 in it is a lighter grey than 128 in sRGB."""

    def xyz(*values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 7) + b"linear\0" + bytes(12 + 67)
    tags = [
        (b"desc", text),
        (b"cprt", b"text\0\0\0\0none\0"),
        (b"wtpt", xyz(0.9642, 1.0, 0.8249)),
        (b"rXYZ", xyz(0.4361, 0.2225, 0.0139)),
        (b"gXYZ", xyz(0.3851, 0.7169, 0.0971)),
        (b"bXYZ", xyz(0.1431, 0.0606, 0.7141)),
        (b"rTRC", curve),
        (b"gTRC", curve),
        (b"bTRC", curve),
    ]
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags:
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12x4s4sIIIII3i",
        at + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp", b"\0\0\0\0",
        0, 0, 0, 0, 0, 63190, 65536, 54061,
    )  # fmt: skip
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
