"""Operations of paid services, against servers that speak their formats: keys, costs, and what is never kept."""

import datetime as dt
import doctest
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetguard.cache import services
from budgetguard.cache.keys import digest
from budgetguard.cache.operation import Operation
from budgetguard.cache.prices import Price, PriceTable, known
from budgetguard.cache.services.firecrawl import (
    CRAWL_START,
    CRAWL_STATUS,
    MAP,
    SCRAPE,
    SEARCH,
    crawl_status,
    scrape,
    search,
    site_map,
)
from budgetguard.cache.services.normal import google_query, plain, url
from budgetguard.cache.services.openai import (
    CHAT,
    EMBEDDINGS,
    IMAGES,
    MODERATIONS,
    RESPONSES,
    chat,
    embeddings,
    images,
    responses,
)
from budgetguard.cache.services.serp import GOOGLE_CSE, SERPAPI, serpapi

_spec = importlib.util.spec_from_file_location(
    "providers", Path(__file__).with_name("providers.py")
)
providers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(providers)

DAY = dt.date(2026, 11, 20)
SECRET = b"a secret of the tests"
ASK = [{"role": "user", "content": "What is a cache?"}]
CHATTED = {"model": "gpt-4o-mini", "messages": ASK, "temperature": 0}
RESPONDED = {"model": "gpt-4o-mini", "input": "What is a cache?", "temperature": 0}
EMBEDDED = {"model": "text-embedding-3-small", "input": "What is a cache?"}
MODERATED = {"input": "What is a cache?"}
DRAWN = {"model": "gpt-image-1", "prompt": "A cache, drawn"}
SCRAPED = {"url": "https://example.com/a/Page?id=7"}
SEARCHED = {"query": "what is a cache", "limit": 5}
MAPPED = {"url": "https://example.com"}
SERP = {"engine": "google", "q": "what is a cache", "num": 10, "api_key": "k"}
CSE = {"cx": "017", "q": "what is a cache", "key": "k"}
KEPT_IMAGES = images(sampled=True)
OPERATIONS = {
    "chat": (CHAT, "POST", "/v1/chat/completions", CHATTED),
    "responses": (RESPONSES, "POST", "/v1/responses", RESPONDED),
    "embeddings": (EMBEDDINGS, "POST", "/v1/embeddings", EMBEDDED),
    "moderations": (MODERATIONS, "POST", "/v1/moderations", MODERATED),
    "images": (KEPT_IMAGES, "POST", "/v1/images/generations", DRAWN),
    "scrape": (SCRAPE, "POST", "/v2/scrape", SCRAPED),
    "scrape v1": (scrape(api="v1"), "POST", "/v1/scrape", SCRAPED),
    "search": (SEARCH, "POST", "/v2/search", SEARCHED),
    "search v1": (search(api="v1"), "POST", "/v1/search", SEARCHED),
    "map": (MAP, "POST", "/v2/map", MAPPED),
    "map v1": (site_map(api="v1"), "POST", "/v1/map", MAPPED),
    "serpapi": (SERPAPI, "GET", "/search.json", SERP),
    "google cse": (GOOGLE_CSE, "GET", "/customsearch/v1", CSE),
}


@pytest.fixture(scope="module")
def server() -> Iterator[providers.Provider]:
    with providers.running() as running:
        yield running


def key_of(operation: Operation, request: dict) -> str:
    return digest(SECRET, operation.policy.name, operation.key(request))


def asked(server, name: str, request: dict | None = None):
    _, method, path, usual = OPERATIONS[name]
    return providers.ask(server.url, method, path, request or usual)


# --- what is asked over HTTP


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_good_answer_is_kept(server, name):
    """What the services answer to a plain request may be kept, and has a price that is known."""
    operation, *_, request = OPERATIONS[name]
    status, answer = asked(server, name)
    assert (status, operation.refused(request, answer)) == (200, "")
    cost = operation.cost(request, answer, DAY)
    assert known(cost)
    assert (cost > 0) == (name != "moderations")


