"""What proves that a side measures its own code: where its modules came from."""

import os
import site
import sys
from importlib.machinery import EXTENSION_SUFFIXES

from budgetguard_worker.places import installed_from

_OURS = os.path.join(os.path.dirname(__file__), "")  # noqa: PTH118, PTH120
"""The one copy of us that serves both sides; of our own repository it lies in the head."""
_MOST_NAMES = 5


class Origins:
    """Looks at every loaded module once."""

    def __init__(self, own: str, other: str) -> None:
        self._own = _roots(own)
        self._other = _roots(other)
        roots = (*self._own, *self._other)
        # an environment in a checkout is no part of it: both sides may use it
        self._shared = tuple(one for one in _environment() if one.startswith(roots))
        self._real: dict[str, str] = {}
        self._seen: set[tuple[str, str]] = set()
        self._foreign: list[str] = []
        # a copy in an environment lies outside of the checkout that it was built from
        self._tops: set[str] = installed_from(self._own) if self._own else set()
        self._extensions: set[str] = set()

    def look(self) -> dict[str, list[str]]:
        """Modules of the other side, top-level names loaded from this side, extension modules."""
        for name, module in list(sys.modules.items()):
            file = _file(module)
            if file and (name, file) not in self._seen:
                self._seen.add((name, file))
                self._take(name, file)
        return {
            "foreign": self._foreign[:_MOST_NAMES],
            "tops": sorted(self._tops),
            "extensions": sorted(self._extensions),
        }

    def _take(self, name: str, file: str) -> None:
        top = name.partition(".")[0]
        if file.startswith(_OURS) or top in sys.stdlib_module_names:
            return
        places = (file, self._resolved(file))
        if file.endswith(tuple(EXTENSION_SUFFIXES)):
            self._extensions.add(name)
        if any(place.startswith(self._shared) for place in places):
            return
        if any(place.startswith(self._other) for place in places):
            self._foreign.append(f"{name} ({file})")
        elif any(place.startswith(self._own) for place in places):
            self._tops.add(top)

    def _resolved(self, file: str) -> str:
        folder, name = os.path.split(file)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return os.path.join(self._real[folder], name)  # noqa: PTH118


def _file(module: object) -> str:
    try:
        file = vars(module).get("__file__")  # not getattr: a lazy module would load itself
    except TypeError:
        return ""
    return file if isinstance(file, str) else ""


def _roots(folder: str) -> tuple[str, ...]:
    """A root as it is written and as it is, with the separator that ends a folder's name."""
    if not folder:
        return ()
    return tuple({os.path.join(one, "") for one in (folder, os.path.realpath(folder))})  # noqa: PTH118


def _environment() -> set[str]:
    """Folders of the environment, which may lie in a checkout."""
    folders = {sys.prefix, sys.exec_prefix, sys.base_prefix, *site.getsitepackages()}
    folders |= {site.getusersitepackages()}
    return {root for folder in folders for root in _roots(folder)}
