"""Passes over an item's body: its own run with the counters on, then further ones, one meter each.

A further pass calls the body again with fresh function-scoped fixtures, in the same process. The body
is the test function, or what it hands to pytest-benchmark's `benchmark`, or the block of a `budget`
fixture; set-up and tear-down of fixtures are never inside.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Any, TypeVar

import pytest

from budgetguard.gate.meters import METERS
from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Reading
from budgetguard.redaction import Redaction
from budgetguard_worker.internals import body_in_place, forget_failure, kept_failure
from pytest_budgetguard.internals import renew_fixtures

T = TypeVar("T")
_NONE: Mapping[str, Any] = {}

WHOLE = ""
"""The subject that is the body itself; blocks of the `budget` fixture are subjects by their name."""


class Pass:
    """One reading of one subject: a context manager around it, with the meters that are on meanwhile.

    A class and not a generator: memray loses the frames of a body that were begun as deep below the
    start of its tracker as the start was called.
    """

    def __init__(self, wanted: Mapping[str, frozenset[str]]) -> None:
        self._wanted = wanted
        self._outer = ExitStack()
        self._inner: AbstractContextManager[Read] | None = None
        self._reads: list[Read] = []
        self._depth = 0
        self.reached = 0
        self.readings: dict[str, Reading] = {}

    def __enter__(self) -> None:
        """Switch the meters on; a second block is one too many and stays unwatched."""
        self.reached += 1
        self._depth += 1
        if self.reached > 1 or self.idle:
            return
        watches = [METERS[name].watch(metrics) for name, metrics in self._wanted.items()]
        try:
            self._reads = [self._outer.enter_context(watch) for watch in watches[:-1]]
            self._reads.append(dict)  # its place: the innermost may count what is allocated after
            self._inner = watches[-1]
            self._reads[-1] = self._inner.__enter__()
        except BaseException:  # then nobody calls __exit__
            self._depth -= 1
            self._inner = None
            self._outer.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth or self._inner is None:
            return
        inner, self._inner = self._inner, None
        try:
            inner.__exit__(kind, error, trace)
        finally:
            self._outer.__exit__(kind, error, trace)
        if kind is None:
            for read in self._reads:
                self.readings |= read()

    @property
    def idle(self) -> bool:
        """Whether it has nothing to read."""
        return not self._wanted

    def fail(self, metrics: frozenset[str], why: str) -> None:
        """Make every one of `metrics` an error."""
        self.readings |= {metric: Reading(error=why) for metric in metrics}

    def result(self) -> dict[str, Reading]:
        """What was read; errors where the subject was not reached exactly once, or not to its end."""
        wanted = frozenset(metric for metrics in self._wanted.values() for metric in metrics)
        if not self.reached:
            self.fail(wanted, "the measured body was not reached")
        elif self.reached > 1:
            self.fail(
                wanted, "the measured body ran more than once in one call; give each block a name="
            )
        else:
            unread = wanted - set(self.readings)
            self.fail(unread, "the measured body was left by an exception that the test swallowed")
        return self.readings


class Unrepeatable(Exception):
    """The body failed when it was called again with fresh fixtures."""


class Runner:
    """Runs one item's body, with the passes of the moment around its subjects."""

    def __init__(self, item: pytest.Function) -> None:
        self.item = item
        self.watching: dict[str, Pass] = {}
        self.numbers: dict[str, Reading] = {}
        self.rounds: Mapping[str, Reading] = {}

    def own_run(
        self, watching: dict[str, Pass], *, rounds: bool = True
    ) -> AbstractContextManager[None]:
        """Around the item's own call: the passes in `watching` are on where their subject runs."""
        return self._swapped(watching, rounds=rounds)

    def again(self, watching: dict[str, Pass]) -> None:
        """Call the body once more with fresh function-scoped fixtures. Raises `Unrepeatable`."""
        self.numbers.clear()
        try:
            renew_fixtures(self.item)
            with self._swapped(watching, rounds=False):
                self.item.runtest()
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            raise Unrepeatable(first_line(error)) from error
        recorded = kept_failure(self.item)
        if recorded:
            forget_failure(self.item)
            raise Unrepeatable(first_line(recorded))

    @contextmanager
    def _swapped(self, watching: dict[str, Pass], *, rounds: bool) -> Iterator[None]:
        self.watching = watching
        with ExitStack() as undo:
            if uses_benchmark(self.item):
                from pytest_budgetguard.rounds import measured_benchmark

                undo.enter_context(measured_benchmark(self, rounds=rounds))
            elif WHOLE in watching:
                undo.enter_context(
                    body_in_place(self.item, lambda body: _around(body, watching[WHOLE]))
                )
            try:
                yield
            finally:
                self.watching = {}


def first_line(error: BaseException) -> str:
    """An exception in one line, with its type; a secret is taken out before the line is cut."""
    lines = Redaction()(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:150]}" if lines else type(error).__name__


def uses_benchmark(item: pytest.Function) -> bool:
    """Whether the item's `benchmark` is pytest-benchmark's own."""
    fixture = item.funcargs.get("benchmark")
    return type(fixture).__module__.startswith("pytest_benchmark")


def _around(body: Callable[..., Any], watch: Pass) -> Callable[..., Any]:
    """`body` with `watch` around each call of it; a coroutine function stays one."""
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def awaited(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            with watch:
                return await body(*args, **kwargs)

        return awaited

    @functools.wraps(body)
    def called(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        with watch:
            return deep_down(body, args, kwargs)

    return called


def of_nothing(wanted: Mapping[str, frozenset[str]]) -> dict[str, Reading]:
    """What is read around a body that does nothing, the second time: our own part of a count."""

    def nothing() -> None:
        pass

    for _ in range(2):
        watched = Pass(wanted)
        _around(nothing, watched)()
    return watched.result()


def deep_down(
    call: Callable[..., T],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = _NONE,
    frames: int = 2,
) -> T:
    """Call it below frames of ours, for memray to lose in place of the body's (see `Pass`)."""
    __tracebackhide__ = True
    return deep_down(call, args, kwargs, frames - 1) if frames else call(*args, **kwargs)


def by_meter(metrics: Sequence[str]) -> dict[str, frozenset[str]]:
    """Which meters it takes to read `metrics`."""
    wanted = set(metrics)
    split = {name: frozenset(wanted & set(meter.METRICS)) for name, meter in METERS.items()}
    return {name: found for name, found in split.items() if found}