SAME = [
    ("chat", {"temperature": 0.0, "n": 1, "top_p": 1, "stream": False, "logit_bias": {}}),
    ("chat", {"user": "u-1", "metadata": {"trace": "t"}, "service_tier": "flex", "store": True}),
    ("chat", {"safety_identifier": "s", "prompt_cache_key": "p", "timeout": 30, "stop": None}),
    ("chat", {"stream_options": {"include_usage": True}, "response_format": {"type": "text"}}),
    ("chat", {"messages": [{"content": "What is a cache?", "role": "user", "name": None}]}),
    (
        "chat",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is a cache?"}]}]},
    ),
    ("responses", {"input": [{"role": "user", "content": "What is a cache?"}]}),
    (
        "responses",
        {
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"text": "What is a cache?", "type": "input_text"}],
                }
            ]
        },
    ),
    ("responses", {"store": True, "truncation": "disabled", "user": "u", "metadata": {"a": "b"}}),
    ("embeddings", {"input": ["What is a cache?"], "encoding_format": "float", "user": "u"}),
    ("moderations", {"input": ["What is a cache?"], "model": "omni-moderation-latest"}),
    ("images", {"n": 1, "size": "auto", "quality": "auto", "user": "u", "stream": False}),
    ("scrape", {"url": "  HTTPS://Example.COM:443/a/Page?id=7  "}),
    ("scrape", {"url": "https://example.com/a/Page?utm_source=x&id=7&gclid=3&UTM_Medium=y#part"}),
    ("scrape", {"formats": ["markdown"], "onlyMainContent": True, "timeout": 30000}),
    ("scrape", {"formats": [{"type": "markdown"}], "storeInCache": False, "integration": "us"}),
    ("scrape", {"maxAge": 172800000.0, "proxy": "auto", "parsers": ["pdf"], "waitFor": 0}),
    ("scrape v1", {"maxAge": 0, "proxy": "basic", "parsePDF": True, "skipTlsVerification": False}),
    ("search", {"query": "  what is  a cache ", "sources": ["web"], "timeout": 60000}),
    ("search", {"sources": [{"type": "web"}], "ignoreInvalidURLs": False}),
    ("map", {"url": "https://EXAMPLE.com/", "limit": 5000, "sitemap": "include"}),
    ("serpapi", {"q": " What  is a CACHE ", "num": "10", "api_key": "another"}),
    (
        "serpapi",
        {"device": "desktop", "output": "json", "start": 0, "no_cache": False, "source": "py"},
    ),
    ("google cse", {"q": "What is a  Cache", "num": 10, "start": "1", "safe": "off", "key": "z"}),
    ("google cse", {"alt": "json", "prettyPrint": False, "quotaUser": "me"}),
]


@pytest.mark.parametrize(("name", "change"), SAME)
def test_what_does_not_matter_is_not_in_the_key(server, name, change):
    """The same question in other words, in another order, with or without defaults: one key, one answer."""
    operation, *_, request = OPERATIONS[name]
    changed = dict(reversed([*{**request, **change}.items()]))
    assert key_of(operation, changed) == key_of(operation, request)
    assert asked(server, name)[0] == asked(server, name, changed)[0] == 200


