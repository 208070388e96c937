"""Everything that can go wrong by a user's hand or a machine's, with the exit code it ends in.

    BudgetguardError                 4   what could not be measured or finished
    ├── UsageError                   2   what the user wrote has to change
    │   ├── ConfigError              2   budgetguard.yml, a marker or a call of `budget`; all problems at once
    │   ├── QuantityError            2   "170 kB" and its like
    │   └── BaselineError            2   the committed file cannot be read or written
    ├── MissingExtra                 2   a library of an extra is not installed; names the pip command
    └── MeasureError                 4   a target or meter could not read its numbers

A message says what, where, got, expected and the next step. None of these is shown with a traceback.
"""

from collections.abc import Sequence


class BudgetguardError(Exception):
    """The root of the tree; `exit_code` is what the command ends with."""

    exit_code = 4


class UsageError(BudgetguardError):
    """What the user wrote has to change."""

    exit_code = 2


class QuantityError(UsageError):
    """A number with a unit that could not be read."""


class ConfigError(UsageError):
    """One or more problems of a configuration, told together."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BaselineError(UsageError):
    """The committed baseline cannot be read or written."""


class MissingExtra(UsageError):
    """A library that an extra brings is not installed."""


class MeasureError(BudgetguardError):
    """A target or a meter could not read its numbers."""
