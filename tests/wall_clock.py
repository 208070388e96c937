"""A wall clock that a test may set, in a process of its own: by libfaketime, from its wheel or from Debian."""

import importlib.util
import os
from pathlib import Path

_DEBIAN = "/usr/lib/*/faketime/libfaketime.so.1"


def library() -> Path | None:
    """What has to be loaded into the process; None where it is not installed."""
    wheel = importlib.util.find_spec("libfaketime")
    found: list[Path] = []
    if wheel is not None and wheel.origin is not None:
        found += Path(wheel.origin).parent.glob("vendor/libfaketime/src/libfaketime.so.1")
    found += Path("/").glob(_DEBIAN.lstrip("/"))
    return found[0] if found else None


def environment(clock: Path, loaded: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off by what a file says: +7200, in seconds."""
    return {
        **os.environ,
        "LD_PRELOAD": str(loaded),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
