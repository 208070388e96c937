"""The accepted entry that a finding needs, as it can be pasted."""

import datetime as dt
import json
import math

from budgetguard.gate.model import Limit, Step, Stored
from budgetguard.units import Unit

DAYS = 30
"""How long an entry to paste holds; whoever pastes it chooses the day."""
_REASON = "say why"


def entry(budget: str, limit: str, config_path: str, today: dt.date) -> str:
    """An item of `accepted:` for this limit, in the language of the configuration."""
    until = (today + dt.timedelta(days=DAYS)).isoformat()
    fields = {"budget": budget, "limit": limit, "reason": _REASON, "until": until}
    quoted = {name: json.dumps(text, ensure_ascii=False) for name, text in fields.items()}
    if config_path.endswith(".toml"):
        lines = ["[[tool.budgetguard.accepted]]", *(f"{n} = {t}" for n, t in quoted.items())]
        return "\n".join(f"  {line}" for line in lines)
    items = ", ".join(f"{name}: {text}" for name, text in quoted.items())
    return f"  - {{{items}}}"


def widened(was: Limit, now: Limit) -> str:
    """A limit that lets through what either of both does."""
    if not now.bound.relative:
        return now.text
    return _relative(now, [*was.bound.steps, *now.bound.steps])


def needed(limit: Limit, old: Stored, value: float) -> str:
    """The relative limit that would let `value` through."""
    worse = value - old.high if limit.metric.better == "lower" else old.low - value
    whole = limit.metric.unit in (Unit.BYTES, Unit.COUNT)
    step = Step(math.ceil(worse) if whole else worse * (1 + 1e-9), of_baseline=False)
    return _relative(limit, [*limit.bound.steps, step])


def _relative(limit: Limit, steps: list[Step]) -> str:
    ratio = max((step.amount for step in steps if step.of_baseline), default=0.0)
    amount = max((step.amount for step in steps if not step.of_baseline), default=0.0)
    sign = "+" if limit.metric.better == "lower" else "-"
    parts = [f"{_plain(ratio * 100)}%"] if ratio else []
    parts += [_quantity(amount, limit.metric.unit)] if amount else []
    room = f" {sign} {' or '.join(parts)}" if parts else ""
    operator = limit.operator if room else f"{limit.operator[0]}="
    subject = " ".join(part for part in (limit.selector, limit.metric.name) if part)
    return f"{subject} {operator} baseline{room}"


def _quantity(amount: float, unit: Unit) -> str:
    match unit:
        case Unit.BYTES:
            return f"{_plain(amount)} B"
        case Unit.SECONDS:
            return f"{_plain(amount)} s"
        case Unit.RATIO:
            return f"{_plain(amount * 100)} points"
        case Unit.PER_SECOND:
            return f"{_plain(amount)} /s"
        case Unit.COUNT:
            return _plain(amount)


def _plain(number: float) -> str:
    """Digits as the limit language reads them, rounded up in the ninth place."""
    if number == int(number):
        return str(int(number))
    return f"{math.ceil(number * 1e9) / 1e9:.9f}".rstrip("0")