OTHER = [
    ("chat", {"model": "gpt-4o"}),
    ("chat", {"messages": [*ASK, {"role": "assistant", "content": "A store."}]}),
    ("chat", {"messages": [{"role": "user", "content": "what is a cache?"}]}),
    ("chat", {"messages": [{"role": "user", "content": "What is a cache? "}]}),
    ("chat", {"messages": [{"role": "system", "content": "What is a cache?"}]}),
    ("chat", {"temperature": 0.2}),
    ("chat", {"seed": 7}),
    ("chat", {"seed": 2**70}),
    ("chat", {"n": 2}),
    ("chat", {"max_tokens": 10}),
    ("chat", {"stop": ["."]}),
    ("chat", {"stream": True}),
    ("chat", {"logprobs": True}),
    ("chat", {"response_format": {"type": "json_object"}}),
    ("chat", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ("chat", {"extra_body": {"top_k": 1}}),
    ("chat", {"a_field_of_next_year": 1}),
    ("responses", {"instructions": "Be brief."}),
    ("responses", {"previous_response_id": "resp_1"}),
    ("responses", {"store": False}),
    ("responses", {"input": [{"role": "developer", "content": "What is a cache?"}]}),
    ("embeddings", {"dimensions": 4}),
    ("embeddings", {"encoding_format": "base64"}),
    ("embeddings", {"input": ["What is a cache?", "And a key?"]}),
    ("embeddings", {"input": [1, 2]}),
    ("moderations", {"model": "text-moderation-007"}),
    ("images", {"quality": "low"}),
    ("scrape", {"url": "https://example.com/a/page?id=7"}),
    ("scrape", {"url": "http://example.com/a/Page?id=7"}),
    ("scrape", {"url": "https://example.com/a/Page?id=8"}),
    ("scrape", {"url": "https://example.com/a/Page?id=7#/orders"}),
    ("scrape", {"url": "https://me@example.com/a/Page?id=7"}),
    ("scrape", {"formats": ["markdown", "links"]}),
    ("scrape", {"maxAge": 0}),
    ("scrape", {"headers": {"Cookie": "session=1"}}),
    ("scrape", {"onlyMainContent": False}),
    ("scrape", {"location": {"country": "DE"}}),
    ("search", {"limit": 6}),
    ("search", {"sources": ["news"]}),
    ("search", {"scrapeOptions": {"formats": ["markdown"]}}),
    ("map", {"search": "docs"}),
    ("serpapi", {"q": "what is the cache"}),
    ("serpapi", {"location": "Austin"}),
    ("serpapi", {"start": 10}),
    ("serpapi", {"engine": "bing"}),
    ("serpapi", {"no_cache": True}),
    ("google cse", {"cx": "018"}),
    ("google cse", {"q": "what is OR a cache"}),
]


@pytest.mark.parametrize(("name", "change"), OTHER)
def test_what_decides_the_answer_is_in_the_key(name, change):
    """Another question never gets this one's answer; nor does a field that nobody knows yet."""
    operation, *_, request = OPERATIONS[name]
    assert key_of(operation, {**request, **change}) != key_of(operation, request)


def test_keys_of_lists_whose_order_does_not_matter():
    """Formats, tags and the names of headers are sets; prompts and tools are not."""
    two = {"formats": ["links", {"type": "json", "prompt": "p"}], "includeTags": ["b", "a"]}
    turned = {"formats": [{"prompt": "p", "type": "json"}, "links"], "includeTags": ["a", "b"]}
    assert key_of(SCRAPE, {**SCRAPED, **two}) == key_of(SCRAPE, {**SCRAPED, **turned})
    headers = {"headers": {"COOKIE": "s"}}, {"headers": {"cookie": "s"}}
    assert key_of(SCRAPE, {**SCRAPED, **headers[0]}) == key_of(SCRAPE, {**SCRAPED, **headers[1]})
    forth = {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}
    back = {"messages": forth["messages"][::-1]}
    assert key_of(CHAT, {**CHATTED, **forth}) != key_of(CHAT, {**CHATTED, **back})


def test_no_api_key_is_in_a_key():
    """Two customers of one service share answers, and no key of theirs is hashed or stored."""
    for operation, *_, request in OPERATIONS.values():
        named = operation.key(
            {**request, "api_key": "sk-secret"} if "key" not in request else request
        )
        assert "sk-secret" not in json.dumps(named)
    assert "'k'" not in repr(SERPAPI.key(SERP)) + repr(GOOGLE_CSE.key(CSE))


def test_variants_of_an_operation_do_not_share_entries():
    """Who does not want a sampled answer never gets one that another has kept; nor one of another server."""
    variants = [
        chat(), chat(sampled=True), chat(tools=True), chat(sampled=True, tools=True),
        chat(provider="azure"), responses(), responses(sampled=True), embeddings(),
        scrape(), scrape(api="v1"), scrape(actions=True), search(), search(api="v1"),
    ]  # fmt: skip
    assert len({each.policy.name for each in variants}) == len(variants)


def test_policies_can_be_changed():
    """Another life is a `replace`, and keys, costs and refusals stay as they were."""
    brief = replace(SERPAPI, policy=replace(SERPAPI.policy, ttl_s=60))
    assert (brief.policy.ttl_s, brief.key) == (60, SERPAPI.key)
    assert SERPAPI.policy.ttl_s == 6 * 3600


# --- what costs what


COSTS = [
    # gpt-4o-mini: 0.15 and 0.60 USD a million tokens; 0.075 for those that were cached
    ("chat", {"usage": {"prompt_tokens": 1200, "completion_tokens": 400}}, "0.000420"),
    (
        "chat",
        {
            "usage": {
                "prompt_tokens": 1200,
                "completion_tokens": 400,
                "prompt_tokens_details": {"cached_tokens": 1000},
            }
        },
        "0.000345",
    ),
    (
        "chat",
        {"model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": 1200, "completion_tokens": 400}},
        "0.007",
    ),
    (
        "chat",
        {"model": "gpt-4o-mini-2024-07-18", "usage": {"prompt_tokens": 0, "completion_tokens": 1}},
        "0.0000006",
    ),
    ("responses", {"usage": {"input_tokens": 1200, "output_tokens": 400}}, "0.000420"),
    ("embeddings", {"usage": {"prompt_tokens": 500, "total_tokens": 500}}, "0.00001"),
    (
        "images",
        {
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
                "output_tokens": 1056,
            }
        },
        "0.04249",
    ),
    ("moderations", {}, "0"),
    ("scrape", {}, "0.00083"),
    ("scrape v1", {"data": {"markdown": "m"}}, "0.00083"),
    ("search", {"creditsUsed": 4}, "0.00332"),
    ("search v1", {"data": [{"url": "u"}] * 11}, "0.00332"),
    ("map", {}, "0.00083"),
    ("serpapi", {}, "0.015"),
    ("serpapi", {"search_metadata": {"status": "Cached"}}, "0"),
    ("serpapi", {"search_metadata": {"status": "Error"}}, "0"),
    ("google cse", {"items": []}, "0.005"),
]


