"""The file that locust is given in front of the user's: it brings in the shim and, for stages, the shape."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

_LOAD = Path(__file__).resolve().parents[1]
_NAME = "budgetguard.gate.targets.load"
_PACKAGES = ("budgetguard", "budgetguard.gate", "budgetguard.gate.targets", _NAME)


def _shim() -> ModuleType:
    """Import the shim from this folder, whatever budgetguard the user's own code may import.

    Its packages are empty for so long: the real ones would import the whole gate.
    """
    theirs = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    for name, folder in zip(reversed(_PACKAGES), (_LOAD, *_LOAD.parents), strict=False):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    try:
        return importlib.import_module(f"{_NAME}.shim.install")
    finally:
        for name in list(filter(_is_ours, sys.modules)):
            del sys.modules[name]
        sys.modules.update(theirs)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "budgetguard"


globals().update(_shim().install(os.environ))
