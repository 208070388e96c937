"""Answers of OpenAI's API: where they are complete, where they tell their usage, and why not to keep them.

An answer is an object, or the list of chunks or events that came in its place as a stream.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from budgetguard.cache.operation import Request, Response
from budgetguard.cache.services.normal import at, mappings, number, plain

_UNFINISHED = {
    "length": "it was cut off at its limit of tokens",
    "content_filter": "a filter left something out of it",
}


def merged(request: Request) -> dict[str, Any]:
    """OpenAI's own client sends the members of `extra_body` like all others."""
    more = request.get("extra_body")
    rest = {name: value for name, value in request.items() if name != "extra_body"}
    return {**rest, **more} if isinstance(more, Mapping) else rest


def inputs(request: Request) -> Any:
    """One text or list of tokens is a list of one."""
    given = plain(request.get("input"))
    whole = isinstance(given, str) or (isinstance(given, list) and given and _is_token(given[0]))
    return [given] if whole else given


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def with_usage(response: Response) -> Any:
    """The completion, or the chunk of a stream that tells its usage: the last that has one."""
    if isinstance(response, list):
        return next((chunk for chunk in reversed(mappings(response)) if chunk.get("usage")), None)
    return response


def ended(response: Response) -> Any:
    """A response, or the one that the last event of its stream holds; None where that is missing."""
    if isinstance(response, list):
        last = next(reversed(mappings(response)), None)
        return at(last, "response") if _is_end(last) else None
    return response


def _is_end(event: Any) -> bool:
    ends = {"response.completed", "response.incomplete", "response.failed"}
    kind = at(event, "type")
    return isinstance(kind, str) and kind in ends


def drawn(response: Response) -> Any:
    """The answer with images, or the last event of its stream where that is one."""
    if isinstance(response, list):
        last = next(reversed(mappings(response)), None)
        return last if at(last, "type") == "image_generation.completed" else None
    return response


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of the answers to a chat; a stream's is put together from its chunks."""

    reason: Any
    said: bool
    declined: bool
    called: bool


def _choices(response: Response) -> list[_Choice]:
    chunks = mappings(response) if isinstance(response, list) else [response]
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for chunk in chunks:
        for choice in mappings(at(chunk, "choices")):
            parts.setdefault(repr(choice.get("index", 0)), []).append(choice)
    return [_choice(of_one) for of_one in parts.values()]


def _choice(parts: list[Mapping[str, Any]]) -> _Choice:
    said = [part.get("message") or part.get("delta") for part in parts]
    reasons = [part["finish_reason"] for part in parts if part.get("finish_reason")]
    return _Choice(
        reason=reasons[-1] if reasons else None,
        said=any(at(each, "content") or at(each, "audio") for each in said),
        declined=any(at(each, "refusal") for each in said),
        called=any(at(each, "tool_calls") or at(each, "function_call") for each in said),
    )


def error(response: Response) -> str:
    """Errors come with HTTP 200, too: from proxies, and in the midst of streams."""
    parts = response if isinstance(response, list) else [response]
    if not parts or not all(isinstance(part, Mapping) for part in parts):
        return "the answer has no form of this API"
    for part in parts:
        if part.get("error") or part.get("type") == "error":
            kind = at(part, "error", "code") or at(part, "error", "type")
            return f"the answer is an error{f', {kind}' if isinstance(kind, str) else ''}"
    return ""


def _sampled(request: Request, factory: str) -> str:
    count, seed = number(request.get("n")), request.get("seed")
    given = request.get("temperature")
    temperature = Decimal(1) if given is None else number(given)
    if count is not None and count > 1:
        return f"several answers were asked for; {factory}(sampled=True) keeps such"
    if seed is None and temperature != 0:
        return (
            f"it is sampled: no seed, and a temperature above 0; {factory}(sampled=True) keeps such"
        )
    return ""


def chat_reasons(
    request: Request, response: Response, *, sampled: bool, tools: bool
) -> Iterator[str]:
    """Why a chat's answer may not be kept."""
    request = merged(request)
    yield error(response)
    choices = _choices(response)
    if not choices:
        yield "the answer is empty"
    for choice in choices:
        yield from _choice_reasons(choice, tools=tools)
    wanted = number(request.get("n"))
    if wanted is not None and len(choices) < wanted:
        yield "it has fewer choices than were asked for"
    if not tools and _searches(request):
        yield "it stands on a web search; chat(tools=True) keeps such"
    if not sampled:
        yield _sampled(request, "chat")


def _searches(request: Request) -> bool:
    """Models such as gpt-4o-search-preview always do."""
    return request.get("web_search_options") is not None or "-search-" in str(request.get("model"))


def _choice_reasons(choice: _Choice, *, tools: bool) -> Iterator[str]:
    calls = choice.called or choice.reason in ("tool_calls", "function_call")
    if choice.reason is None:
        yield "the stream has not come to its end: no finish_reason"
    elif isinstance(choice.reason, str):
        yield _UNFINISHED.get(choice.reason, "")
    if choice.declined:
        yield "the model declined to answer"
    if calls and not tools:
        yield "it calls tools; chat(tools=True) keeps such"
    if not calls and not choice.said:
        yield "the answer is empty"


def response_reasons(
    request: Request, response: Response, *, sampled: bool, tools: bool
) -> Iterator[str]:
    """Why a response may not be kept."""
    request = merged(request)
    yield error(response)
    answer = ended(response)
    yield error(answer) if answer is not None else "the stream has not come to its end"
    if at(answer, "status") != "completed":
        reason = at(answer, "incomplete_details", "reason") or at(answer, "status")
        yield f"it is not complete{f': {reason}' if isinstance(reason, str) else ''}"
    items = mappings(at(answer, "output"))
    parts = [part for item in items for part in mappings(item.get("content"))]
    if any(part.get("type") == "refusal" for part in parts):
        yield "the model declined to answer"
    used = any(item.get("type") not in ("message", "reasoning") for item in items)
    if used and not tools:
        yield "it uses tools; responses(tools=True) keeps such"
    if not used and not any(part.get("text") for part in parts):
        yield "the answer is empty"
    if request.get("conversation") is not None:
        yield "it depends on a conversation that is held at the provider"
    if not sampled:
        yield _sampled(request, "responses")


def embeddings_refused(request: Request, response: Response) -> str:
    """Why embeddings may not be kept; "" where they may."""
    if reason := error(response):
        return reason
    vectors = mappings(at(response, "data"))
    texts = inputs(request)
    wanted = len(texts) if isinstance(texts, list) else 1
    if len(vectors) != wanted or not all(vector.get("embedding") for vector in vectors):
        return "it has not one vector for each text"
    return ""


def image_reasons(response: Response, *, sampled: bool) -> Iterator[str]:
    """Why images may not be kept."""
    yield error(response)
    answer = drawn(response)
    if answer is None:
        yield "the stream has not come to its end"
    found = [answer] if at(answer, "type") else mappings(at(answer, "data"))
    if not found:
        yield "the answer is empty"
    if not all(image.get("b64_json") for image in found):
        yield "it has links, which expire; ask for response_format=b64_json"
    if not sampled:
        yield "every image is sampled; images(sampled=True) keeps them"
