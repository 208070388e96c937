"""pytest-benchmark's fixture under a budget: its rounds are the clock, one more call is for the counters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from budgetguard.gate.meters import clock
from pytest_budgetguard.passes import WHOLE, deep_down

if TYPE_CHECKING:
    from pytest_budgetguard.passes import Runner


@contextmanager
def measured_benchmark(runner: "Runner", *, rounds: bool) -> Iterator[None]:
    """While active, a call of `benchmark` is the body of the test.

    With `rounds` the benchmark runs as it always does and is called once more, watched; without, it is
    called once, watched, and makes no rounds. The class is patched, because pytest-benchmark wants
    the fixture to be its own.
    """
    call: Any = BenchmarkFixture.__call__
    pedantic: Any = BenchmarkFixture.pedantic

    def measured_call(
        fixture: Any, function: Callable[..., Any], *args: object, **kwargs: object
    ) -> object:
        if rounds:
            result = call(fixture, function, *args, **kwargs)
            _keep_rounds(runner, fixture)
            return _watched(runner, lambda: function(*args, **kwargs), result)
        fixture._mode = "benchmark(...)"  # else its tear-down warns that it was not used
        return _watched(runner, lambda: function(*args, **kwargs))

    def measured_pedantic(  # pytest-benchmark's own signature
        fixture: Any,
        target: Callable[..., Any],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        **options: object,
    ) -> object:
        def once() -> object:
            given, named = (setup() if setup else None) or (args, kwargs or {})
            result = _watched(runner, lambda: target(*given, **named))
            if teardown:
                teardown(*given, **named)
            return result

        if rounds:
            result = pedantic(
                fixture, target, args=args, kwargs=kwargs, setup=setup, teardown=teardown, **options
            )
            _keep_rounds(runner, fixture)
            if _watches(runner):
                once()
            return result
        fixture._mode = "benchmark.pedantic(...)"
        return once()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BenchmarkFixture, "__call__", measured_call)
        patch.setattr(BenchmarkFixture, "pedantic", measured_pedantic)
        yield


def _watches(runner: "Runner") -> bool:
    found = runner.watching.get(WHOLE)
    if found is not None and found.idle:
        found.reached += 1
    return found is not None and not found.idle


_NOTHING = object()


def _watched(runner: "Runner", once: Callable[[], object], result: object = _NOTHING) -> object:
    """One watched call; where its result is known already and nothing watches, no call at all."""
    if not _watches(runner):
        return once() if result is _NOTHING else result
    with runner.watching[WHOLE]:
        fresh = deep_down(once)
    return fresh if result is _NOTHING else result


def _keep_rounds(runner: "Runner", fixture: Any) -> None:
    if fixture.stats is not None:
        runner.rounds = clock.of_rounds(tuple(fixture.stats.stats.data))
