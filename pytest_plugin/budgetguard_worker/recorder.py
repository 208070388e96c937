"""What code runs, and what it reads, from the start of a process to the end of each benchmark.

A worker that records does so in a sweep of its own, never while it measures:

    watched = recorder.start([root])      # before pytest is imported
    for each item:
        watched.begin(nodeid)             # before its set-up
        watched.rounds_begin()            # set-up is over: rounds follow, as many as timing would run
        payload = watched.end()           # after the last round, before the tear-down: JSON-able
    watched.stop()

Both sides run the same items in the same order, in two sweeps with a hash seed each;
`budgetguard.gate.fingerprint.compare` takes the payloads. An item that fails is dropped with `drop`.
"""

import _thread
import json
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Protocol

from budgetguard_worker import surroundings
from budgetguard_worker.codehash import content, digest_of, strings
from budgetguard_worker.guards import Guards
from budgetguard_worker.places import Places, absolute

FORMAT = 1
TOOL_IDS = (3, 4)
"""Free by convention: 0 debugger, 1 coverage, 2 profiler, 5 optimizer."""
TOOL_NAME = "budgetguard same code"
MOST_CODES = 50_000
"""Code objects of one benchmark; more are made anew as it runs, and are not compared."""
LONGEST_WORD = 120


@dataclass(slots=True)
class Window:
    """What happened in one stretch of the process."""

    codes: list[CodeType] = field(default_factory=list)
    looked_at: list[CodeType] = field(default_factory=list)
    reads: dict[str, set[str]] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)

    def take(self, other: "Window") -> None:
        """Add what happened in another."""
        self.codes += other.codes
        self.looked_at += other.looked_at
        for name, digests in other.reads.items():
            self.reads.setdefault(name, set()).update(digests)
        self.doubts |= other.doubts


class Watch(Protocol):
    """A way to see which code objects run."""

    def restart(self) -> None:
        """See code again that was seen before."""

    def pause(self) -> None:
        """Keep out of the recorder's own work on this thread, where that costs."""

    def resume(self) -> None:
        """Go on after a pause."""

    def lost(self) -> str:
        """Why the record is not whole, if so."""

    def stop(self) -> None:
        """See no more."""


class Monitoring:
    """`sys.monitoring`: each code object tells once that it starts, in every thread, at almost no cost."""

    def __init__(self, see: Callable[[CodeType], None]) -> None:
        self._api: Any = getattr(sys, "monitoring")  # noqa: B009  # Python 3.12 and later
        self._tool = next((one for one in TOOL_IDS if self._api.get_tool(one) is None), None)
        if self._tool is None:
            return
        self._api.use_tool_id(self._tool, TOOL_NAME)
        events, disable = self._api.events, self._api.DISABLE

        def started(code: CodeType, _offset: int) -> object:
            see(code)
            return disable

        self._events = events.PY_START | events.PY_RESUME
        self._api.register_callback(self._tool, events.PY_START, started)
        self._api.register_callback(self._tool, events.PY_RESUME, started)
        self._api.set_events(self._tool, self._events)

    def restart(self) -> None:
        """Let every code object tell again."""
        self._api.restart_events()

    def pause(self) -> None:
        """Nothing to do: what is seen once costs nothing more."""

    resume = pause

    def lost(self) -> str:
        """Why the record is not whole, if so."""
        if self._tool is None:
            return "the tool ids 3 and 4 of sys.monitoring are both taken"
        ours = self._api.get_tool(self._tool) == TOOL_NAME
        whole = ours and self._api.get_events(self._tool) == self._events
        return "" if whole else "another tool switched sys.monitoring off for us"

    def stop(self) -> None:
        """Give the tool id back."""
        if self._tool is not None and self._api.get_tool(self._tool) == TOOL_NAME:
            self._api.set_events(self._tool, 0)
            self._api.free_tool_id(self._tool)


