"""How the projects' own plugins are loaded does not decide whether they can be compared."""

import os
import sys
from pathlib import Path

import pytest

from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.sweep import Subject, SweepOptions, sweep

TEST = Subject("test_it.py::test_it")


@pytest.mark.parametrize(
    ("environment", "ini"),
    [
        ({"PYTEST_PLUGINS": "pytest_budgetguard.plugin"}, ""),
        ({}, "addopts = -p budgetguard --budget-strict"),
        ({}, "addopts = -p pytest_budgetguard.plugin"),
    ],
)
def test_our_plugin_loaded_by_name_is_no_error(tmp_path: Path, environment, ini) -> None:
    """Without autoload, people name the plugin; the worker stands in for it all the same."""
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        (tmp_path / name / "test_it.py").write_text("def test_it(budget): sum(range(100))\n")
    base, head = (
        Side(name, tmp_path / name, sys.executable, tmp_path / name) for name in ("base", "head")
    )
    given = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    with Reaper() as reaper:
        options = SweepOptions(reaper=reaper, environment=given)
        served = sweep(base, head, [TEST], seed=1, options=options)[TEST]
    assert (served.error, bool(served.rounds)) == ("", True)
