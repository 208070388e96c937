"""The `budget` fixture: a limit on a part of a test, and numbers that a test reports itself."""

from contextlib import AbstractContextManager, nullcontext
from math import isfinite
from typing import NoReturn

import pytest

from budgetguard.errors import BudgetguardError
from budgetguard.gate.limits import LimitError, duplicates, parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Better, Limit, Reading
from budgetguard.units import Unit
from budgetguard_worker.internals import is_property_test
from pytest_budgetguard.measured import ITEM_RUN, ItemRun

UNNAMED = "block"
"""The part that a block without a name is, in selectors and in the baseline."""


class BudgetFixture:
    """`with budget("queries <= 3"): ...` and `budget.record("tokens", 812, "count")`."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, *limits: str, name: str = "") -> AbstractContextManager[None]:
        """Hold the block to `limits`; a second block of a test needs a `name` of its own."""
        if is_property_test(self._item):  # the whole test is told as not measured
            return nullcontext()
        if name and not _is_name(name):
            _fail(
                f"budget(name={name!r}): it stands before a limit, as in `name queries <= 3`; "
                "expected printable words with single spaces and no operator"
            )
        run = self._run
        return _measured(run, name or UNNAMED, self._parsed(run, limits, name or UNNAMED))

    def record(
        self, name: str, value: float, unit: str, *, better: Better = "lower", exact: bool = False
    ) -> None:
        """Report a number of the test's own; a limit on it needs `numbers: {name: unit}` where it stands."""
        try:
            known = Unit({"/s": "per second"}.get(unit, unit))
        except ValueError:
            _fail(
                f"budget.record({name!r}): unknown unit {unit!r}; expected one of {', '.join(Unit)}"
            )
        if not _is_number(value):
            _fail(f"budget.record({name!r}): expected a number; got {value!r}")
        if is_property_test(self._item):
            return
        run = self._run
        declared = run.bound.metrics.get(name)
        if declared and (declared.unit, declared.better, declared.exact) != (known, better, exact):
            said = f"{declared.unit}, {declared.better}, {'exact' if declared.exact else 'sampled'}"
            recorded = f"{known}, {better}, {'exact' if exact else 'sampled'}"
            _fail(f"budget.record({name!r}): declared as {said}; recorded as {recorded}")
        if name in run.runner.numbers:
            _fail(
                f"budget.record({name!r}): recorded twice in one call of the test; "
                "record it once, at the end, or each under a name of its own"
            )
        run.runner.numbers[name] = Reading(value=float(value))

    @property
    def _run(self) -> ItemRun:
        run = self._item.stash.get(ITEM_RUN, None)
        if run is None:
            _fail(
                "budget: it measures the body of a test that takes it as an argument; it was used in "
                "a set-up, or through getfixturevalue()"
            )
        return run

    @staticmethod
    def _parsed(run: ItemRun, texts: tuple[str, ...], name: str) -> tuple[Limit, ...]:
        try:
            limits = tuple(parse_limit(f"{name} {text}", run.bound.metrics) for text in texts)
        except (LimitError, TypeError) as error:
            _fail(f"budget({', '.join(map(repr, texts))}): {error}")
        again = duplicates(limits)
        parts = [limit for limit in limits if limit.selector != name]
        if parts:
            _fail(
                f"budget(): `{parts[0].text}` names a part of a block; give a block of its own a name="
            )
        if not limits:
            _fail("budget(): expected at least one limit")
        if again:
            _fail(f"budget(): `{again[0].text}` says again what another limit said")
        return limits


def _measured(run: ItemRun, name: str, limits: tuple[Limit, ...]) -> AbstractContextManager[None]:
    try:
        watching = run.block(name, limits)
    except BudgetguardError as error:
        _fail(str(error))
    return nullcontext() if watching is None else watching


def _is_name(name: object) -> bool:
    """Whether it is still the same where a limit with it in front is read."""
    try:
        return (
            isinstance(name, str)
            and name.isprintable()
            and parse_limit(f"{name} wall <= 1 s", METRICS).selector == name
        )
    except LimitError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _fail(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)
