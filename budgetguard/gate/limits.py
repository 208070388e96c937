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
from budgetguard.units import EXAMPLES, Unit, parse_quantity

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
_QUANTILE = re.compile(r"p\((\d+(?:\.\d+)?)\)")
_BASELINE = re.compile(r"baseline(?:\s*(?P<sign>[+-])\s*(?P<steps>.+))?", re.DOTALL)


class LimitError(UsageError):
    """A limit that could not be read; the text says what was expected."""


def parse_limit(text: str, metrics: Mapping[str, Metric]) -> Limit:
    """Read one limit against the metrics its target offers, or raise `LimitError`."""
    written = " ".join(text.split())
    found = _LIMIT.fullmatch(written)
    if not found:
        raise LimitError(
            f"{written!r} is not a limit; expected [selector] metric <= bound, such as `{_example(metrics)}`"
        )
    operator = found["operator"]
    if operator not in _OPERATORS:
        raise LimitError(f"`{written}`: a limit is an inequality; write <= or >= for {operator}")
    metric = _metric(found["metric"], metrics, written)
    limit = Limit(
        text=written,
        metric=metric,
        operator=_OPERATORS[operator],
        bound=_bound(found["bound"].strip(), metric, written),
        selector=found["selector"] or "",
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
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {' '.join(names)}" if names else ""


def _example(metrics: Mapping[str, Metric]) -> str:
    metric = next(iter(metrics.values()), None)
    if metric is None:
        return "wall <= 50 ms"
    operator = "<=" if metric.better == "lower" else ">="
    bound = EXAMPLES[metric.unit].split(",")[0].removeprefix("a plain number such as ")
    return f"{metric.name} {operator} {bound}"


def _metric(written: str, metrics: Mapping[str, Metric], limit: str) -> Metric:
    name = _QUANTILE.sub(r"p\1", written)
    if name not in metrics:
        raise LimitError(f"`{limit}`: no metric {written!r} here{nearest(name, metrics)}")
    return metrics[name]


def _bound(text: str, metric: Metric, limit: str) -> Bound:
    if not text:
        raise LimitError(f"`{limit}`: no bound; expected {EXAMPLES[metric.unit]}, or baseline + 5%")
    relative = _BASELINE.fullmatch(text)
    if relative:
        return Bound(steps=_steps(relative["sign"], relative["steps"], metric, limit))
    if text.startswith("baseline"):
        raise LimitError(
            f"`{limit}`: after `baseline` expected a step such as + 5% or + 500 B; got {text[8:].strip()!r}"
        )
    return Bound(value=_value(text, metric, limit))


def _value(text: str, metric: Metric, limit: str) -> float:
    try:
        quantity = parse_quantity(text)
    except QuantityError as error:
        raise LimitError(f"`{limit}`: {error}") from None
    if quantity.unit is not metric.unit:
        got = "no unit" if quantity.unit is Unit.COUNT else quantity.unit
        raise LimitError(
            f"`{limit}`: {metric.name} is in {metric.unit}; expected {EXAMPLES[metric.unit]}; got {got}"
        )
    return quantity.value


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
        return Step(
            _value(text.removesuffix("points").strip() + "%", metric, limit), of_baseline=False
        )
    if text.endswith("%"):
        try:
            return Step(parse_quantity(text).value, of_baseline=True)
        except QuantityError as error:
            raise LimitError(f"`{limit}`: {error}") from None
    return Step(_value(text, metric, limit), of_baseline=False)


def _check_direction(limit: Limit) -> None:
    expected = "<" if limit.metric.better == "lower" else ">"
    if not limit.operator.startswith(expected):
        raise LimitError(
            f"`{limit.text}`: {limit.metric.name} is better {limit.metric.better}; "
            f"expected {expected}= where {limit.operator} stands"
        )


def _check_relative(limit: Limit) -> None:
    if not limit.bound.relative:
        return
    metric = limit.metric
    if not metric.relative:
        raise LimitError(
            f"`{limit.text}`: {metric.name} holds the wait for a processor, which no baseline foresees; "
            f"put the relative limit on time, or write an absolute bound"
        )
    loosest = max(step.amount for step in limit.bound.steps)
    if (
        metric.unit is Unit.SECONDS
        and not metric.exact
        and all(step.of_baseline for step in limit.bound.steps)
        and loosest < TIGHTEST_RELATIVE_TIME
    ):
        raise LimitError(
            f"`{limit.text}`: a change of time under 3 % cannot be told from the layout of unrelated "
            f"code; expected baseline + 3% or more"
        )


def number_metric(name: str, declared: str) -> Metric:
    """The metric behind `numbers: {tokens: count}`: a unit, then `higher` and `exact` where they hold."""
    words = declared.split()
    exact = "exact" in words
    higher = "higher" in words
    unit = " ".join(word for word in words if word not in ("exact", "higher", "lower", "sampled"))
    try:
        known = Unit({"/s": "per second"}.get(unit, unit))
    except ValueError:
        raise LimitError(
            f"{name}: {declared!r} is not a kind of number; expected a unit ({', '.join(Unit)}), "
            f"then `higher` if more is better and `exact` if it repeats to the digit"
        ) from None
    return Metric(
        name=name,
        unit=known,
        about="a number that the test or command reports itself",
        better="higher" if higher else "lower",
        exact=exact,
        rule=Rule.EXACT if exact else Rule.CEILING,
    )


def check_numbers(numbers: Mapping[str, str], known: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics a target offers together with the numbers declared for it."""
    taken = sorted(set(numbers) & set(known))
    if taken:
        raise LimitError(
            f"numbers: {taken[0]} is a metric of the target already; choose another name"
        )
    return {**known, **{name: number_metric(name, numbers[name]) for name in numbers}}
