"""The controller of pytest-xdist: it runs no test, and concludes from what its workers measured."""

from collections.abc import Mapping
from typing import Any

import pytest

from budgetguard.errors import BudgetguardError
from pytest_budgetguard.conclude import conclude
from pytest_budgetguard.declared import Homes
from pytest_budgetguard.summary import show
from pytest_budgetguard.told import Told


class GatheredSession:
    """Registered on the controller in place of `BudgetSession`."""

    def __init__(self, config: pytest.Config) -> None:
        self._homes = Homes(None, config.rootpath)
        self._told = Told()
        self._usage: list[str] = []
        self._lines: list[str] = []

    def take(self, told: Mapping[str, Any]) -> None:
        """Take in what a worker told; one that died told nothing, and its budgets are missed."""
        problems = list(told["usage"])
        try:
            self._told.unpack(told["homes"], self._homes)
        except BudgetguardError as error:  # changed since the worker read it, or of another version
            problems.append(str(error))
        self._usage += [problem for problem in problems if problem not in self._usage]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge the gathered readings."""
        if self._usage:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            self._lines = [f"ERROR: {problem}" for problem in self._usage]
        else:
            self._lines = conclude(self._told, session, exitstatus, others=True)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing lines."""
        show(self._lines, terminalreporter)
