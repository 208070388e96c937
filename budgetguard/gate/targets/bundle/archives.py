"""What a wheel, a zip or a compressed tar holds, read where it lies; nothing is ever extracted.

Every number in an archive is somebody else's word, so each read is bounded: a single one by
`LARGEST_READ_BYTES` (a table or a header beyond that belongs to no package), a member and all
members together by what they declare, and no reader of the standard library hands out more.
"""

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO, cast

from budgetguard.errors import MeasureError
from budgetguard.gate.targets.bundle.encoding import PIECE_BYTES
from budgetguard.gate.targets.bundle.finding import printable

ZIPS = (".whl", ".zip")
MOST_MEMBERS = 100_000
LARGEST_MEMBER_BYTES = 1 << 30
LARGEST_ARCHIVE_BYTES = 4 << 30
LARGEST_READ_BYTES = 64 << 20
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(ValueError, RuntimeError, OverflowError),  # wrong names; a password or a method unknown here
)
"""What the readers of the standard library raise for bytes that are not what they say."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; `packed_bytes` is what it takes there, None in a compressed tar."""

    name: str
    size_bytes: int
    packed_bytes: int | None
    pieces: Callable[[], Iterator[bytes]]


def members(stream: BinaryIO, archive: str) -> Iterator[Member]:
    """The files in an archive, as they lie in it; read one before taking the next.

    Folders, links and devices are left out. Raises `MeasureError` for what is no whole archive.
    """
    names: set[str] = set()
    total_bytes = 0
    with _told(archive):
        for member in _zipped(stream) if archive.lower().endswith(ZIPS) else _tarred(stream):
            total_bytes += member.size_bytes
            if member.name in names:
                raise MeasureError(f"{archive}: holds {member.name} twice; build it again")
            names.add(member.name)
            if len(names) > MOST_MEMBERS:
                raise MeasureError(
                    f"{archive}: holds over {MOST_MEMBERS} files; such are not opened"
                )
            if member.size_bytes > LARGEST_MEMBER_BYTES or total_bytes > LARGEST_ARCHIVE_BYTES:
                raise MeasureError(
                    f"{archive}: {member.name} unpacks to over 1 GiB, or all to over 4 GiB; "
                    f"such are not opened"
                )
            yield member


def _zipped(stream: BinaryIO) -> Iterator[Member]:
    with zipfile.ZipFile(_bounded(stream)) as opened:
        for info in opened.infolist():
            if not info.is_dir() and not _is_zipped_link(info):
                name = printable(info.filename)
                pieces = _pieces(partial(opened.open, info), name)
                yield Member(name, info.file_size, info.compress_size, pieces)


def _is_zipped_link(info: zipfile.ZipInfo) -> bool:
    return (info.external_attr >> 16) & 0o170000 == 0o120000


def _tarred(stream: BinaryIO) -> Iterator[Member]:
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
    bounded = _bounded(cast("BinaryIO", unpacked))
    with unpacked, tarfile.TarFile(fileobj=bounded) as opened:
        for info in opened:
            if info.isreg():
                name = printable(info.name)
                pieces = _pieces(partial(opened.extractfile, info), name)
                yield Member(name, info.size, None, pieces)
        while piece := bounded.read(PIECE_BYTES):  # a broken header looks like the end to tarfile
            if piece.strip(b"\0"):
                raise OSError("a broken header in the middle")


def _pieces(
    open_member: Callable[[], IO[bytes] | None], told: str
) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        with _told(told):
            stream = open_member()
            while stream is not None and (piece := stream.read(PIECE_BYTES)):
                yield piece

    return read


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        reason = printable(" ".join(str(error).split())) or type(error).__name__
        raise MeasureError(
            f"{what}: cannot be read as an archive ({reason}); build it again"
        ) from None


def _bounded(stream: BinaryIO) -> IO[bytes]:
    return cast("IO[bytes]", _Bounded(stream))


class _Bounded(io.RawIOBase):
    """A stream that refuses reads and jumps as large as only a hostile archive asks for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > LARGEST_ARCHIVE_BYTES:
            raise OSError(f"it claims to go on after {LARGEST_ARCHIVE_BYTES} bytes")
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        data = b""
        if size <= LARGEST_READ_BYTES:  # below 0 it is all that is left
            data = self._stream.read(size if size >= 0 else LARGEST_READ_BYTES + 1)
        if max(size, len(data)) > LARGEST_READ_BYTES:
            raise OSError("it has a table or header too large to be meant")
        return data
