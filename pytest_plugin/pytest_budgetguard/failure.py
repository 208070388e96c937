"""The text of a test that broke its budget: numbers first, the culprit, one next step; no traceback."""

from collections.abc import Sequence

from budgetguard.gate.verdict import Verdict

_BETWEEN = 3
"""How many lines stand between the numbers and the next step, so that all are 3 to 6."""


def failure_text(failed: Sequence[Verdict]) -> str:
    """3 to 6 lines: the first broken limit, further ones in a line each, then as much evidence as fits."""
    first, *others = failed
    between = [f"  also {named(verdict)}: {verdict.reason}" for verdict in others]
    if len(between) > _BETWEEN:
        between[_BETWEEN - 1 :] = [f"  and {len(between) - _BETWEEN + 1} more limits"]
    room = _BETWEEN - len(between)
    if first.note and room:
        between.append(f"  {first.note}")
        room -= 1
    evidence = [f"    {line}" for line in first.evidence[:room]]
    head = [f"over budget: {named(first)}", f"  {first.reason}"]
    return "\n".join([*head, *evidence, *between, f"  next: {first.hint}"])


def named(verdict: Verdict) -> str:
    """The limit, with the part it was judged on where its selector was a pattern."""
    part = (
        f" [{verdict.selector}]"
        if verdict.selector and verdict.selector not in verdict.limit
        else ""
    )
    return f"{verdict.limit or verdict.metric}{part}"