@pytest.mark.parametrize(("name", "change", "cost"), COSTS)
def test_costs_are_those_of_the_answer(server, name, change, cost):
    """Money follows from what the answer says was used, exactly."""
    operation, *_, request = OPERATIONS[name]
    _, answer = asked(server, name)
    assert operation.cost(request, {**answer, **change}, DAY) == Decimal(cost)


def test_errors_cost_what_the_provider_bills(server):
    """Firecrawl bills pages that failed if it says so, SerpApi bills no errors."""
    failed = {"success": False, "error": "timeout"}
    assert SCRAPE.cost(SCRAPED, failed, DAY) == 0
    assert SCRAPE.cost(SCRAPED, {**failed, "creditsUsed": 5}, DAY) == Decimal("0.00415")
    status, answer = providers.ask(server.url, "GET", "/search.json", {"q": "x"})
    assert (status, SERPAPI.cost({"q": "x"}, answer, DAY)) == (401, 0)


@pytest.mark.parametrize(
    ("request_more", "metadata", "used"),
    [
        ({}, {}, 1),
        ({"formats": [{"type": "json", "prompt": "p"}]}, {}, 5),
        ({"proxy": "stealth"}, {}, 5),
        ({"proxy": "stealth"}, {"proxyUsed": "basic"}, 1),
        ({"formats": ["json"], "zeroDataRetention": True}, {"proxyUsed": "stealth"}, 10),
        ({}, {"numPages": 12}, 12),
        ({"parsers": []}, {"numPages": 12}, 1),
        ({"formats": ["json"]}, {"creditsUsed": 7}, 7),
    ],
)
def test_credits_of_a_scrape(request_more, metadata, used):
    """An answer that does not tell its credits is priced by Firecrawl's list of them."""
    answer = {"success": True, "data": {"markdown": "m", "metadata": metadata}}
    cost = SCRAPE.cost({**SCRAPED, **request_more}, answer, DAY)
    assert cost == used * Decimal("0.00083")


