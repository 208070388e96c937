"""The limits of a section: one or a list of items, each with the place it stands at."""

from collections.abc import Mapping

from budgetguard.gate.document import quoted
from budgetguard.gate.limits import LimitError, duplicates, parse_limit
from budgetguard.gate.model import Limit, Metric
from budgetguard.gate.section import Node, Section


def read_limits(section: Section, metrics: Mapping[str, Metric]) -> tuple[Limit, ...]:
    """The limits of a budget; each that cannot be read becomes a problem at its line."""
    node = section.node("limits")
    if node is None:
        section.problem("", "no limits; expected limits: [metric <= bound]")
        return ()
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        section.problem("limits", "no limits; expected at least one")
    limits = []
    for number, item in enumerate(items):
        try:
            limits.append(_limit(item, metrics))
        except LimitError as error:
            section.problems.add(item.line, f"{section.key}.limits[{number}]", str(error))
    for again in duplicates(limits):
        section.problem(
            "limits", f"`{again.text}` says again what another limit on {again.metric.name} said"
        )
    return tuple(limits)


def _limit(item: Node, metrics: Mapping[str, Metric]) -> Limit:
    text = item.value if isinstance(item.value, str) else ""
    if any(operator in text for operator in "<>=≤≥"):
        return parse_limit(text, metrics)
    got = repr(text) if text else item.kind
    raise LimitError(f"expected a limit such as `gzip <= 150 kB`; got {got}{_cut(item, text)}")


def _cut(item: Node, text: str) -> str:
    """What YAML made less of than was written, and how to write it."""
    written = item.source.removeprefix("-").strip()
    if written == text or not any(operator in written for operator in "<>=≤≥"):
        return ""
    return (
        f" of `{item.source}`; YAML cuts or reshapes such an item, quote it: {quoted(item.source)}"
    )
