"""The session: collects the files, keeps the wanted items in the wanted order, serves one after the other."""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from budgetguard_worker.benchmark import take_over
from budgetguard_worker.canary import canary
from budgetguard_worker.internals import first_line, is_property_test, node_id, stop_timer, twin_of
from budgetguard_worker.performance import Performance
from budgetguard_worker.rounds import straight
from budgetguard_worker.stand_in import PERFORMANCE
from budgetguard_worker.talk import STRAIGHT, Talk, Worker, converse

ALL = -1
"""The number of a message that is about no single subject."""
CANARY = 0
"""The canary's number; subjects of items begin at 1."""


class Wanted(NamedTuple):
    """A subject that the coordinator asks for."""

    number: int
    item: str
    block: str
    mode: str


class Serving:
    """A plugin that serves the wanted subjects."""

    def __init__(self, worker: Worker, wanted: list[Wanted], *, with_canary: bool) -> None:
        self._worker = worker
        self._wanted = {one.number: one for one in wanted}
        self._with_canary = with_canary
        self._numbers: dict[pytest.Item, int] = {}
        self._bad_files: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._current: Performance | None = None
        self._outcome = ("", "")

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Take `benchmark` over, when its plugin has been loaded."""
        take_over(lambda: self._current)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Keep why a file could not be collected."""
        report = yield
        if not report.passed:
            text = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
            lines = [line for line in str(text).splitlines() if line.strip()]
            path = getattr(collector, "path", None)
            name = node_id(path, report.nodeid, Path(self._worker.folder)) if path else ""
            kind = "its module was skipped" if report.skipped else "its module cannot be collected"
            self._bad_files[name.partition("::")[0]] = f"{kind}: " + " / ".join(lines[-3:])
        return report

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Keep what another plugin or a conftest takes out."""
        self._left_out |= {self._id(item) for item in items}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """When every other plugin has had its say: tell what is missing, take what both sides have."""
        result = yield
        found = {self._id(item): item for item in items}
        problems = {
            number: self._problem(one, found.get(one.item)) for number, one in self._wanted.items()
        }
        missing = {str(number): list(told) for number, told in problems.items() if told}
        told = {"missing": missing, "pytest": pytest.__version__}
        self._worker.link.send("collected", ALL, told)
        plan = self._worker.link.receive()["plan"]
        items[:] = list(self._planned(plan, found))
        return result

    def _planned(self, plan: list[int], found: dict[str, pytest.Item]) -> Iterator[pytest.Item]:
        used: set[str] = set()
        for number in plan:
            name = self._wanted[number].item
            item = found[name]
            if name in used and isinstance(item, pytest.Function):
                item = twin_of(item)
            used.add(name)
            self._numbers[item] = number
            yield item

    def _id(self, item: pytest.Item) -> str:
        return node_id(item.path, item.nodeid, Path(self._worker.folder))

    def _problem(self, wanted: Wanted, item: pytest.Item | None) -> tuple[str, bool] | None:
        """Why an item cannot be served, and whether it is that there is none; None if it can."""
        if item is None:
            return self._why_missing(wanted.item)
        if not isinstance(item, pytest.Function):
            return "it is no Python test function, so its body cannot be repeated", False
        if is_property_test(item):
            return (
                "a hypothesis test draws other examples in every call; "
                "budget a plain test that calls the code with one example"
            ), False
        return None

    def _why_missing(self, name: str) -> tuple[str, bool]:
        file = name.partition("::")[0]
        if not Path(self._worker.folder, file).is_file():
            return f"there is no {file}", True
        if file in self._bad_files:
            return self._bad_files[file], False
        if name in self._left_out:
            return "a conftest or a plugin takes it out of the run", False
        return f"there is no such test in {file}", True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """The canary comes before every item."""
        if self._with_canary:
            talk = Talk(self._worker, CANARY)
            once, run = straight(canary)
            once(talk.first)
            converse(talk.serve(STRAIGHT), run)
            self._worker.link.send("end", CANARY, {"outcome": "passed", "why": ""} | self._look())
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One item from set-up to tear-down, and how it came out."""
        self._outcome = ("", "")
        os.chdir(self._worker.folder)
        if self._worker.recorder:
            self._worker.recorder.begin(self._id(item))
        try:
            return (yield)
        finally:
            self._end(self._numbers[item])

    def _end(self, number: int) -> None:
        outcome, why = self._outcome
        problem = self._current.problem if self._current else ""
        self._current = None
        if problem:  # it says more than what came of it
            outcome, why = "problem", problem
        told = {"outcome": outcome or "passed", "why": why}
        self._worker.link.send("end", number, told | self._look())

    def _look(self) -> dict[str, object]:
        return {**self._worker.origins.look()}

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Innermost around the item's own call: what other plugins wrap around a test stays outside."""
        __tracebackhide__ = True
        if not isinstance(item, pytest.Function):
            return (yield)
        wanted = self._wanted[self._numbers[item]]
        stop_timer(item)
        performance = Performance(
            self._worker, wanted.number, item, block=wanted.block, mode=wanted.mode
        )
        self._current = performance
        item.stash[PERFORMANCE] = performance
        with performance.own_run():
            result = yield
        performance.finish()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the first thing that went wrong."""
        report = yield
        if not report.passed and not self._outcome[0]:
            why = first_line(call.excinfo.value) if call.excinfo else str(report.outcome)
            self._outcome = (report.outcome, f"{report.when}: {why}")
        return report

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tell pytest's own failure: its text goes nowhere else."""
        lines = [line for line in str(excrepr).splitlines() if line.strip()]
        self._worker.link.send("broken", ALL, {"why": " / ".join(lines[-3:])})

    def pytest_collection_finish(self) -> None:
        """From here on what is printed is that of bodies: it goes nowhere."""
        sys.stderr.flush()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
