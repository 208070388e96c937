"""`optimize` in a process of its own, for pictures of strangers.

Decoders are written in C, and have had holes. What a hostile file does to them ends with the process: the
system holds it to its CPU and memory, and what comes back is JSON and bytes, which cannot run anything.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from budgetguard.image import errors
from budgetguard.image.errors import CorruptImage, ImageError, TimeLimit
from budgetguard.image.inspection import Source, inspect
from budgetguard.image.limits import Limits
from budgetguard.image.variant import Target, Variant

_START_S = 30.0
"""What starting and writing may take, besides the picture's CPU on a busy machine."""
_BUSY = 4.0
"""How many times its CPU limit a picture may take by the clock."""
MOST_BYTES = 2**30
"""Of a result; the process cannot write more."""


def optimize_isolated(
    source: Source, *, memory_bytes: int = 2**30, limits: Limits | None = None, **wishes: Any
) -> Variant:
    """As `optimize`, in a process of its own that takes no more than `limits.cpu_s` and `memory_bytes`.

    Raises what `optimize` raises, `TimeLimit` where the system ended it for its CPU, `CorruptImage` where
    it crashed. A target that cannot be reached is an `ImageError`. On Windows only time is bounded.
    """
    bounds = limits or Limits()
    inspect(source, limits=bounds)  # what its header tells needs no process
    name = "the picture" if isinstance(source, bytes) else os.fspath(source)
    request = {
        "path": None if isinstance(source, bytes) else str(Path(source).absolute()),
        "memory_bytes": memory_bytes,
        "limits": {**dataclasses.asdict(bounds), "formats": sorted(bounds.formats)},
        "wishes": {key: _plain(value) for key, value in wishes.items()},
    }
    content = source if isinstance(source, bytes) else b""
    with tempfile.TemporaryFile() as answer:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "budgetguard.image.isolated"],
                input=json.dumps(request).encode() + b"\n" + content,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                timeout=_START_S + _BUSY * bounds.cpu_s,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except subprocess.TimeoutExpired:
            raise TimeLimit(f"{name}: took too long in its process, and was ended") from None
        return _answered(answer, name, done.returncode)


def _answered(answer: IO[bytes], name: str, code: int) -> Variant:
    if hasattr(signal, "SIGXCPU") and code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TimeLimit(f"{name}: took more CPU or memory than it may, and was ended")
    answer.seek(0)
    try:
        told = json.loads(answer.readline(1 << 20))
        data = answer.read(MOST_BYTES)
        if "error" in told:
            kind = getattr(errors, str(told["error"]), ImageError)
            raise kind(str(told["message"]).replace("the picture", name, 1))
        return Variant(data=data, **told["variant"])
    except (ValueError, TypeError, KeyError):
        raise CorruptImage(
            f"{name}: ended the process that decoded it (exit code {code})"
        ) from None


def _plain(value: object) -> object:
    return {"target": [value.kind, value.value]} if isinstance(value, Target) else value
