"""`--budget-update`: a session's exact values become those of the committed baselines."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from budgetguard.gate.baseline import write_baseline
from budgetguard.gate.record import record_session
from budgetguard.gate.run import Measured
from pytest_budgetguard.told import Budgets


@dataclass(frozen=True, slots=True)
class Updated:
    """What was written to one baseline; `kept` are names that could not be read, with the reason."""

    file: Path
    recorded: int
    changed: int
    kept: tuple[tuple[str, str], ...]


def update(homes: Iterable[Budgets], *, whole: bool) -> list[Updated]:
    """Write the baseline of every configuration that tests of this session belong to.

    A whole session also drops what it did not find. Raises `BaselineError`.
    """
    return [_update(told, whole=whole) for told in homes if told.home.config]


def _update(told: Budgets, *, whole: bool) -> Updated:
    config = told.home.config
    assert config is not None  # noqa: S101  # `update` asks only those that have one
    measured = Measured(tuple(told.budgets.values()), told.readings)
    recorded = record_session(
        told.home.baseline, measured, target="test", whole=whole, left=frozenset(told.left)
    )
    if recorded.changes:
        write_baseline(config.baseline_file, recorded.baseline)
    kept = [(one.name, one.why) for one in recorded.kept]
    kept += [(name, why) for name, (_, why) in told.left.items()]
    return Updated(config.baseline_file, recorded.recorded, len(recorded.changes), tuple(kept))
