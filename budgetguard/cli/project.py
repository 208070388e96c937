"""The configuration a command works on, and the measuring it starts."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from budgetguard.cli.screen import Progress
from budgetguard.errors import UsageError
from budgetguard.gate.config import Config, find_config, load_config
from budgetguard.gate.names import TOML_NAME, YAML_NAME

T = TypeVar("T")


def configuration(file: Path | None) -> Config:
    """The configuration in `file`, else the nearest one upwards; raises `UsageError` without one."""
    found = file or find_config(Path.cwd())
    if found is None:
        raise UsageError(
            f"no {YAML_NAME} and no [tool.budgetguard] in {TOML_NAME}, "
            f"from {Path.cwd()} up to the root of the repository; write one: budgetguard init"
        )
    return load_config(found.resolve())


def watched(measuring: Callable[[Callable[[str], None]], T]) -> T:
    """Measure with a progress line, which is gone when this returns."""
    progress = Progress()
    try:
        return measuring(progress)
    finally:
        progress.clear()
