"""The work of one call, counted: bytecodes by `sys.monitoring`, instructions by callgrind.

Standard library only: a worker loads this file by its path, in an environment without budgetguard.
Instructions need a process that was started under callgrind, with `OUT` and `HOOKS` in its environment.

The cost of an allocation depends on what was freed long before, so that the allocators alone move a
raw count by up to 3 % where nothing has changed. They and the copying of memory are left out.
"""

import ctypes
import functools
import gc
import importlib.machinery
import importlib.util
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

OUT = "BUDGETGUARD_CALLGRIND"
"""Names what callgrind's files begin with; the id of the process follows."""
HOOKS = "BUDGETGUARD_HOOKS"
"""Names pytest-codspeed's compiled module, by which a program speaks to callgrind."""

_LARGEST = 5
_FROZEN_BY_THE_INTERPRETER = 1000
"""CPython 3.12 starts with some 400 frozen objects; a program that freezes its own has many more."""
_ALLOCATORS = re.compile(
    r"""
    (__libc_|__GI_+libc_|_int_|_mid_)? (malloc|free|calloc|realloc|memalign) 2? (_impl)?   # glibc, musl
    | posix_memalign | aligned_alloc | unlink_chunk | malloc_consolidate | sysmalloc\w* | systrim
    | (alloc|free)_perturb | ptmalloc_init | tcache_\w+ | arena_get\w* | reused_arena
    | _int_free_\w+ | m(unmap|remap)_chunk | (new|grow|shrink)_heap | heap_trim | __default_morecore
    | alloc_(slot|group) | try_avail | nontrivial_free | free_group
    | _PyObject_(Malloc|Free|Calloc|Realloc) | pymalloc_\w+                                 # CPython
    | allocate_from_new_pool | new_arena | insert_to_(used|free)pool | arena_map_\w+
    | _?mi_\w+ | je_\w*(alloc|free)\w* | tc_\w*(alloc|free)\w*
    | \w*mem(cpy|move)\w*
    """,
    re.VERBOSE,
)
_C_LIBRARY = re.compile(r"/(libc[.-]|ld-musl-)[^/]*$")


class CannotCount(Exception):
    """Why there is no count, in a sentence."""


class Counted(NamedTuple):
    """How many there were, what counted them, and the functions that executed most of them."""

    value: int
    made_with: str
    largest: tuple[tuple[str, int], ...] = ()


def count(call: Callable[[], object]) -> dict[str, Any]:
    """Call once and tell `instructions`, or `bytecodes` in a process that is not under callgrind.

    With it come `made_with` and `largest`; instead of it comes `error`, a sentence. What the call
    raises passes through. Only a later call repeats: let the caller call once before.
    """
    kind, counter = (
        ("instructions", Instructions) if os.environ.get(OUT) else ("bytecodes", Bytecodes)
    )
    try:
        with counter() as counting:
            call()
        counted = counting.counted()
    except CannotCount as error:
        return {"error": str(error)}
    return {kind: counted.value, "made_with": counted.made_with, "largest": list(counted.largest)}


class _Counting:
    """What both counters do around the block: the collector shall see no garbage but the block's own."""

    def __init__(self) -> None:
        self._froze = False
        self._done = False
        self._pid = os.getpid()

    def _settle(self) -> None:
        gc.collect()
        if gc.get_freeze_count() <= _FROZEN_BY_THE_INTERPRETER:
            gc.freeze()
            self._froze = True
        gc.collect()  # almost free now; the collector's counters begin at 0

    def _release(self) -> None:
        if self._froze:
            gc.unfreeze()
            self._froze = False


class Bytecodes(_Counting):
    """Counts the bytecodes of a block, in all threads. Raises `CannotCount` at its begin.

    Nothing of Python's runs per bytecode: a cache without room counts its misses, in C.
    """

    def __init__(self) -> None:
        super().__init__()
        self._misses: Any = functools.lru_cache(maxsize=0)("".format)  # takes any arguments
        self._tool = -1

    def __enter__(self) -> Self:
        self._monitoring = _monitoring()
        self._tool = _free_tool(self._monitoring)
        self._monitoring.use_tool_id(self._tool, "budgetguard")
        event = self._monitoring.events.INSTRUCTION
        self._monitoring.register_callback(self._tool, event, self._misses)
        self._settle()
        self._monitoring.set_events(self._tool, event)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._monitoring.set_events(self._tool, 0)
        self._monitoring.register_callback(self._tool, self._monitoring.events.INSTRUCTION, None)
        self._monitoring.free_tool_id(self._tool)
        self._release()
        self._done = kind is None

    def counted(self) -> Counted:
        """What the block executed."""
        return Counted(self._misses.cache_info().misses, _python())


def _monitoring() -> Any:
    found = getattr(sys, "monitoring", None)
    if found is None:
        raise CannotCount(
            f"bytecodes are counted by sys.monitoring, which came with Python 3.12; "
            f"this is {platform.python_version()}: limit instructions, or measure with a newer Python"
        )
    return found


def _free_tool(monitoring: Any) -> int:
    # 0 to 2 and 5 are meant for debuggers, coverage, profilers and optimizers
    for tool in (3, 4, 5, 2, 1, 0):
        if monitoring.get_tool(tool) is None:
            return tool
    names = ", ".join(str(monitoring.get_tool(tool)) for tool in range(6))
    raise CannotCount(
        f"all six places of sys.monitoring are taken ({names}); measure without one of these tools"
    )


