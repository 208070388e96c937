"""Why locust ended without a measurement, from its exit code and its last words. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

_EVIDENCE_LINES = 12
_OK = (0, 1)  # 1: some requests have failed
_PLACE = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_ERROR = re.compile(
    r"^(?P<kind>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)): ?(?P<text>.*)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How locust has ended; `limit_s` only where its time was up."""

    exit_code: int = 0
    stderr: str = ""
    limit_s: float | None = None
    locustfile: str = ""
    folder: Path = Path()
    python: str = ""
    problem: str = ""


def unusable(folder: Path, locustfile: Path) -> str:
    """Why locust could not even be started with this file; "" where it could."""
    path = folder / locustfile
    if not path.exists():
        return f"the locustfile {str(locustfile)!r} does not exist in {folder}: correct its path"
    if path.is_file() and path.suffix != ".py":
        return f"the locustfile {str(locustfile)!r} does not end in .py, which locust insists on: rename it"
    if "," in str(locustfile):
        return f"the locustfile {str(locustfile)!r} has a comma in its path, where locust splits: rename it"
    return ""


def diagnose(ended: Ended, told: str, *, measured: bool) -> tuple[str, tuple[str, ...]]:
    """The problem and its evidence; `told` is the problem that the shim named itself.

    `measured` is whether an interval was told: without one, no exit code is trusted.
    """
    evidence = tuple(line for line in ended.stderr.splitlines() if line.strip())[-_EVIDENCE_LINES:]
    if ended.problem or told:
        return ended.problem or told, ()
    if ended.limit_s is not None:
        return (
            f"the load generator had not ended after {ended.limit_s:.0f} s: it was ended",
            evidence,
        )
    if ended.exit_code in _OK and measured:
        return "", ()
    return _named(ended, measured=measured) or _unnamed(ended), evidence


def _named(ended: Ended, *, measured: bool) -> str:
    """The problem, where locust's own words are known."""
    words = ended.stderr
    if "No module named locust" in words:
        return (
            f"locust is not installed for {ended.python}; "
            'run: pip install "pytest-budgetguard[load]"'
        )
    if "No User class found" in words:
        return (
            f"{ended.locustfile} has no user class: expected a class derived from FastHttpUser "
            "or HttpUser, not abstract, with at least one @task"
        )
    if "Gave up waiting for workers" in words:
        return "not all workers of locust have come in time: start them, or correct `processes`"
    if "Socket bind failure" in words or "master port" in words:
        return "the port of locust's master is taken: end what listens there, perhaps an older run"
    return "" if measured else _raised(ended)


def _raised(ended: Ended) -> str:
    """What the locustfile raised while it was imported."""
    last = [found for line in ended.stderr.splitlines() if (found := _ERROR.match(line))]
    if not last or ("Traceback" not in ended.stderr and "SyntaxError" not in ended.stderr):
        return ""
    error = f"{last[-1]['kind']}: {last[-1]['text']}".rstrip(": ")
    place = _place(ended)
    if last[-1]["kind"] in ("SyntaxError", "IndentationError", "TabError"):
        return f"{place or ended.locustfile} has a syntax error: {last[-1]['text']}"
    return f"{ended.locustfile} cannot be imported: {error}" + (f" ({place})" if place else "")


def _place(ended: Ended) -> str:
    """The innermost line of the user's own code in the traceback."""
    for found in reversed(list(_PLACE.finditer(ended.stderr))):
        file = Path(found["file"])
        if "site-packages" not in file.parts and file.is_relative_to(ended.folder):
            return f"{file.relative_to(ended.folder)}:{found['line']}"
    return ""


def _unnamed(ended: Ended) -> str:
    if ended.exit_code < 0:
        return f"the load generator was ended by signal {-ended.exit_code}: its last seconds are missing"
    return f"the load generator ended with exit code {ended.exit_code}: expected 0, or 1 for failed requests"
