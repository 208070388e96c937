"""Which line of the user's own code is asking."""

import functools
import site
import sys
import sysconfig
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType

Site = tuple[CodeType | None, int]  # a code object and the offset of the instruction in it
NOWHERE: Site = (None, -1)

# A driver that works in a thread of its own hands over the site of the task that asked.
handed_over: ContextVar[Site] = ContextVar("budgetguard_site", default=NOWHERE)

is_user: dict[str, bool] = {}  # by file name: hashing a code object is slow, its name's is kept


def call_site(frame: FrameType | None = None) -> Site:
    """Find the nearest frame outside the standard library, site-packages and budgetguard.

    Only a reference is taken: the line number is worked out by `place` when it is needed.
    """
    frame = frame or sys._getframe(1)  # noqa: SLF001 — documented; inspect's is 100 times slower
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        try:
            user = is_user[name]
        except KeyError:
            user = is_user[name] = is_user_file(name)
        if user:
            return code, frame.f_lasti
        frame = frame.f_back
    return handed_over.get()


def place(where: Site) -> str:
    """`path:line` of a call site; an empty text when the asking line is not known."""
    code, offset = where
    if code is None:
        return ""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return f"{code.co_filename}:{line}"
    return f"{code.co_filename}:{code.co_firstlineno}"


def is_user_file(name: str) -> bool:
    """Whether a code's file is neither a library's nor generated."""
    if name.startswith("<") and not name.startswith(("<stdin", "<ipython")):
        return False
    parts = Path(name).parts
    if not {"site-packages", "dist-packages", "pytest_budgetguard"}.isdisjoint(parts):
        return False
    return not name.startswith(_library_roots())


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots |= {site.getusersitepackages(), str(Path(__file__).parents[1])}
    return tuple(root.rstrip("/\\") + sep for root in sorted(roots) for sep in "/\\")