def test_a_search_that_scrapes_pays_for_the_pages(server):
    """Two credits for ten results begun, and one for each page."""
    answer = {"success": True, "data": {"web": [{"url": "u", "metadata": {}}] * 3}}
    request = {**SEARCHED, "scrapeOptions": {"formats": ["markdown"]}}
    assert SEARCH.cost(request, answer, DAY) == 5 * Decimal("0.00083")


def test_an_unknown_model_has_no_price(server):
    """The cost of a model that nobody knows is told apart from nothing, and counts as nothing."""
    request = {**CHATTED, "model": "my-own-llama"}
    _, answer = asked(server, "chat", request)
    cost = CHAT.cost(request, answer, DAY)
    assert (cost, known(cost)) == (0, False)


def test_a_table_of_ones_own_prices_models_and_plans(server):
    """Prices of a contract come before those that are listed."""
    day = dt.date(2026, 1, 1)
    own = PriceTable(
        [
            Price(
                item="openai/my-own-llama.input", valid_from=day, usd=Decimal(1), units=1_000_000
            ),
            Price(item="openai/my-own-llama.cached_input", valid_from=day, usd=Decimal(0)),
            Price(
                item="openai/my-own-llama.output", valid_from=day, usd=Decimal(2), units=1_000_000
            ),
            Price(item="firecrawl.credit.ours", valid_from=day, usd=Decimal("0.5")),
        ]
    )
    request = {**CHATTED, "model": "my-own-llama"}
    _, answer = asked(server, "chat", request)
    details = {"prompt_tokens_details": {"cached_tokens": 40}}
    answer["usage"] = {"prompt_tokens": 100, "completion_tokens": 30, **details}
    assert chat(prices=own).cost(request, answer, DAY) == Decimal("0.00012")
    _, page = asked(server, "scrape")
    assert scrape(plan="ours", prices=own).cost(SCRAPED, page, DAY) == Decimal("0.5")
    assert not known(scrape(plan="ours").cost(SCRAPED, page, DAY))
    assert serpapi(plan="bigdata").cost(SERP, asked(server, "serpapi")[1], DAY) == Decimal(
        "0.009166666667"
    )


# --- what is never kept


def test_streams_are_kept_whole_and_refused_in_halves(server):
    """A stream that broke has no finish_reason; a whole one is kept, and priced by its last chunk."""
    request = {**CHATTED, "stream": True, "stream_options": {"include_usage": True}}
    _, chunks = asked(server, "chat", request)
    assert (CHAT.refused(request, chunks), CHAT.cost(request, chunks, DAY) > 0) == ("", True)
    server.reply_next("/v1/chat/completions", providers.Stream(chunks[:-2], done=False))
    _, half = asked(server, "chat", request)
    assert "has not come to its end" in CHAT.refused(request, half)
    assert not known(CHAT.cost(request, half, DAY))


def test_events_of_responses_are_kept_whole_and_refused_in_halves(server):
    """The last event holds the response; without it there is none."""
    request = {**RESPONDED, "stream": True}
    _, events = asked(server, "responses", request)
    assert (RESPONSES.refused(request, events), RESPONSES.cost(request, events, DAY) > 0) == (
        "",
        True,
    )
    server.reply_next("/v1/responses", providers.Stream(events[:-1], done=False))
    _, half = asked(server, "responses", request)
    assert "has not come to its end" in RESPONSES.refused(request, half)
    assert not known(RESPONSES.cost(request, half, DAY))


def choice(**members):
    message = {"role": "assistant", "content": "A store."}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **members}]}


