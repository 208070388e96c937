"""The limit language.

limit    := [selector] metric OP bound                       OP: <= < >= >
bound    := quantity | "baseline" [ ("+"|"-") step [ "or" step ] ]
step     := percent | quantity | number "points"
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from budgetguard.errors import QuantityError, UsageError
from budgetguard.gate.model import Bound, Limit, Metric, Operator, Rule, Step
from budgetguard.units import EXAMPLES, Quantity, Unit, parse_quantity

TIGHTEST_RELATIVE_TIME = 0.03
"""Unrelated lines alone move some code by this ratio, so a tighter limit on time would cry wolf."""

_LIMIT = re.compile(
    r"(?:(?P<selector>.*\S)\s+)?(?P<metric>[^\s<>=≤≥]+)\s*(?P<operator><=|>=|==|=|<|>|≤|≥)\s*(?P<bound>[^<>=≤≥]*)",
    re.DOTALL,
)
_OPERATORS: Mapping[str, Operator] = {
    "<=": "<=",
    "<": "<",
    ">=": ">=",
    ">": ">",
    "≤": "<=",
    "≥": ">=",
}
_SECOND = re.compile(r"<=|>=|≤|≥|(?:^|\s)[<>=]+\s")
"""An operator inside a selector: two limits in one item."""
_QUANTILE = re.compile(r"p\(([0-9]+(?:\.[0-9]+)?)\)")
_ADDRESSABLE = re.compile(r"[^\s<>=≤≥()]+")
_KINDS = ("higher", "lower", "exact", "sampled")
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")
_SHOWN_CHARS = 200
_SHOWN_NAMES = 80
_COMPARED_NAMES = 200
_BASELINE = re.compile(r"baseline(?:\s*(?P<sign>[+-])\s*(?P<steps>.+))?", re.DOTALL)


class LimitError(UsageError):
    """A limit that could not be read; the text says what was expected."""


def parse_limit(text: str, metrics: Mapping[str, Metric]) -> Limit:
    """Read one limit against the metrics its target offers, or raise `LimitError`."""
    written = " ".join(text.split())
    shown = _shown(written)
    found = _LIMIT.fullmatch(written)
    if not found or _CONTROL.search(written):
        raise LimitError(
            f"{shown!r} is not a limit; expected [selector] metric <= bound, such as `{_example(metrics)}`"
        )
    operator, selector = found["operator"], found["selector"] or ""
    if operator not in _OPERATORS:
        raise LimitError(f"`{shown}`: a limit is an inequality; write <= or >= for {operator}")
    if _SECOND.search(f"{selector} "):
        raise LimitError(
            f"`{shown}`: two limits in one; expected one operator, an item for each limit"
        )
    metric = _metric(found["metric"], metrics, shown)
    limit = Limit(
        text=written,
        metric=metric,
        operator=_OPERATORS[operator],
        bound=_bound(found["bound"].strip(), metric, shown),
        selector=selector,
    )
    _check_direction(limit)
    _check_relative(limit)
    return limit


def duplicates(limits: Sequence[Limit]) -> list[Limit]:
    """Limits that say again what an earlier one of the same list said."""
    seen: set[tuple[str, str, bool]] = set()
    again = []
    for limit in limits:
        subject = (limit.selector, limit.metric.name, limit.bound.relative)
        if subject in seen:
            again.append(limit)
        seen.add(subject)
    return again


def select(selector: str, names: Iterable[str]) -> list[str]:
    """The names a selector means: the exact one, else those its glob matches; "" means the whole."""
    if not selector:
        return [""]
    known = sorted(set(names) - {""})
    return (
        [selector] if selector in known else [name for name in known if fnmatchcase(name, selector)]
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error: the right word for a misspelled one, or the list of what is known."""
    names = list(known)
    alike = (
        names if len(names) <= _COMPARED_NAMES else [one for one in names if one[:2] == word[:2]]
    )
    close = get_close_matches(word[:_SHOWN_CHARS], alike[:_COMPARED_NAMES], n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {' '.join(sorted(names))}" if 0 < len(names) <= _SHOWN_NAMES else ""


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _example(metrics: Mapping[str, Metric]) -> str:
    metric = next(iter(metrics.values()), None)
    if metric is None:
        return "wall <= 50 ms"
    operator = "<=" if metric.better == "lower" else ">="
    bound = EXAMPLES[metric.unit].split(",")[0].removeprefix("a plain number such as ")
    return f"{metric.name} {operator} {bound}"


def _metric(written: str, metrics: Mapping[str, Metric], limit: str) -> Metric:
    quantile = _QUANTILE.fullmatch(written)
    name = f"p{quantile[1]}" if quantile else written
    if name not in metrics:
        raise LimitError(f"`{limit}`: no metric {_shown(written)!r} here{nearest(name, metrics)}")
    return metrics[name]


def _bound(text: str, metric: Metric, limit: str) -> Bound:
    if not text:
        raise LimitError(f"`{limit}`: no bound; expected {EXAMPLES[metric.unit]}, or baseline + 5%")
    relative = _BASELINE.fullmatch(text)
    if relative:
        return Bound(steps=_steps(relative["sign"], relative["steps"], metric, limit))
    if text.startswith("baseline"):
        raise LimitError(
            f"`{limit}`: after `baseline` expected a step such as + 5% or + 500 B; "
            f"got {_shown(text[8:].strip())!r}"
        )
    return Bound(value=_value(text, metric, limit))


def _value(text: str, metric: Metric, limit: str) -> float:
    quantity = _quantity(text, limit)
    if quantity.unit is not metric.unit:
        got = "no unit" if quantity.unit is Unit.COUNT else quantity.unit
        raise LimitError(
            f"`{limit}`: {metric.name} is in {metric.unit}; expected {EXAMPLES[metric.unit]}; got {got}"
        )
    return quantity.value


def _quantity(text: str, limit: str) -> Quantity:
    try:
        return parse_quantity(text)
    except QuantityError as error:
        raise LimitError(f"`{limit}`: {error}") from None


def _steps(sign: str | None, text: str | None, metric: Metric, limit: str) -> tuple[Step, ...]:
    if sign is None or text is None:
        return (Step(0.0, of_baseline=False),)
    worse = "+" if metric.better == "lower" else "-"
    if sign != worse:
        raise LimitError(
            f"`{limit}`: {metric.name} is better {metric.better}, so this would demand an improvement "
            f"of every run; write baseline {worse} {text}"
        )
    parts = re.split(r"\s+or\s+", text.strip())
    if len(parts) > 2:
        raise LimitError(f"`{limit}`: at most two steps, as in baseline {sign} 2% or 500 B")
    return tuple(_step(part, metric, limit) for part in parts)


def _step(text: str, metric: Metric, limit: str) -> Step:
    if text.endswith("points"):
        if metric.unit is not Unit.RATIO:
            raise LimitError(f"`{limit}`: points are for ratios; {metric.name} is in {metric.unit}")
        points = _quantity(text.removesuffix("points"), limit)
        if points.unit is not Unit.COUNT:
            raise LimitError(f"`{limit}`: expected a number before points, such as 1 points")
        return Step(points.value / 100, of_baseline=False)
    if text.endswith("%"):
        return Step(_quantity(text, limit).value, of_baseline=True)
    return Step(_value(text, metric, limit), of_baseline=False)


def _check_direction(limit: Limit) -> None:
    expected = "<" if limit.metric.better == "lower" else ">"
    if not limit.operator.startswith(expected):
        raise LimitError(
            f"`{_shown(limit.text)}`: {limit.metric.name} is better {limit.metric.better}; "
            f"expected {expected}= where {limit.operator} stands"
        )


def _check_relative(limit: Limit) -> None:
    if not limit.bound.relative:
        return
    metric, shown = limit.metric, _shown(limit.text)
    if not metric.relative:
        raise LimitError(f"`{shown}`: {metric.name} {_why_absolute(metric)}")
    room = [step for step in limit.bound.steps if step.amount > 0]
    if not room and limit.operator in ("<", ">"):
        raise LimitError(
            f"`{shown}`: this would demand an improvement of every run; write {limit.operator}="
        )
    if metric.unit is not Unit.SECONDS or metric.exact:
        return
    if all(step.of_baseline and step.amount < TIGHTEST_RELATIVE_TIME for step in room):
        raise LimitError(
            f"`{shown}`: a change of time under 3 % cannot be told from the layout of unrelated "
            f"code; expected baseline + 3% or more"
        )


def _why_absolute(metric: Metric) -> str:
    if metric.unit is Unit.SECONDS and metric.rule is not Rule.TWICE:
        return (
            "holds the wait for a processor, which no baseline foresees; "
            "put the relative limit on time, or write an absolute bound"
        )
    return "is not compared with a baseline; write an absolute bound"


def number_metric(name: str, declared: str) -> Metric:
    """The metric behind `numbers: {tokens: count}`: a unit, then `higher` and `exact` where they hold."""
    words = declared.split()
    unit = " ".join(word for word in words if word not in _KINDS)
    kinds = sorted(word for word in words if word in _KINDS)
    try:
        known = Unit({"/s": "per second"}.get(unit, unit))
    except ValueError:
        known = None
    if known is None or kinds in (["higher", "lower"], ["exact", "sampled"]) or len(kinds) > 2:
        raise LimitError(
            f"{name}: {_shown(declared)!r} is not a kind of number; expected a unit "
            f"({', '.join(Unit)}), then `higher` if more is better and `exact` if it repeats to the digit"
        )
    exact = "exact" in kinds
    return Metric(
        name=name,
        unit=known,
        about="a number that the test or command reports itself",
        better="higher" if "higher" in kinds else "lower",
        exact=exact,
        rule=Rule.EXACT if exact else Rule.CEILING,
    )


def check_numbers(numbers: Mapping[str, str], known: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics a target offers together with the numbers declared for it.

    Raises `LimitError` with all that is wrong with them.
    """
    declared: dict[str, Metric] = {}
    problems = []
    for name, kind in numbers.items():
        try:
            declared[name] = _number(name, kind, known)
        except LimitError as error:
            problems.append(str(error))
    if problems:
        raise LimitError("; ".join(problems))
    return {**known, **declared}


def _number(name: str, kind: str, known: Mapping[str, Metric]) -> Metric:
    if name in known:
        raise LimitError(f"{name} is a metric of the target already; choose another name")
    if not _ADDRESSABLE.fullmatch(name):
        raise LimitError(
            f"{_shown(name)!r} cannot be named in a limit; expected a word without spaces, "
            f"brackets or operators, such as tokens_used"
        )
    return number_metric(name, kind)
