"""What a command printed: the numbers it reports itself, and lines that explain a failure."""

import json
import math
from collections.abc import Mapping

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Metric, Reading

SHOWN_LINES = 5
_LINE_CHARS = 100


def last_lines(text: str) -> tuple[str, ...]:
    """The last lines that say something, cut for a report and without control characters."""
    lines = [line.strip() for line in text[-(1 << 16) :].splitlines()]
    return tuple(_visible(line) for line in [line for line in lines if line][-SHOWN_LINES:])


def _visible(line: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in line[: _LINE_CHARS + 1])
    return shown if len(shown) <= _LINE_CHARS else shown[: _LINE_CHARS - 1] + "…"


def read_numbers(stdout: str, *, cut: bool, wanted: Mapping[str, Metric]) -> dict[str, Reading]:
    """The declared numbers in what was printed; `cut` says that its beginning is missing."""
    try:
        printed = _last_object(stdout)
    except MeasureError as error:
        return {name: Reading(error=str(error)) for name in wanted}
    if printed is None:
        kept = "the end of the output" if cut else "the output"
        error_text = (
            f"expected a line with a JSON object that holds {', '.join(wanted)}; {kept} has none; "
            f"print it as the last line of standard output"
        )
        return {name: Reading(error=error_text) for name in wanted}
    return {name: _number(name, printed) for name in wanted}


def _last_object(stdout: str) -> dict[str, object] | None:
    whole = stdout.strip()
    found = _object(whole)
    if found is not None:
        return found
    for line in reversed(whole.splitlines()):
        found = _object(line.strip())
        if found is not None:
            return found
    return None


def _object(text: str) -> dict[str, object] | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        value = json.loads(text)
    except RecursionError:
        raise MeasureError(
            "the JSON object that was printed is nested too deep to be read; print plain numbers"
        ) from None
    except ValueError:  # no JSON, or a number of thousands of digits
        return None
    return value if isinstance(value, dict) else None


def _number(name: str, printed: Mapping[str, object]) -> Reading:
    if name not in printed:
        has = ", ".join(_visible(key) for key in list(printed)[:SHOWN_LINES]) or "nothing"
        return Reading(error=f"{name} is missing in the JSON object that was printed; it has {has}")
    value = printed[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = {str: "text", bool: "true or false", list: "a list", dict: "a mapping"}
        got = kind.get(type(value), "null")
        return Reading(error=f"{name}: expected a number in the JSON that was printed; got {got}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < 0:
        return Reading(error=f"{name}: expected a finite number from 0 on; got {number:g}")
    return Reading(value=number)
