"""The process of `isolation.py`: one request on standard input, one answer on standard output."""

import json
import sys
from pathlib import Path
from typing import Any

from budgetguard.image.errors import ImageError
from budgetguard.image.inspection import Source
from budgetguard.image.isolation import MOST_BYTES
from budgetguard.image.limits import Limits
from budgetguard.image.optimizing import optimize
from budgetguard.image.variant import Target

_WITH_A_RESULT = ("TargetUnreachable",)
"""Errors that hold more than a message; they are told by their root."""


def main() -> None:
    """Answer one request on standard input; whatever is wrong with the picture is part of the answer."""
    stream = sys.stdin.buffer
    request = json.loads(stream.readline())
    limits = Limits(**{**request["limits"], "formats": frozenset(request["limits"]["formats"])})
    _bound(limits.cpu_s, request["memory_bytes"])
    wishes = request["wishes"]
    if isinstance(wishes.get("target"), dict):
        wishes["target"] = Target(*wishes["target"]["target"])
    source = request["path"] or stream.read()
    sys.stdout.buffer.write(_reply(source, limits, wishes))


def _reply(source: Source, limits: Limits, wishes: dict[str, Any]) -> bytes:
    try:
        variant = optimize(source, limits=limits, **wishes)
    except ImageError as error:
        kind = "ImageError" if type(error).__name__ in _WITH_A_RESULT else type(error).__name__
        return json.dumps({"error": kind, "message": str(error)}).encode() + b"\n"
    except MemoryError:
        return (
            json.dumps({"error": "ImageError", "message": "the picture: out of memory"}).encode()
            + b"\n"
        )
    told = {key: value for key, value in vars(variant).items() if key not in ("data", "sha256")}
    return json.dumps({"variant": told}).encode() + b"\n" + variant.data


def _bound(cpu_s: float, memory_bytes: int) -> None:
    """Let the system end this process beyond its CPU, and refuse it more memory than the picture may take."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(cpu_s) + 2  # starting has taken some
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS counts shared libraries, and refuses any bound
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + memory_bytes, size + memory_bytes))


if __name__ == "__main__":
    main()
