"""Attributes of other libraries replaced for a while, and calls when a module has been imported."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ABSENT = object()


class Patches:
    """A list of replaced attributes; `undo` restores them in the reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Set `owner.name`, remembering what stood in the owner itself."""
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self._undo.append((owner, name, before))

    def undo(self) -> None:
        """Put everything back; what was inherited is inherited again."""
        while self._undo:
            owner, name, value = self._undo.pop()
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


Hook = Callable[[ModuleType], None]


class PostImport:
    """A finder that finds nothing itself: it asks the others and wraps the loader's last step."""

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self._hooks = hooks
        self._asking: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Hand on the others' spec for a module that has a hook."""
        if fullname not in self._hooks or fullname in self._asking:
            return None
        self._asking.add(fullname)
        try:
            spec = _ask_others(self, fullname, path, target)
        finally:
            self._asking.discard(fullname)
        if spec is not None and spec.loader is not None:
            _call_after(spec.loader, fullname, self._hooks[fullname])
        return spec


def _ask_others(
    me: PostImport, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if finder is not me and find is not None:
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
    return None


def _call_after(loader: Any, name: str, hook: Hook) -> None:
    """The instance carries the wrapper, once; a zip file's loader serves other modules too."""
    plain: Any = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        if module.__name__ != name:
            plain(module)
            return
        del loader.exec_module  # the module's __loader__ is then as it always was
        plain(module)
        hook(module)

    loader.exec_module = exec_module
