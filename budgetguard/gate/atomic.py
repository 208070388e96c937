"""Files that are replaced whole or not at all."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_text(file: Path, content: str) -> None:
    """Replace `file` by `content`; the old file stays as it was when anything goes wrong.

    A link is followed, the permissions of the old file are kept, and what UTF-8 cannot hold (the
    bytes of a file name) is written as an escape. Raises `OSError`.
    """
    target = Path(os.path.realpath(file))
    exists = target.exists()
    if exists and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only; make it writable", str(file))
    mode = target.stat().st_mode & 0o777 if exists else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _umask() -> int:
    mask = os.umask(0o077)  # it cannot be read without being set
    os.umask(mask)
    return mask