class Instructions(_Counting):
    """Counts the machine instructions of a block, in all threads. Raises `CannotCount` at its begin."""

    def __enter__(self) -> Self:
        self._hooks = _hooks(os.environ.get(HOOKS, ""))
        self._settle()
        self._hooks.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hooks.end()
        if os.getpid() != self._pid:  # a forked child that ran on to here: not the block's process
            return
        self._release()
        self._done = kind is None
        self._hooks.dump()

    def counted(self) -> Counted:
        """What the block executed; raises `CannotCount` where callgrind wrote nothing sound."""
        begin = Path(os.environ.get(OUT, ""))
        files = sorted(begin.parent.glob(f"{begin.name}.{self._pid}.*"), key=_number)
        if not files:
            raise CannotCount(
                "callgrind wrote nothing: this process does not run under valgrind --tool=callgrind"
            )
        return read_counted(files[-1])


def _number(file: Path) -> int:
    last = file.suffix[1:]
    return int(last) if last.isdigit() else 0


class _Hooks(NamedTuple):
    begin: Callable[[], None]
    end: Callable[[], None]
    dump: Callable[[], None]


@functools.cache
def _hooks(file: str) -> _Hooks:
    """What starts, ends and writes a count; `begin` and `end` are C functions, the least there can be."""
    try:
        name = Path(file).name.split(".", maxsplit=1)[0]
        loader = importlib.machinery.ExtensionFileLoader(name, file)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=file)
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        symbols = ctypes.PyDLL(file)
        symbols.callgrind_zero_stats()
        return _Hooks(
            module.callgrind_start_instrumentation,
            module.callgrind_stop_instrumentation,
            lambda: symbols.callgrind_dump_stats_at(b"budgetguard"),
        )
    except (ImportError, OSError, AttributeError) as error:
        raise CannotCount(
            f"pytest-codspeed's hooks for callgrind cannot be used ({error}): "
            "run pip install --upgrade 'pytest-budgetguard[instructions]'"
        ) from None


def read_counted(*files: Path) -> Counted:
    """The instructions in callgrind's files, without allocators and copying. Raises `CannotCount`."""
    costs: Counter[str] = Counter()
    total = 0
    creators: dict[str, None] = {}
    nameless = False
    for file in files:
        profile = _Profile()
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                profile.read(lines)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise CannotCount(
                f"callgrind's file cannot be read: {type(error).__name__} {error}"
            ) from None
        if not profile.sound:
            raise CannotCount("callgrind's file was cut short; free some space on the disk")
        creators[profile.creator.replace("-", " ")] = None
        for (library, function), amount in profile.costs.items():
            if not _is_left_out(library, function):
                total += amount
                costs[_plain(function)] += amount
            nameless |= _is_nameless(library, function)
    symbols = " without symbols" if nameless else ""
    made_with = f"{', '.join(creators)}, {_python()}, {_c_library()}{symbols}"
    return Counted(total, made_with, tuple(costs.most_common(_LARGEST)))


def _is_left_out(library: str, function: str) -> bool:
    return bool(_ALLOCATORS.fullmatch(_plain(function))) or _is_nameless(library, function)


def _is_nameless(library: str, function: str) -> bool:
    """Whether it is of the C library and has no name, as its allocator where no symbols are installed."""
    return function.startswith("0x") and bool(_C_LIBRARY.search(library))


def _plain(function: str) -> str:
    """A function's name without what compiler, linker and callgrind add: `_int_free.part.0'2`."""
    return re.split(r"[.@']", function, maxsplit=1)[0] or function


class _Profile:
    """One file of callgrind's: costs of functions themselves by (library, function).

    Format: valgrind's manual, "Callgrind Format Specification". Names are written once, with a number,
    and then told by it; the line after `calls=` is the cost of what was called, counted there, too.
    """

    def __init__(self) -> None:
        self.costs: Counter[tuple[str, str]] = Counter()
        self.creator = ""
        self._names: dict[tuple[str, str], str] = {}
        self._total = -1

    @property
    def sound(self) -> bool:
        """Whether it has its end, and its parts are its total."""
        return self._total == sum(self.costs.values())

    def read(self, lines: Any) -> None:
        """Take all lines."""
        library = function = ""
        inclusive = False
        for line in lines:
            key, equals, value = line.rstrip("\n").partition("=")
            if line[0] in "0123456789+-*":
                if not inclusive:
                    self.costs[library, function] += sum(map(int, line.split()[1:2]))
                inclusive = False
            elif equals and key in ("ob", "cob"):
                named = self._named("ob", value)
                library = named if key == "ob" else library
            elif equals and key in ("fn", "cfn"):
                named = self._named("fn", value)
                function = named if key == "fn" else function
            elif key == "calls":
                inclusive = True
            elif line.startswith("totals:"):
                self._total = int(line.split()[1])
            elif line.startswith("creator:"):
                self.creator = line.partition(":")[2].strip()

    def _named(self, kind: str, value: str) -> str:
        """`(12) malloc` names 12, `(12)` is told by it, and `malloc` stands for itself."""
        found = re.fullmatch(r"\((\d+)\)(?: (.*))?", value)
        if not found:
            return value
        number, name = found.groups()
        if name is not None:
            self._names[kind, number] = name
        return self._names[kind, number]


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def _c_library() -> str:
    names: Mapping[str, int] = getattr(os, "confstr_names", {})
    return (
        (os.confstr("CS_GNU_LIBC_VERSION") or "") if "CS_GNU_LIBC_VERSION" in names else "no glibc"
    )
