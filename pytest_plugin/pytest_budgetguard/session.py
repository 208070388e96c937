"""A pytest session with budgets: finds them, measures each item's, judges and tells."""

import random
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from budgetguard import __version__
from budgetguard.database.recorder import install
from budgetguard.errors import BudgetguardError, ConfigError, UsageError
from budgetguard.gate.model import Budget, Point, Reading, Request, Where
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.shard import parse_shard
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.gate.wire import Wire
from budgetguard.redaction import Redaction
from budgetguard_worker.internals import is_property_test, kept_failure
from pytest_budgetguard.conclude import conclude
from pytest_budgetguard.declared import Bound, Homes, bind, budget_of_module
from pytest_budgetguard.failure import failure_text
from pytest_budgetguard.measured import ITEM_RUN, ItemRun
from pytest_budgetguard.passes import first_line
from pytest_budgetguard.plugin import COLLECT_ERRORS, COLLECT_SKIPS, DESELECTED, takes_budget
from pytest_budgetguard.secret import without_secrets
from pytest_budgetguard.summary import show
from pytest_budgetguard.told import Told, beside_others

PROPERTY_TEST = Reading(
    error="a hypothesis test draws other examples in every call, so that no two calls cost the same",
    note="budget a plain test that calls the code with one example",
)
NOT_RUN = Reading(
    error="it was found, but did not run: a conftest or a plugin took it out, or ended the session",
    note="let it run in every session, or take its budget away",
)
NO_BLOCK = Reading(
    error="it takes the budget fixture, but its body reached no block with a limit",
    note='hold a part of it: with budget("queries <= 3"): …; or do not take the fixture',
)


