"""The one static table of reports: a format is one module with `render(report)` and one row.

A module is imported when its format is wanted: an XML library would take half of what a start takes.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from budgetguard.errors import UsageError
from budgetguard.gate.verdict import Report

Renderer = Callable[[Report], str]

FORMATS: Mapping[str, str] = {
    ".json": "json",
    ".md": "markdown",
    ".sarif": "sarif",
    ".xml": "junit",
}
"""The suffixes and the modules here that render for them."""


def renderer_of(file: Path) -> Renderer:
    """What renders a report for `file`, by its suffix; raises `UsageError`."""
    suffix = file.suffix.lower()
    if suffix not in FORMATS:
        got = f"ends in {suffix}" if suffix else "has no suffix"
        expected = " or ".join(sorted(FORMATS))
        raise UsageError(f"--report {file}: its name {got}; expected one that ends in {expected}")
    return cast("Renderer", import_module(f"{__name__}.{FORMATS[suffix]}").render)