def output(**members):
    part = {"type": "output_text", "text": "A store."}
    message = {"type": "message", "content": [part]}
    return {"status": "completed", "error": None, "output": [message], **members}


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]}
REFUSED = [
    ("chat", {}, {"error": {"message": "quota", "code": "insufficient_quota"}}, "insufficient_quota"),
    ("chat", {}, {"id": "c", "choices": []}, "empty"),
    ("chat", {}, choice(finish_reason="length"), "cut off"),
    ("chat", {}, choice(finish_reason="content_filter"), "filter"),
    ("chat", {}, choice(finish_reason=None), "not come to its end"),
    ("chat", {}, choice(message={"content": ""}), "empty"),
    ("chat", {}, choice(message={"content": None, "refusal": "I cannot."}), "declined"),
    ("chat", {}, choice(message=CALL, finish_reason="tool_calls"), "calls tools"),
    ("chat", {"web_search_options": {}}, choice(), "web search"),
    ("chat", {"model": "gpt-4o-search-preview"}, choice(), "web search"),
    ("chat", {"temperature": 0.7}, choice(), "sampled"),
    ("chat", {"temperature": None}, choice(), "sampled"),
    ("chat", {"n": 2, "seed": 1}, choice(), "fewer choices"),
    ("chat", {}, [{"choices": [{"delta": {"content": "A"}}]}, {"error": {"type": "server_error"}}], "server_error"),
    ("chat", {}, "<html>502 Bad Gateway</html>", "no form"),
    ("chat", {}, None, "no form"),
    ("chat", {}, [], "no form"),
    ("responses", {}, output(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "max_output"),
    ("responses", {"background": True}, output(status="queued", output=[]), "queued"),
    ("responses", {}, output(error={"code": "server_error"}, status="failed"), "server_error"),
    ("responses", {}, output(output=[]), "empty"),
    ("responses", {}, output(output=[{"type": "function_call", "name": "f"}]), "uses tools"),
    ("responses", {}, output(output=[{"type": "message", "content": [{"type": "refusal"}]}]), "declined"),
    ("responses", {"temperature": 1}, output(), "sampled"),
    ("responses", {"conversation": "conv_1"}, output(), "conversation"),
    ("embeddings", {}, {"error": {"type": "invalid_request_error"}}, "invalid_request_error"),
    ("embeddings", {"input": ["a", "b"]}, {"data": [{"embedding": [0.1]}]}, "one vector for each"),
    ("embeddings", {}, {"data": [{"embedding": []}]}, "one vector for each"),
    ("moderations", {}, {"results": []}, "empty"),
    ("images", {}, {"data": []}, "empty"),
    ("images", {}, {"data": [{"url": "https://x"}]}, "expire"),
    ("scrape", {}, {"success": False, "code": "SCRAPE_TIMEOUT", "error": "timed out"}, "SCRAPE_TIMEOUT"),
    ("scrape", {}, {"success": True, "data": {"markdown": "", "metadata": {"statusCode": 200}}}, "empty"),
    ("scrape", {}, {"success": True, "data": {"markdown": "gone", "metadata": {"statusCode": 404}}}, "404"),
    ("scrape", {}, {"success": True, "data": {"markdown": "m", "metadata": {"error": "DNS"}}}, "error"),
    ("scrape", {}, {"success": True, "data": {"screenshot": "https://s"}}, "24 hours"),
    ("scrape", {}, {"success": True, "data": {"markdown": "m", "changeTracking": {"changeStatus": "same"}}}, "changed"),
    ("scrape", {"zeroDataRetention": True}, {"success": True, "data": {"markdown": "m"}}, "retained"),
    ("scrape", {"actions": [{"type": "click", "selector": "#buy"}]}, {"success": True, "data": {"markdown": "m"}}, "actions"),
    ("search", {}, {"success": True, "data": {"web": []}}, "empty"),
    ("search v1", {}, {"success": True, "data": []}, "empty"),
    ("map", {}, {"success": True, "links": []}, "empty"),
    ("map", {}, {"success": False, "error": "no"}, "error"),
    ("serpapi", {"async": True}, {"search_metadata": {"status": "Processing"}}, "not done"),
    ("serpapi", {}, {"search_metadata": {"status": "Success"}, "error": "no results"}, "found nothing"),
    ("serpapi", {}, {"search_metadata": {"status": "Success"}}, "empty"),
    ("serpapi", {"zero_trace": "true"}, {"search_metadata": {"status": "Success"}, "organic_results": [1]}, "no trace"),
    ("google cse", {}, {"error": {"code": 429, "message": "quota"}}, "error"),
    ("google cse", {}, {"searchInformation": {"totalResults": "0"}}, "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "answer", "reason"), REFUSED)
def test_what_is_never_kept(server, name, change, answer, reason):
    """Errors with HTTP 200, halves, empty and sampled answers: each is refused with its reason."""
    operation, method, path, request = OPERATIONS[name]
    request = {**request, **change}
    server.reply_next(path, answer)
    status, received = providers.ask(server.url, method, path, request)
    assert status == 200
    assert reason in operation.refused(request, received)


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("chat", {"messages": []}),
        ("responses", {}),
        ("embeddings", {"model": "text-embedding-3-small"}),
        ("images", {"model": "gpt-image-1"}),
        ("scrape", {"url": "nonsense"}),
        ("search", {"limit": 3}),
        ("serpapi", {"q": "x"}),
        ("serpapi", {"api_key": "k"}),
        ("google cse", {"q": "x"}),
    ],
)
def test_errors_with_their_own_status_are_refused(server, name, request_):
    """Who forgets to look at the status keeps no error either."""
    operation, method, path, _ = OPERATIONS[name]
    status, answer = providers.ask(server.url, method, path, request_)
    assert status >= 400
    assert operation.refused(request_, answer)


def test_searches_that_find_nothing_are_refused(server):
    """An empty page of results may be full a minute later."""
    for name in ("serpapi", "google cse"):
        operation, *_, request = OPERATIONS[name]
        nothing = {**request, "q": "nothingness"}
        _, answer = asked(server, name, nothing)
        assert operation.refused(nothing, answer)
        assert operation.cost(nothing, answer, DAY) > 0


def test_sampled_answers_and_tools_are_kept_where_that_is_said(server):
    """A factory's argument allows what the plain operation refuses, and nothing else."""
    sampled = {**CHATTED, "temperature": 1, "n": 2}
    _, answer = asked(server, "chat", sampled)
    assert "chat(sampled=True)" in CHAT.refused(sampled, answer)
    assert chat(sampled=True).refused(sampled, answer) == ""
    assert CHAT.refused({**CHATTED, "temperature": 1, "seed": 3}, choice()) == ""
    calling = choice(message=CALL, finish_reason="tool_calls")
    assert chat(tools=True).refused(CHATTED, calling) == ""
    assert "calls tools" in chat(sampled=True).refused(CHATTED, calling)
    assert "cut off" in chat(sampled=True, tools=True).refused(
        CHATTED, choice(finish_reason="length")
    )
    used = output(output=[{"type": "web_search_call"}, *output()["output"]])
    assert responses(tools=True).refused(RESPONDED, used) == ""
    _, drawn = asked(server, "images")
    assert "images(sampled=True)" in IMAGES.refused(DRAWN, drawn)
    acted = {**SCRAPED, "actions": [{"type": "click", "selector": "#more"}]}
    page = {"success": True, "data": {"markdown": "m"}}
    assert scrape(actions=True).refused(acted, page) == ""
    assert SCRAPE.refused({**SCRAPED, "actions": [{"type": "wait", "milliseconds": 5}]}, page) == ""


def test_jobs_are_never_kept(server):
    """A crawl's start and status name a job; the last status tells what it cost."""
    status, started = providers.ask(server.url, "POST", "/v2/crawl", {"url": "https://example.com"})
    assert status == 200
    assert "names a job" in CRAWL_START.refused({"url": "https://example.com"}, started)
    assert not known(CRAWL_START.cost({}, started, DAY))
    request = {"id": started["id"]}
    _, done = providers.ask(server.url, "GET", f"/v2/crawl/{started['id']}", {})
    assert "names a job" in CRAWL_STATUS.refused(request, done)
    assert crawl_status(plan="growth").cost(request, done, DAY) == Decimal("0.001998")
    assert CRAWL_STATUS.cost(request, {**done, "status": "scraping"}, DAY) == 0
    assert key_of(CRAWL_STATUS, request) != key_of(CRAWL_STATUS, {"id": "another"})


# --- forms


@pytest.mark.parametrize(
    ("given_url", "same"),
    [
        ("http://EXAMPLE.com:80", "http://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://example.com/%7euser/%c3%a9", "https://example.com/~user/%C3%A9"),
        ("https://example.com/?a=1&a=2&b=&utm_id=3", "https://example.com/?a=1&a=2&b="),
        ("https://example.com/?b=1&a=1", "https://example.com/?b=1&a=1"),
        ("https://example.com/#top", "https://example.com/"),
        ("https://example.com/#!/home", "https://example.com/#!/home"),
        ("https://User:Pass@EXAMPLE.com/", "https://User:Pass@example.com/"),
        ("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]/x"),
        ("\thttps://exa\nmple.com/\r\n", "https://example.com/"),
        ("example.com/Path", "example.com/Path"),
        ("http://[broken", "http://[broken"),
        ("https://example.com:99999/", "https://example.com:99999/"),
        ("", ""),
    ],
)
def test_forms_of_addresses(given_url, same):
    """Addresses of one page have one form; what cannot be read stays as it is."""
    assert url(given_url) == same
    assert url(same) == same


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("  Best  CACHE ", "best cache"),
        ('"Exact Words"  x', '"exact words" x'),
        ("cats OR Dogs", "cats OR dogs"),
        ("cats or dogs", "cats or dogs"),
        ("Site:Example.com inTitle:Big", "Site:Example.com inTitle:Big"),
        ("a AROUND(3) B", "a AROUND(3) b"),
    ],
)
def test_forms_of_searches(query, same):
    """Blanks and capitals do not matter to Google, but in its operators."""
    assert google_query(query) == same


