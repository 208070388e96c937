"""Where both sides write their bytecode: a base that is compiled in every process makes head look fast."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from budgetguard.gate.sides.reaper import Reaper

_FORBIDDEN, _FOLDER = "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"


@contextlib.contextmanager
def written(reaper: Reaper) -> Iterator[None]:
    """Where nobody may write bytecode, both sides write theirs to a folder that ends with this run."""
    forbidden = os.environ.pop(_FORBIDDEN, "")
    if not forbidden:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="bg-"))
    reaper.folder(folder)
    before = os.environ.get(_FOLDER)
    os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        os.environ[_FORBIDDEN] = forbidden
        os.environ.pop(_FOLDER)
        if before is not None:
            os.environ[_FOLDER] = before
