"""What we use of pytest's and its plugins' insides, beside what the worker uses: there is no public way."""

from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from budgetguard_worker import internals


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
    """Tear the item's function-scoped fixtures down and set them up again, with a time limit of their own."""
    _renew_timeout(item)
    internals.renew_fixtures(item)


def _renew_timeout(item: pytest.Function) -> None:
    """Give each call the time that pytest-timeout gives a test."""
    timeouts: Any = item.config.pluginmanager.get_plugin("timeout")
    settings = getattr(timeouts, "_get_item_settings", lambda _: None)(item)
    if settings is not None and (settings.timeout or 0) > 0:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
