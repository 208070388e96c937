"""Loaded by `budgetguard selftest` alone: makes test bodies do more than their limits allow.

What a test function is given for `benchmark` and `budget` is wrapped, so that the extra work lies where
the limit measures: in the benchmarked call, in the block, or in the body.
"""

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_budgetguard.extra_work import WORK

Work = Callable[[], object]
RECORD = "record"
"""The one kind that does nothing more: a number that a test reports is replaced."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The file that says how much of what each test does more."""
    parser.addoption("--budget-inject", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Wrap the functions of the tests that are named."""
    file = Path(config.getoption("--budget-inject"))
    wanted: Mapping[str, list[list[Any]]] = json.loads(file.read_text(encoding="utf-8"))
    for item in items:
        specs = next((found for name, found in wanted.items() if _is_called(item, name)), None)
        if specs is not None and isinstance(item, pytest.Function):
            _wrap(item, {subject: _work(kind, amount) for subject, kind, amount in specs})


def _is_called(item: pytest.Item, name: str) -> bool:
    """Whether a budget's name, relative to its configuration, means this test."""
    return (
        item.nodeid == name or item.nodeid.endswith(f"/{name}") or name.endswith(f"/{item.nodeid}")
    )


def _work(kind: str, amount: float) -> Work:
    if kind == RECORD:
        return lambda: amount
    return functools.partial(WORK[kind], amount)


def _wrap(item: pytest.Function, work: Mapping[str, Work]) -> None:
    if item.cls is None:
        item.obj = _more(item.obj, work)
        return
    name = item.originalname or item.name
    original = inspect.getattr_static(item.cls, name)
    if not hasattr(original, "budgetguard_injected"):
        setattr(item.cls, name, _more(original, work))
    item.obj = getattr(item.instance, name)  # else the one that was collected


def _more(body: Callable[..., Any], work: Mapping[str, Work]) -> Callable[..., Any]:
    """`body`, which does `work` by subject: "" is itself, another name is a block of it."""
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            given = _given(kwargs, work)
            held = work[""]() if "" in work else None
            try:
                return await body(*args, **given)
            finally:
                del held

        awaited.budgetguard_injected = True  # type: ignore[attr-defined]  # our own mark
        return awaited

    @functools.wraps(body)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = _given(kwargs, work)
        held = work[""]() if "" in work and "benchmark" not in kwargs else None
        try:
            return body(*args, **given)
        finally:
            del held

    called.budgetguard_injected = True  # type: ignore[attr-defined]  # our own mark
    return called


def _given(kwargs: dict[str, Any], work: Mapping[str, Work]) -> dict[str, Any]:
    given = dict(kwargs)
    if "benchmark" in given and "" in work:
        given["benchmark"] = _Benchmark(given["benchmark"], work[""])
    if "budget" in given:
        given["budget"] = _Budget(given["budget"], work)
    return given


class _Benchmark:
    """pytest-benchmark's fixture, whose functions do more."""

    def __init__(self, fixture: Any, work: Work) -> None:
        self._fixture = fixture
        self._work = work

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._fixture(self._with_work(function), *args, **kwargs)

    def pedantic(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the fixture's."""
        return self._fixture.pedantic(self._with_work(target), *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fixture, name)

    def _with_work(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def more(*args: Any, **kwargs: Any) -> Any:
            held = self._work()
            try:
                return function(*args, **kwargs)
            finally:
                del held

        return more


class _Budget:
    """Our own fixture, whose blocks do more."""

    def __init__(self, fixture: Any, work: Mapping[str, Work]) -> None:
        self._fixture = fixture
        self._work = work

    def __call__(self, *limits: str, name: str = "") -> AbstractContextManager[None]:
        work = self._work.get(name or "block")
        block = self._fixture(*limits, name=name)
        return block if work is None else self._with_work(block, work)

    def record(self, name: str, value: float, *args: Any, **kwargs: Any) -> None:
        """As the fixture's, with another value where one is wanted."""
        work = self._work.get(f"{RECORD} {name}")
        self._fixture.record(name, value if work is None else work(), *args, **kwargs)

    @staticmethod
    @contextmanager
    def _with_work(block: AbstractContextManager[None], work: Work) -> Iterator[None]:
        with block:
            held = work()
            yield
            del held
