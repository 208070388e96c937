"""What tokens cost: prices of genai-prices, which come with that library and are read without any network.

A table of your own comes first: `openai/my-model.input`, `.cached_input` and `.output` are its items, for
models that the library does not know, or contracts of your own.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from budgetguard.cache.prices import PRICES, UNKNOWN, PriceTable, exact
from budgetguard.cache.services.normal import at, number
from budgetguard.extras import need

_NOON = dt.time(12, tzinfo=dt.UTC)


def token_cost(
    answer: Any, asked: Any, day: dt.date, *, provider: str, api: str, prices: PriceTable = PRICES
) -> Decimal:
    """What an answer cost by the tokens in its `usage`, or `UNKNOWN`.

    The model is the one that answered, else the one that was `asked` for. `provider` and `api` are
    genai-prices' names: openai, azure; chat, responses, embeddings, images. Fees of tools that run at the
    provider, such as web searches, are in no `usage`, and so not in this.
    """
    if not isinstance(answer, Mapping):
        return UNKNOWN
    for model in (answer.get("model"), asked):
        if isinstance(model, str) and model:
            cost = _own(answer, f"{provider}/{model}", day, prices)
            if cost is None:
                cost = _listed({**answer, "model": model}, day, provider, api)
            if cost is not None:
                return exact(cost)
    return UNKNOWN


def _listed(answer: Mapping[str, Any], day: dt.date, provider: str, api: str) -> Decimal | None:
    library = need("genai_prices", extra="cache")
    tier = answer.get("service_tier")
    try:
        usage = library.extract_usage(answer, provider_id=provider, api_flavor=api)
        price = usage.calc_price(
            genai_request_timestamp=dt.datetime.combine(day, _NOON),
            price_context={"service_tier": tier} if isinstance(tier, str) else None,
        )
    except (LookupError, ValueError, ArithmeticError):  # a model or a usage that it does not know
        return None
    return Decimal(price.total_price)


def _own(answer: Mapping[str, Any], model: str, day: dt.date, prices: PriceTable) -> Decimal | None:
    """By a table of the user's; None where it does not have the model."""
    if prices.find(f"{model}.input", day) is None:
        return None
    read, written = _tokens(answer, "prompt", "input"), _tokens(answer, "completion", "output")
    if read is None or (written and prices.find(f"{model}.output", day) is None):
        return None
    cached = _cached(answer) if prices.find(f"{model}.cached_input", day) else Decimal(0)
    counts = {"input": read - cached, "cached_input": cached, "output": written or Decimal(0)}
    return sum(
        (prices.cost(f"{model}.{kind}", count, day) for kind, count in counts.items() if count),
        start=Decimal(0),
    )


def _tokens(answer: Mapping[str, Any], *names: str) -> Decimal | None:
    """Chat Completions and Responses have two names for one number."""
    found = (number(at(answer, "usage", f"{name}_tokens")) for name in names)
    return next((count for count in found if count is not None and count >= 0), None)


def _cached(answer: Mapping[str, Any]) -> Decimal:
    names = ("prompt_tokens_details", "input_tokens_details")
    found = (number(at(answer, "usage", name, "cached_tokens")) for name in names)
    read = _tokens(answer, "prompt", "input") or Decimal(0)
    return next((count for count in found if count is not None and 0 <= count <= read), Decimal(0))
