"""What we use of pytest's and its plugins' insides, in one place: there is no public way to do it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.logging import caplog_handler_key
from _pytest.mark.expression import Expression
from _pytest.tmpdir import tmppath_result_key


def matches_markers(expression: str, item: pytest.Item) -> bool:
    """Whether `-m expression` means an item. Raises `SyntaxError`."""
    names = {mark.name for mark in item.iter_markers()}
    return Expression.compile(expression).evaluate(lambda name, /, **_: name in names)


def nearest_markers(item: pytest.Function) -> Iterator[pytest.Mark]:
    """An item's markers from the nearest outwards: pytest puts those of a parameter behind the function's."""
    callspec = getattr(item, "callspec", None)
    own = list(callspec.marks) if callspec else []
    yield from own
    yield from (mark for mark in item.iter_markers() if not any(mark is one for one in own))


def renew_fixtures(item: pytest.Function) -> None:
    """Tear the item's function-scoped fixtures down and set them up again, as pytest-rerunfailures does."""
    state = item.session._setupstate
    # `tmp_path` looks at its test's outcome when it is torn down, and there is none in mid-test
    item.stash.setdefault(tmppath_result_key, {})
    state.teardown_exact(item.parent)  # type: ignore[arg-type]  # only its chain of parents is used
    item._initrequest()
    if item.cls is not None:  # a method: each call has an instance of its own
        for name in ("_obj", "_instance"):
            item.__dict__.pop(name, None)
    log = item.stash.get(caplog_handler_key, None)
    if log is not None:  # one list for a whole phase, which holds what the call before has logged
        log.clear()
    _renew_timeout(item)
    state.setup(item)


def _renew_timeout(item: pytest.Function) -> None:
    """Give each call the time that pytest-timeout gives a test."""
    timeouts: Any = item.config.pluginmanager.get_plugin("timeout")
    settings = getattr(timeouts, "_get_item_settings", lambda _: None)(item)
    if settings is not None and (settings.timeout or 0) > 0:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


@contextmanager
def body_in_place(
    item: pytest.Function, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """While active, the item calls `around(body)` for its body."""
    original = item.obj
    replaced = around(original)
    item.obj = replaced
    instance = item.instance
    if _is_unittest(item):  # asynchronous ones, and Django's, are looked up on the instance
        instance.__dict__[item.name] = replaced
    try:
        yield
    finally:
        if "_obj" in item.__dict__:
            item.obj = original
        if _is_unittest(item):
            instance.__dict__.pop(item.name, None)


def _is_unittest(item: pytest.Function) -> bool:
    return hasattr(type(item), "addFailure")


def kept_failure(item: pytest.Function) -> BaseException | None:
    """What a unittest item has recorded instead of raising it: a failure, or a skip."""
    kept = item.__dict__.get("_excinfo")
    return kept[-1].value if kept else None


def forget_failure(item: pytest.Function) -> None:
    """Take back what a unittest item has recorded in a further call."""
    item.__dict__.pop("_excinfo", None)


def is_property_test(item: pytest.Item) -> bool:
    """Whether hypothesis draws many examples for one run of the body."""
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))
