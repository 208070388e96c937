"""pytest-benchmark's `benchmark` (and pytest-codspeed's): what it is handed is the subject.

The class is patched and not the fixture, because pytest-benchmark wants the fixture to be its own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from budgetguard_worker.clock import Tally
from budgetguard_worker.performance import BENCHMARK, Performance
from budgetguard_worker.rounds import Once, Round, each, straight
from budgetguard_worker.talk import Talk

Current = Callable[[], Performance | None]


def take_over(current: Current) -> None:
    """From now on a call of `benchmark` asks for the performance of the moment."""
    for name in ("pytest_benchmark.fixture", "pytest_codspeed.plugin"):
        fixture: Any = getattr(sys.modules.get(name), "BenchmarkFixture", None)
        if fixture is not None:
            fixture.__call__ = _call(current)
            fixture.pedantic = _pedantic(current)


def _call(current: Current) -> Callable[..., object]:
    def call(fixture: Any, function: Callable[..., Any], *args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        once, run = straight(_bound(function, args, kwargs))
        return _perform(current(), fixture, "benchmark(...)", once, run)

    return call


def _pedantic(current: Current) -> Callable[..., object]:
    def pedantic(  # pytest-benchmark's own signature
        fixture: Any,
        target: Callable[..., Any],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        **_: object,  # how many rounds and iterations: ours are those of the coordinator
    ) -> object:
        __tracebackhide__ = True
        if setup is None and teardown is None:
            once, run = straight(_bound(target, args, kwargs or {}))
        else:
            once = _prepared(target, (args, kwargs or {}), setup, teardown)
            run = each(once)
        return _perform(current(), fixture, "benchmark.pedantic(...)", once, run)

    return pedantic


def _prepared(
    target: Callable[..., Any],
    fixed: tuple[Sequence[object], Mapping[str, object]],
    setup: Callable[[], Any] | None,
    teardown: Callable[..., Any] | None,
) -> Once:
    """One call with its set-up and tear-down outside the clock."""

    def once(tally: Tally) -> object:
        __tracebackhide__ = True
        args, kwargs = (setup() if setup else None) or fixed
        with tally:
            result = target(*args, **kwargs)
        if teardown:
            teardown(*args, **kwargs)
        return result

    return once


def _perform(
    performance: Performance | None, fixture: Any, mode: str, once: Once, run: Round
) -> object:
    __tracebackhide__ = True
    fixture._mode = mode  # else its tear-down warns that it was not used
    if performance is None or performance.kind != BENCHMARK:  # a call of it is a call
        return once(Tally())
    if performance.met:
        raise AlreadyUsedError(f"benchmark can be used once in a test; this is a second {mode}")
    result = performance.meet(once, run)
    _keep_stats(fixture, performance.talk)
    return result


class AlreadyUsedError(Exception):
    """A second call of `benchmark` in one test."""


def _keep_stats(fixture: Any, talk: Talk) -> None:
    """`benchmark.stats` of the rounds that were served, for a test that looks at them."""
    with suppress(AttributeError):  # pytest-codspeed has none
        stats = fixture._make_stats(1)
        for wall_ns, calls in talk.rounds_ns or [(talk.first.cost.wall_ns, 1)]:
            stats.update(max(wall_ns, 1) / calls / 1e9)


def _bound(
    function: Callable[..., Any], args: Sequence[object], kwargs: Mapping[str, object]
) -> Callable[[], Any]:
    """Without arguments the function itself: a call of `partial` would be measured, too."""
    from functools import partial

    return partial(function, *args, **kwargs) if args or kwargs else function
