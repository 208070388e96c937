"""The encoders that a server sends files with, fed piece by piece, and how many bytes come out."""

import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import NamedTuple

from budgetguard.errors import MeasureError, MissingExtra
from budgetguard.extras import need

PIECE_BYTES = 1 << 20
SLOW_ENCODER_BYTES = 64_000_000
"""What brotli and zstd may be given: at their highest levels they take seconds per megabyte."""
_NEXT = "end what writes there, or build it again"
SLOW = frozenset({"brotli", "zstd"})


class Stream(NamedTuple):
    """One compression under way; both functions return what came out so far."""

    feed: Callable[[bytes], bytes]
    end: Callable[[], bytes]


class Encoder(NamedTuple):
    """A way to compress; `begin` takes the size in bytes of what will be fed."""

    made_with: str
    begin: Callable[[int], Stream]


def load(metrics: Iterable[str]) -> dict[str, Encoder | str]:
    """The encoder of each metric that is one, or the sentence that says how to install it."""
    loaders = {"gzip": _gzip, "brotli": _brotli, "zstd": _zstd}
    loaded: dict[str, Encoder | str] = {}
    for metric in sorted(set(metrics) & set(loaders)):
        try:
            loaded[metric] = loaders[metric]()
        except MissingExtra as error:
            loaded[metric] = str(error)
    return loaded


def count(
    pieces: Iterable[bytes], size_bytes: int, encoders: Mapping[str, Encoder]
) -> dict[str, int]:
    """The bytes that went in, as `raw`, and those that came out of each encoder, in one pass.

    Raises `MeasureError` where other than `size_bytes` go in: half a file has no size.
    """
    streams = {name: encoder.begin(size_bytes) for name, encoder in encoders.items()}
    totals = dict.fromkeys(("raw", *encoders), 0)
    for piece in pieces:
        totals["raw"] += len(piece)
        if totals["raw"] > size_bytes:
            break
        for name, stream in streams.items():
            totals[name] += len(stream.feed(piece))
    if totals["raw"] != size_bytes:
        raise MeasureError(f"is not the {size_bytes} bytes long that it was or says; {_NEXT}")
    for name, stream in streams.items():
        totals[name] += len(stream.end())
    return totals


def _gzip() -> Encoder:
    def begin(size_bytes: int) -> Stream:  # noqa: ARG001  # gzip does not need it
        compressor = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: a gzip header, without a time
        return Stream(compressor.compress, compressor.flush)

    return Encoder(f"zlib {zlib.ZLIB_RUNTIME_VERSION} level 9", begin)


def _brotli() -> Encoder:
    brotli = need("brotli", extra="bundle")

    def begin(size_bytes: int) -> Stream:  # noqa: ARG001  # at this quality it changes nothing
        compressor = brotli.Compressor(quality=11)
        return Stream(compressor.process, compressor.finish)

    return Encoder(f"brotli {brotli.__version__} quality 11", begin)


def _zstd() -> Encoder:
    """The library says nothing of who binds it, so both ways are named alike."""
    if sys.version_info >= (3, 14):
        return _zstd_of_python()
    zstandard = need("zstandard", extra="bundle")

    def begin(size_bytes: int) -> Stream:
        compressor = zstandard.ZstdCompressor(level=19).compressobj(size=size_bytes)
        return Stream(compressor.compress, compressor.flush)

    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return Encoder(f"zstd {version} level 19", begin)


def _zstd_of_python() -> Encoder:
    zstd = import_module("compression.zstd")

    def begin(size_bytes: int) -> Stream:
        compressor = zstd.ZstdCompressor(level=19)
        compressor.set_pledged_input_size(size_bytes)
        return Stream(compressor.compress, compressor.flush)

    return Encoder(f"zstd {zstd.zstd_version} level 19", begin)
