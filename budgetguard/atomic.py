"""Files that are replaced whole or not at all."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

_HANDLES = Path("/proc/self/fd")


def replace_text(file: Path, content: str) -> None:
    """As `replace_bytes`; what UTF-8 cannot hold (the bytes of a file name) is written as an escape."""
    replace_bytes(file, content.encode("utf-8", "backslashreplace"))


def replace_bytes(file: Path, content: bytes) -> None:
    """Replace `file` by `content`; the old file stays as it was when anything goes wrong.

    A link is followed, and the permissions of the old file are kept. Raises `OSError`.
    """
    target = Path(os.path.realpath(file))
    exists = target.exists()
    if exists and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only; make it writable", str(file))
    mode = target.stat().st_mode & 0o777 if exists else 0o666 & ~_umask()
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.new")
    try:
        with os.fdopen(_begin(temporary), "wb") as stream:
            stream.write(content)
            stream.flush()
            if hasattr(os, "fchmod"):  # Windows has it from Python 3.13 on
                os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
            _name(stream.fileno(), temporary)
        temporary.replace(target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _begin(temporary: Path) -> int:
    """Open a new file, without a name where the system can: a killed process then leaves nothing."""
    unnamed = getattr(os, "O_TMPFILE", 0)
    if unnamed and _HANDLES.is_dir():
        with suppress(OSError):  # not every file system has it
            return os.open(temporary.parent, unnamed | os.O_WRONLY, 0o600)
    binary = getattr(os, "O_BINARY", 0)
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o600)


def _name(handle: int, temporary: Path) -> None:
    if not temporary.exists():
        # any `src_dir_fd` makes Python call linkat, which can follow the link to the open file
        os.link(_HANDLES / str(handle), temporary, src_dir_fd=handle, follow_symlinks=True)


def _umask() -> int:
    mask = os.umask(0o077)  # it cannot be read without being set
    os.umask(mask)
    return mask