def test_plain_data_has_one_form():
    """1.0 is 1 and a tuple a list, but true is not 1, and no number or text is beyond MessagePack."""
    assert plain({"a": (1.0, True, 2.5, None)}) == {"a": [1, True, 2.5, None]}
    assert key_of(CHAT, {**CHATTED, "n": True}) != key_of(CHAT, {**CHATTED, "n": 1})
    assert key_of(CHAT, {**CHATTED, "logprobs": 1}) != key_of(CHAT, {**CHATTED, "logprobs": True})
    for odd in (2**64, -(2**63) - 1, "\ud800", float("nan"), 1e300, {"\udfff": 1}):
        assert digest(SECRET, "p", plain({"odd": odd}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from([
    "model", "messages", "input", "prompt", "url", "query", "q", "formats", "parsers", "actions",
    "headers", "sources", "scrapeOptions", "temperature", "n", "seed", "tools", "stop", "choices",
    "usage", "data", "output", "status", "error", "success", "links", "items", "results",
    "search_metadata", "content", "message", "delta", "finish_reason", "tool_calls", "creditsUsed",
    "metadata", "statusCode", "type", "response", "id", "proxy", "enterprise", "embedding",
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "extra_body",
])  # fmt: skip
OBJECTS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(NAMES, inner, max_size=6) | st.lists(inner, max_size=4),
    max_leaves=25,
)
REQUESTS = st.dictionaries(NAMES, OBJECTS, max_size=8)


@settings(max_examples=60, deadline=None)
@given(request=REQUESTS, response=OBJECTS | st.dictionaries(NAMES, OBJECTS, max_size=8))
def test_nothing_that_a_service_sends_raises(request, response):
    """Keys, costs and refusals stand any plain data: a strange answer never takes a caller down."""
    operations = [each[0] for each in OPERATIONS.values()]
    for operation in [
        *operations,
        IMAGES,
        CRAWL_START,
        CRAWL_STATUS,
        chat(sampled=True, tools=True),
    ]:
        assert key_of(operation, request) == key_of(operation, dict(reversed(request.items())))
        cost = operation.cost(request, response, DAY)
        assert cost.is_finite()
        assert cost >= 0
        assert isinstance(operation.refused(request, response), str)


def test_the_way_to_write_a_service_works():
    """The example in the package's docstring is right."""
    done = doctest.testmod(services)
    assert (done.failed, done.attempted > 8) == (0, True)