class BudgetSession:
    """Registered where a session has budgets; on an xdist worker it tells the controller."""

    def __init__(self, config: pytest.Config) -> None:
        options = config.option
        self._config = config
        self._wire = Wire(Path(options.budget_wire)) if options.budget_wire else None
        self._homes = Homes(
            Path(options.budget_config) if options.budget_config else None, config.rootpath
        )
        self._request = Request(
            names=tuple(options.budget_name),
            exact=options.budget_exact,
            shard=parse_shard(options.budget_shard) if options.budget_shard else None,
        )
        self._seed = options.budget_seed
        meter, _, subject = options.budget_pass.partition(":")
        self._only = (meter, subject) if meter else None
        self._bound: dict[str, Bound] = {}
        self._told = Told()
        self._done: set[str] = set()
        """Names of items of which all is told; noted after the wire has taken it."""
        self._usage: list[str] = []
        self._lines: list[str] = []

    @property
    def _on_worker(self) -> bool:
        return hasattr(self._config, "workerinput")

    def take(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Bind the items to their budgets; all problems of configurations and markers are told at once."""
        if self._wire:
            self._wire.send("hello", version=__version__)
        try:
            # what is deselected is told, too: as left, or as missed in a run that wants everything
            self._bind([*items, *self._config.stash.get(DESELECTED, [])])
            self._check_base()
        except UsageError as error:
            self._refuse(error, items)
            return
        if self._bound:
            install()  # at the latest: a project without a configuration has not had it earlier
        if self._wire:
            others = [item for item in items if not self._is_wanted(item)]
            items[:] = [item for item in items if self._is_wanted(item)]
            _shuffle(items, self._seed)
            session.config.hook.pytest_deselected(items=others)

    def _refuse(self, error: UsageError, items: list[pytest.Item]) -> None:
        """Stop the session before a test runs."""
        problems = str(error).splitlines()
        if self._wire:
            self._wire.send("usage", problems=problems)
        if not self._on_worker:
            raise pytest.UsageError(str(error)) from None
        self._usage = problems  # what a worker raises here would be an internal error of xdist
        items.clear()

    def _bind(self, items: list[pytest.Item]) -> None:
        problems: list[str] = []
        self._told.found(self._homes.of_run())
        for item in items:
            if not isinstance(item, pytest.Function):
                continue
            try:
                bound = bind(item, self._homes.of(item))
                self._told.found(bound.home)
            except UsageError as error:
                told = error.problems if isinstance(error, ConfigError) else [str(error)]
                problems += [problem for problem in told if problem not in problems]
                continue
            if bound.budget or takes_budget(item):
                self._bound[item.nodeid] = bound
        if problems:
            raise ConfigError(problems)

    def _check_base(self) -> None:
        """A REF that is no commit is told before the tests run, where they run in this process."""
        against = self._config.option.budget_against
        found = [bound.home.config for bound in self._bound.values()] if against else []
        for config in {one.file: one for one in found if one}.values():
            from budgetguard.gate.compare import find_base

            try:
                find_base(config, against)
            except UsageError as error:
                raise UsageError(f"--budget-against: {error}") from None
            except BudgetguardError:  # a reading says so, and the tests run all the same
                pass

    def _is_wanted(self, item: pytest.Item) -> bool:
        bound = self._bound.get(item.nodeid)
        if bound is None or (
            self._homes.given and bound.home.config and bound.home.config.file != self._homes.given
        ):
            return False
        return self._request.wants(bound.known_budget)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Innermost around the item's own call: what other plugins wrap around a test stays outside."""
        __tracebackhide__ = True
        bound = self._bound.get(item.nodeid)
        if bound is None:
            return (yield)
        if self._wire:
            self._wire.send("begin", name=bound.name)
        if is_property_test(bound.item):
            result = yield
            self._unmeasured(bound, PROPERTY_TEST)
            return result
        run = ItemRun(bound, exact=self._request.exact, only=self._only)
        item.stash[ITEM_RUN] = run
        with run.own_run():
            result = yield
        if kept_failure(bound.item) is None:
            run.finish()
            self._judge(run)
        return result

    def _judge(self, run: ItemRun) -> None:
        budget, home = run.budget, run.bound.home
        if budget is None:
            if run.limits or run.runner.numbers:
                self._told.bare(run.bound)
                self._done.add(run.bound.name)
            else:
                self._unmeasured(run.bound, NO_BLOCK)
            return
        if self._wire:
            self._wire.send_budget(budget, run.bound.numbers)
            for point, reading in run.readings.items():
                self._wire.send_reading(point, replace(reading, left=False))  # nobody is left
        self._told.measured(home, budget, run.readings, run.bound.numbers)
        self._done.add(run.bound.name)
        if not self._wire and not self._config.option.budget_update:
            scope = Scope(no_baseline=home.no_baseline)
            verdicts = settle([budget], run.readings, home.yardstick, scope).verdicts
            failed = [one for one in verdicts if self._fails(one, budget)]
            if failed:
                pytest.fail(failure_text(failed), pytrace=False)

    def _fails(self, verdict: Verdict, budget: Budget) -> bool:
        if self._on_worker:
            verdict = beside_others(verdict, budget)
        return verdict.red and verdict.outcome is Outcome.FAIL

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note which budgeted items were skipped or failed by themselves."""
        report = yield
        bound = self._bound.get(item.nodeid)
        if (
            bound
            and report.when != "teardown"
            and not report.passed
            and not self._told.knows(bound)
        ):
            why = _why(report, call)
            if report.skipped:
                kind = "expected to fail" if hasattr(report, "wasxfail") else "skipped"
                self._unmeasured(bound, Reading(error=f"the test was {kind}: {why}", skipped=True))
            elif self._wire:
                note = "mend the test first; a failing body is not judged"
                self._unmeasured(
                    bound, Reading(error=f"the test fails by itself: {why}", note=note)
                )
            else:  # it has failed the session already
                self._told.left(bound, "the test fails by itself")
        return report

    def _unmeasured(self, bound: Bound, reading: Reading) -> None:
        reading = without_secrets(reading)
        if self._wire:
            self._wire.send_budget(bound.known_budget, bound.numbers)
            self._wire.send_reading(Point(bound.name, "", ""), reading)
        self._told.unmeasured(bound, reading)
        self._done.add(bound.name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge the session as a whole, or hand on what was measured."""
        if self._wire:
            self._send_end(self._wire, exitstatus)
            return
        if not self._usage:
            self._note_left()
        if self._on_worker:
            told = {"homes": self._told.packed(), "usage": self._usage}
            session.config.workeroutput["budgetguard"] = told  # type: ignore[attr-defined]  # xdist's
        else:
            self._lines = conclude(self._told, session, exitstatus)

    def _note_left(self) -> None:
        for item in self._config.stash.get(DESELECTED, []):
            if item.nodeid in self._bound:
                self._told.left(self._bound[item.nodeid], "deselected in this run")
        for bound in self._bound.values():
            self._told.left(bound, "not run in this session")
        for collector, why in self._config.stash.get(COLLECT_SKIPS, {}).items():
            module = budget_of_module(collector, self._homes)
            if module:
                reading = {Point(module.name, "", ""): _skipped_module(why)}
                self._told.measured(self._homes.of(collector), module, reading, {})

    def _send_end(self, wire: Wire, exitstatus: int) -> None:
        for name, text in self._config.stash.get(COLLECT_ERRORS, {}).items():
            stand_in = Budget(name=name, target="test", limits=(), where=Where(name))
            wire.send_budget(stand_in, {})
            reading = without_secrets(Reading(error=f"could not be collected: {text}"))
            wire.send_reading(Point(name, "", ""), reading)
        for collector, why in self._config.stash.get(COLLECT_SKIPS, {}).items():
            module = budget_of_module(collector, self._homes)
            if module and self._request.wants(module):
                wire.send_budget(module, {})
                wire.send_reading(Point(module.name, "", ""), _skipped_module(why))
        for bound in self._bound.values():
            if self._is_wanted(bound.item) and bound.name not in self._done:
                self._unmeasured(bound, NOT_RUN)
        wire.send("end", exit=int(exitstatus))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing lines."""
        show(self._lines, terminalreporter)


def _skipped_module(why: str) -> Reading:
    return without_secrets(Reading(error=f"its module was skipped: {why}", skipped=True))


def _why(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return report.outcome
    error = call.excinfo.value
    return Redaction()(str(error))[:200] if report.skipped else first_line(error)


def _shuffle(items: list[pytest.Item], seed: str) -> None:
    """Another order for another seed: files among each other, and the items of each."""
    if not seed:
        return
    order = random.Random(seed)  # noqa: S311  # an order, not a secret
    by_file: dict[Path, list[pytest.Item]] = {}
    for item in items:
        by_file.setdefault(item.path, []).append(item)
    files = sorted(by_file)
    order.shuffle(files)
    for file in files:
        order.shuffle(by_file[file])
    items[:] = [item for file in files for item in by_file[file]]