class Profile:
    """`sys.setprofile`, for Python 3.11: slower, and one profiler at a time."""

    def __init__(self, see: Callable[[CodeType], None]) -> None:
        self._known: dict[
            int, CodeType
        ] = {}  # kept alive: a new object would get the place of a dead one
        self._callback = self._following(see)
        self._start_thread = _thread.start_new_thread
        _thread.start_new_thread = self._start_followed
        threading.setprofile(self._callback)
        sys.setprofile(self._callback)

    def _start_followed(self, function: Any, args: tuple[Any, ...], kwargs: Any = None) -> int:
        """A thread that `threading` knows nothing of has to be told of the profiler."""
        return self._start_thread(self._follow, (function, args, kwargs or {}))

    def _follow(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sys.setprofile(self._callback)
        function(*args, **kwargs)

    def _following(self, see: Callable[[CodeType], None]) -> Callable[..., None]:
        known, identity = self._known, object.__hash__  # `id` would raise an audit event each time

        def called(frame: FrameType, event: str, _arg: object) -> None:
            if event == "call":
                code = frame.f_code
                if identity(code) not in known:
                    known[identity(code)] = code
                    see(code)

        return called

    def restart(self) -> None:
        """Let every code object tell again."""
        self._known.clear()

    def pause(self) -> None:
        """Take the profiler off this thread."""
        self._paused = sys.getprofile()
        sys.setprofile(None)

    def resume(self) -> None:
        """Put back what was there, ours or another's."""
        sys.setprofile(self._paused)

    def lost(self) -> str:
        """Why the record is not whole, if so."""
        return (
            "" if sys.getprofile() is self._callback else "another profiler took the place of ours"
        )

    def stop(self) -> None:
        """Take the profiler off."""
        _thread.start_new_thread = self._start_thread
        if sys.getprofile() is self._callback:
            sys.setprofile(None)
            threading.setprofile(None)


class Recorder:
    """The record of one process; see the module's docstring for the order of calls.

    A payload holds what the item's own set-up and rounds ran and read, together with all that ran
    outside of items and in the set-up of earlier ones, because that stays. What earlier items' rounds
    ran may have left something behind too (a filled cache): it has a digest of its own, `earlier`.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._places, self._files = Places(roots), surroundings.Files()
        self._shared, self._earlier = Window(), Window()
        self._setup, self._rounds = Window(), Window()
        self._now = self._shared
        self._item = ""
        self._parents: dict[int, tuple[CodeType, int]] = {}
        self._hashes: dict[tuple[int, bool], str] = {}
        self._fixed = {
            "environment": surroundings.environment(self._places),
            "python": surroundings.interpreter(),
            "distributions": surroundings.distributions(self._places),
            "start_files": surroundings.start_files(self._places),
        }
        self._children = surroundings.children()
        self._guards = Guards(self._places, self._files, self._read, self._doubt, self._look)
        self._guards.start()
        collector = Monitoring if sys.version_info >= (3, 12) else Profile
        self._watch: Watch = collector(self._see)

    def begin(self, item: str) -> None:
        """An item's set-up begins."""
        self._close()
        if self._guards.harness_started:  # its children are none of the benchmark's
            self._guards.harness_started = False
            self._children = surroundings.children()
        self._item = item
        self._setup = self._now = Window()
        self._watch.restart()

    def rounds_begin(self) -> None:
        """The item's set-up is over and its measured body comes."""
        self._rounds = self._now = Window()
        self._guards.in_rounds = True

    def end(self) -> dict[str, Any]:
        """The payload of the item; what follows (asserts, tear-down) counts for those after it."""
        missed = self._watch.lost()
        self._watch.pause()
        with self._guards.quietly():
            own = Window()
            for part in (self._shared, self._setup, self._rounds):
                own.take(part)
            payload = self._payload(own, missed)
            self._close()
        self._watch.resume()
        return payload

    def drop(self) -> None:
        """The item failed: no payload, but what it ran still counts for those after it."""
        self._close()

    def stop(self) -> None:
        """No more is recorded, and the interpreter runs at full speed again."""
        self._watch.stop()
        self._guards.stop()

    def _close(self) -> None:
        self._shared.take(self._setup)
        self._earlier.take(self._rounds)
        self._setup, self._rounds = Window(), Window()
        self._now = self._shared
        self._guards.in_rounds = False
        self._item = ""

    def _see(self, code: CodeType) -> None:
        if self._places.owner(code.co_filename) == "project":
            now = self._now
            if len(now.codes) < MOST_CODES:
                now.codes.append(code)
            else:
                self._doubt("codes", f"it makes over {MOST_CODES} code objects as it runs")

    def _look(self, code: CodeType) -> None:
        self._now.looked_at.append(code)

    def _read(self, name: str, digest: str) -> None:
        self._now.reads.setdefault(name, set()).add(digest)

    def _doubt(self, kind: str, words: str) -> None:
        self._now.doubts.setdefault(kind, words)

    def _payload(self, own: Window, missed: str) -> dict[str, Any]:
        ran = "" if surroundings.children() == self._children else "a child process ran"
        imported, modules, packages = surroundings.imported(self._places, self._files)
        code, reads = self._codes(own), _told(own)
        return {
            "format": FORMAT,
            "item": self._item,
            "digest": _json_digest([code, reads]),
            "codes": sum(map(len, code.values())),
            "files": len(reads),
            "code": code,
            "reads": reads,
            "doubts": sorted({*own.doubts.values(), *filter(None, (missed, ran))}),
            "earlier": _json_digest([self._codes(self._earlier), _told(self._earlier)]),
            "earlier_doubts": sorted(self._earlier.doubts.values()),
            "words": sorted(
                {word for one in own.codes for word in strings(one) if _names_a_file(word)}
            ),
            "modules": modules,
            "packages": packages,
            "search": sorted(self._search()),
            "imported": imported,
            "objects": surroundings.shared_objects(self._places, self._files),
            **self._fixed,
        }

    def _search(self) -> Iterable[str]:
        """The project's folders that Python looks for modules in."""
        for folder in dict.fromkeys(absolute(one) for one in sys.path):
            if self._places.below_roots(folder):
                yield self._places.name(folder)

    def _codes(self, window: Window) -> dict[str, dict[str, str]]:
        """Digests by file and by the place of the code object in it."""
        found: dict[str, dict[str, set[str]]] = {}
        unique = {id(code): code for code in (*window.codes, *window.looked_at)}
        for code in unique.values():
            self._adopt(code)
        looked_at = {id(code) for code in window.looked_at}
        for code in unique.values():
            lines = id(code) in looked_at
            path = code.co_filename
            file = self._places.name(path if path.startswith("<") else absolute(path))
            name = f"{code.co_qualname}@{self._place(code)}"
            found.setdefault(file, {}).setdefault(name, set()).add(self._hash(code, lines=lines))
        return {
            file: {name: _joined(digests) for name, digests in sorted(names.items())}
            for file, names in sorted(found.items())
        }

    def _hash(self, code: CodeType, *, lines: bool) -> str:
        key = (id(code), lines)
        if key not in self._hashes:
            self._hashes[key] = content(code, self._places.name, lines=lines)
        return self._hashes[key]

    def _adopt(self, code: CodeType) -> None:
        """Remember where the functions inside a code object stand: two lambdas have one name."""
        for index, inner in enumerate(code.co_consts):
            if isinstance(inner, CodeType):
                self._parents[id(inner)] = (code, index)

    def _place(self, code: CodeType) -> str:
        indexes: list[str] = []
        while id(code) in self._parents:
            code, index = self._parents[id(code)]
            indexes.append(str(index))
        return ".".join(reversed(indexes))


def start(roots: Sequence[str]) -> Recorder:
    """Record from now on: to be called before pytest is imported.

    `roots` are the folders whose code is the project's; distributions that were installed from a local
    folder (editable or not) are added.
    """
    return Recorder(roots)


def _told(window: Window) -> dict[str, str]:
    return {name: _joined(digests) for name, digests in sorted(window.reads.items())}


def _joined(digests: set[str]) -> str:
    return (
        digests.copy().pop() if len(digests) == 1 else digest_of(" ".join(sorted(digests)).encode())
    )


def _json_digest(value: object) -> str:
    return digest_of(json.dumps(value, sort_keys=True).encode())


def _names_a_file(text: str) -> bool:
    return (
        len(text) <= LONGEST_WORD
        and ("." in text or "/" in text)
        and not any(map(str.isspace, text))
    )
