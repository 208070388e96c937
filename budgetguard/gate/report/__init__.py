"""The one static table of reports: a format is one module with `render(report)` and one row."""

from collections.abc import Callable, Mapping
from pathlib import Path

from budgetguard.errors import UsageError
from budgetguard.gate.model import Report
from budgetguard.gate.report import json, markdown

Renderer = Callable[[Report], str]

FORMATS: Mapping[str, Renderer] = {
    ".json": json.render,
    ".md": markdown.render,
}


def renderer_of(file: Path) -> Renderer:
    """What renders a report for `file`, by its suffix; raises `UsageError`."""
    suffix = file.suffix.lower()
    if suffix not in FORMATS:
        got = f"ends in {suffix}" if suffix else "has no suffix"
        expected = " or ".join(sorted(FORMATS))
        raise UsageError(f"--report {file}: its name {got}; expected one that ends in {expected}")
    return FORMATS[suffix]
