"""The text of a baseline, wherever it comes from -> its values, or why it cannot be trusted."""

from pathlib import Path

from budgetguard.errors import BaselineError
from budgetguard.gate.baseline import LARGEST_BYTES, conflicted, parse_baseline
from budgetguard.gate.model import Baseline


def baseline_of(content: bytes, file: Path) -> Baseline:
    """The baseline that `content` of `file` holds; raises `BaselineError` for anything unsound.

    Stricter than a run: entries in another order than they are written in would conflict for ever.
    """
    if len(content) > LARGEST_BYTES:
        raise BaselineError(
            f"{file}: larger than {LARGEST_BYTES:,} bytes; restore it: git checkout HEAD -- {file}"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise BaselineError(
            f"{file}: not UTF-8 text; restore it: git checkout HEAD -- {file}"
        ) from None
    if conflicted(text):
        raise BaselineError(
            f"{file}: holds the marks of a git conflict; settle it: budgetguard baseline merge, "
            f"then git add {file}"
        )
    baseline = parse_baseline(text, file)
    _check_order(baseline, file)
    return baseline


def _check_order(baseline: Baseline, file: Path) -> None:
    rows = [(point, key) for point, values in baseline.entries.items() for key in values]
    for row, expected in zip(rows, sorted(rows), strict=True):
        if row != expected:
            first, wanted = (" ".join(part for part in one[0] if part) for one in (row, expected))
            raise BaselineError(
                f"{file}: entries out of order: {first} stands where {wanted} belongs; "
                f"write it anew: budgetguard baseline update"
            )
