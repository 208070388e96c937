"""Images: a small picture resized and turned to grey."""

from contextlib import contextmanager

from PIL import Image

UNITS = 200
SIZE = (48, 48)


@contextmanager
def prepared():
    yield Image.linear_gradient("L").resize(SIZE).convert("RGB")


def run(picture):
    pixels = 0
    for _ in range(UNITS):
        pixels += thumbnail(picture)
    return pixels


def thumbnail(picture):
    small = picture.resize((24, 24), Image.Resampling.BICUBIC)
    grey = small.convert("L")
    return grey.width * grey.height
