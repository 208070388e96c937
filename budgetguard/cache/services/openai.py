"""OpenAI's API, and those that speak like it: chat completions, responses, embeddings, moderations, images.

| operation | kept for | never kept, beside errors, halves and empty answers |
|---|---|---|
| CHAT | 7 days | sampled, cut off or filtered answers, refusals, calls of tools, answers after a web search |
| RESPONSES | 7 days | the same, and answers within a `conversation`, whose state is at OpenAI |
| EMBEDDINGS | 90 days | fewer vectors than texts |
| MODERATIONS | 1 day | |
| IMAGES | 30 days | sampled ones, which all are; links, which expire after an hour |

A sampled answer is one of many that the request could have got: its temperature is above 0 (1 where it is
left out) without a seed, or it asks for several. `chat(sampled=True)` keeps them: one answer for all who
ask the same. An answer that calls tools asks for something to be done, and an old one may ask for what
was done already; `chat(tools=True)` keeps them. Both are kept apart from what the plain operations keep.

Left out of keys: who asks and how (user, safety_identifier, metadata, service_tier, timeouts), what is
cached or stored at OpenAI (prompt_cache_key, store), stream_options. `stream` is in the key, for its answer
has another form: a list of chunks or events, which is complete only with its last.

Requests do not say which server they go to: give each its `provider` (genai-prices' name, such as azure),
by which it is priced and its entries are kept apart. Formats: https://platform.openai.com/docs/api-reference.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.policy import Policy
from budgetguard.cache.prices import PRICES, UNKNOWN, PriceTable
from budgetguard.cache.services.normal import at, first, mappings, settled
from budgetguard.cache.services.openai_answers import (
    chat_reasons,
    drawn,
    embeddings_refused,
    ended,
    error,
    image_reasons,
    inputs,
    merged,
    response_reasons,
    with_usage,
)
from budgetguard.cache.services.tokens import token_cost

_DAY_S = 86_400.0
_WORTH_USD = Decimal("0.0001")
_LARGEST_IMAGES_BYTES = 16 << 20
_ASKER = frozenset(
    {
        "user",
        "safety_identifier",
        "metadata",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "stream_options",
        "timeout",
        "extra_headers",
        "api_key",
        "organization",
        "project",
    }
)
_DRAWING = {"temperature": 1, "top_p": 1, "stream": False, "parallel_tool_calls": True, "tools": []}
_CHAT = {
    **_DRAWING, "n": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False, "logit_bias": {},
    "response_format": {"type": "text"}, "modalities": ["text"],
}  # fmt: skip
_RESPONSES = {
    **_DRAWING, "store": True, "background": False, "truncation": "disabled", "include": [],
    "text": {"format": {"type": "text"}},
}  # fmt: skip
_IMAGES = {
    "n": 1, "size": "auto", "quality": "auto", "background": "auto", "moderation": "auto",
    "output_format": "png", "output_compression": 100, "stream": False, "partial_images": 0,
}  # fmt: skip


def chat(
    *,
    sampled: bool = False,
    tools: bool = False,
    provider: str = "openai",
    prices: PriceTable = PRICES,
) -> Operation:
    """POST /v1/chat/completions; `sampled` and `tools` say what else may be kept."""

    def refused(request: Request, response: Response) -> str:
        return first(chat_reasons(request, response, sampled=sampled, tools=tools))

    return Operation(
        policy=_policy(
            _named(provider, "chat", sampled=sampled, tools=tools), days=7, worth=_WORTH_USD
        ),
        key=_chat_key,
        cost=_tokens(with_usage, provider, "chat", prices),
        refused=refused,
    )


def responses(
    *,
    sampled: bool = False,
    tools: bool = False,
    provider: str = "openai",
    prices: PriceTable = PRICES,
) -> Operation:
    """POST /v1/responses; `sampled` and `tools` say what else may be kept."""

    def refused(request: Request, response: Response) -> str:
        return first(response_reasons(request, response, sampled=sampled, tools=tools))

    name = _named(provider, "responses", sampled=sampled, tools=tools)
    return Operation(
        policy=_policy(name, days=7, worth=_WORTH_USD),
        key=_responses_key,
        cost=_tokens(ended, provider, "responses", prices),
        refused=refused,
    )


def embeddings(*, provider: str = "openai", prices: PriceTable = PRICES) -> Operation:
    """POST /v1/embeddings, whose answers are the same each time."""
    return Operation(
        policy=_policy(f"{provider}.embeddings", days=90),
        key=_embeddings_key,
        cost=_tokens(lambda response: response, provider, "embeddings", prices),
        refused=embeddings_refused,
    )


def moderations(*, provider: str = "openai") -> Operation:
    """POST /v1/moderations, which costs nothing; it is kept for its time."""
    return Operation(
        policy=_policy(f"{provider}.moderations", days=1),
        key=_moderations_key,
        cost=lambda _request, _response, _day: Decimal(0),
        refused=lambda _request, response: (
            error(response) or ("" if mappings(at(response, "results")) else "the answer is empty")
        ),
    )


def images(
    *, sampled: bool = False, provider: str = "openai", prices: PriceTable = PRICES
) -> Operation:
    """POST /v1/images/generations; every image is sampled, so that only `sampled` keeps any."""

    def refused(_request: Request, response: Response) -> str:
        return first(image_reasons(response, sampled=sampled))

    return Operation(
        policy=Policy(
            name=_named(provider, "images", sampled=sampled, tools=False),
            ttl_s=30 * _DAY_S,
            min_cost_usd=_WORTH_USD,
            max_value_bytes=_LARGEST_IMAGES_BYTES,
        ),
        key=lambda request: settled(request, ignored=_ASKER, defaults=_IMAGES),
        cost=_tokens(drawn, provider, "images", prices),
        refused=refused,
    )


def _policy(name: str, *, days: float, worth: Decimal = Decimal(0)) -> Policy:
    return Policy(name=name, ttl_s=days * _DAY_S, min_cost_usd=worth)


def _named(provider: str, api: str, *, sampled: bool, tools: bool) -> str:
    """What keeps entries apart that not every variant of an operation would have kept."""
    return f"{provider}.{api}{'+sampled' * sampled}{'+tools' * tools}"


def _tokens(
    usage: Callable[[Response], Any], provider: str, api: str, prices: PriceTable
) -> Callable[[Request, Response, dt.date], Decimal]:
    """The cost by the tokens of that part of an answer that tells them."""

    def cost(request: Request, response: Response, day: dt.date) -> Decimal:
        answer = usage(response)
        if answer is None:
            return UNKNOWN
        return token_cost(
            answer, request.get("model"), day, provider=provider, api=api, prices=prices
        )

    return cost


def _chat_key(request: Request) -> dict[str, Any]:
    key = settled(merged(request), ignored=_ASKER | {"store"}, defaults=_CHAT)
    if isinstance(key.get("messages"), list):
        key["messages"] = [_message(each, "text") for each in key["messages"]]
    if isinstance(key.get("stop"), str):
        key["stop"] = [key["stop"]]
    return key


def _responses_key(request: Request) -> dict[str, Any]:
    key = settled(merged(request), ignored=_ASKER, defaults=_RESPONSES)
    asked = key.get("input")
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    if isinstance(asked, list):
        key["input"] = [_message(each, "input_text") for each in asked]
    return key


def _message(message: Any, kind: str) -> Any:
    """A text may be written plainly, or as the only one of several parts."""
    if not isinstance(message, Mapping):
        return message
    settled_message = settled(message, defaults={"type": "message"})
    parts = settled_message.get("content")
    if isinstance(parts, list) and len(parts) == 1:
        part = parts[0]
        if isinstance(part, Mapping) and part.keys() == {"type", "text"} and part["type"] == kind:
            settled_message["content"] = part["text"]
    return settled_message


def _embeddings_key(request: Request) -> dict[str, Any]:
    key = settled(merged(request), ignored=_ASKER, defaults={"encoding_format": "float"})
    key["input"] = inputs(request)
    return key


def _moderations_key(request: Request) -> dict[str, Any]:
    key = settled(request, ignored=_ASKER, defaults={"model": "omni-moderation-latest"})
    key["input"] = inputs(request)
    return key


CHAT = chat()
RESPONSES = responses()
EMBEDDINGS = embeddings()
MODERATIONS = moderations()
IMAGES = images()
