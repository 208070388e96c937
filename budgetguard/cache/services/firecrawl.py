"""Firecrawl's API, versions 1 and 2: scrapes, searches, maps; and its jobs, which are never kept.

| operation | kept for | never kept, beside errors and empty answers |
|---|---|---|
| SCRAPE | 1 day | errors of the page, screenshots, change tracking, what followed actions on the page |
| SEARCH | 6 hours | |
| MAP | 1 day | |
| CRAWL_START, CRAWL_STATUS | never | they name a job, and tell how far it is |

Screenshots are links that expire after 24 hours. `scrape(actions=True)` keeps what followed actions, for
pages that need a click to show what is on them.
Nothing is kept of a request that asks for zero data retention.

An address is one whatever its capitals before the path, its default port, and what only tracks the reader
(utm_source). Left out of keys: timeout, storeInCache, integration, origin. In the key are `maxAge`, for who
wants a fresh page must not get what was good enough for another, and `headers`, for they may say who reads
it. A scrape by v1 is not one by v2: the same fields have other defaults.

An answer that tells its `creditsUsed` is priced by it, any other by https://docs.firecrawl.dev/billing.
A credit has the price of the plan (`plan`: hobby, standard, growth, scale). Formats:
https://docs.firecrawl.dev/api-reference.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.policy import Policy
from budgetguard.cache.prices import PRICES, UNKNOWN, PriceTable
from budgetguard.cache.services.firecrawl_answers import (
    error,
    formats,
    scrape_reasons,
    scraped,
    search_reasons,
    searched,
)
from budgetguard.cache.services.normal import (
    at,
    first,
    number,
    ordered,
    settled,
    url,
    words,
)

Version = Literal["v1", "v2"]
_HOUR_S = 3_600.0
_LARGEST_PAGE_BYTES = 8 << 20
_IGNORED = frozenset({"timeout", "storeInCache", "integration", "origin", "apiKey", "api_key"})
_PAGE = {
    "formats": [{"type": "markdown"}], "onlyMainContent": True, "waitFor": 0, "mobile": False,
    "removeBase64Images": True, "blockAds": True, "zeroDataRetention": False,
}  # fmt: skip
_OPTIONS: dict[str, dict[str, Any]] = {
    "v1": {**_PAGE, "maxAge": 0, "skipTlsVerification": False, "parsePDF": True, "proxy": "basic"},
    "v2": {
        **_PAGE, "maxAge": 172_800_000, "skipTlsVerification": True, "parsers": [{"type": "pdf"}],
        "proxy": "auto",
    },
}  # fmt: skip
_MAP: dict[str, dict[str, Any]] = {
    "v1": {"ignoreSitemap": True, "sitemapOnly": False, "includeSubdomains": True, "limit": 5000},
    "v2": {
        "sitemap": "include", "includeSubdomains": True, "ignoreQueryParameters": True,
        "ignoreCache": False, "limit": 5000,
    },
}  # fmt: skip
_LISTS = frozenset({"formats", "parsers", "includeTags", "excludeTags"})
"""Whose order does not matter."""
_SEARCH = {"sources": [{"type": "web"}], "ignoreInvalidURLs": False}


def scrape(
    *,
    api: Version = "v2",
    actions: bool = False,
    plan: str = "standard",
    prices: PriceTable = PRICES,
) -> Operation:
    """POST /scrape; `actions` keeps what followed clicks and the like."""

    def refused(request: Request, response: Response) -> str:
        return first(scrape_reasons(request, response, actions=actions))

    return Operation(
        policy=Policy(
            name=f"firecrawl.{api}.scrape{'+actions' * actions}",
            ttl_s=24 * _HOUR_S,
            max_value_bytes=_LARGEST_PAGE_BYTES,
        ),
        key=lambda request: _page(request, api),
        cost=_credits(scraped, plan, prices),
        refused=refused,
    )


def search(
    *, api: Version = "v2", plan: str = "standard", prices: PriceTable = PRICES
) -> Operation:
    """POST /search, with or without scrapes of what is found."""

    def refused(request: Request, response: Response) -> str:
        return first(search_reasons(request, response))

    return Operation(
        policy=Policy(
            name=f"firecrawl.{api}.search", ttl_s=6 * _HOUR_S, max_value_bytes=_LARGEST_PAGE_BYTES
        ),
        key=lambda request: _search_key(request, api),
        cost=_credits(searched, plan, prices),
        refused=refused,
    )


def site_map(
    *, api: Version = "v2", plan: str = "standard", prices: PriceTable = PRICES
) -> Operation:
    """POST /map: the addresses of a site."""
    return Operation(
        policy=Policy(
            name=f"firecrawl.{api}.map", ttl_s=24 * _HOUR_S, max_value_bytes=_LARGEST_PAGE_BYTES
        ),
        key=lambda request: _with_address(settled(request, ignored=_IGNORED, defaults=_MAP[api])),
        cost=_credits(lambda _request, _response: Decimal(1), plan, prices),
        refused=lambda _request, response: (
            error(response) or ("" if at(response, "links") else "the answer is empty")
        ),
    )


def crawl_start(*, api: Version = "v2") -> Operation:
    """POST /crawl: never kept. Its cost is unknown when it starts; the last status tells it."""
    return _job(f"firecrawl.{api}.crawl_start", lambda _request, _response, _day: UNKNOWN)


def crawl_status(
    *, api: Version = "v2", plan: str = "standard", prices: PriceTable = PRICES
) -> Operation:
    """GET /crawl/{id}, as the request {"id": ...}: never kept.

    The job's credits are the cost of the answer that says it is completed; who asks again after that counts
    them again.
    """

    def cost(_request: Request, response: Response, day: dt.date) -> Decimal:
        used = number(at(response, "creditsUsed"))
        if at(response, "status") != "completed" or used is None:
            return Decimal(0)
        return prices.cost(f"firecrawl.credit.{plan}", used, day)

    return _job(f"firecrawl.{api}.crawl_status", cost)


def _job(name: str, cost: Callable[[Request, Response, dt.date], Decimal]) -> Operation:
    return Operation(
        policy=Policy(name=name, ttl_s=1.0),
        key=lambda request: _with_address(settled(request)),
        cost=cost,
        refused=lambda _request, _response: "it names a job, which goes on",
    )


def _credits(
    listed: Callable[[Request, Response], Decimal], plan: str, prices: PriceTable
) -> Callable[[Request, Response, dt.date], Decimal]:
    """The cost by the credits that an answer tells, else by those that are listed for it."""

    def cost(request: Request, response: Response, day: dt.date) -> Decimal:
        told = at(response, "creditsUsed"), at(response, "data", "metadata", "creditsUsed")
        used = next((found for found in map(number, told) if found is not None), None)
        if used is None:
            used = Decimal(0) if error(response) else listed(request, response)
        return prices.cost(f"firecrawl.credit.{plan}", used, day)

    return cost


def _page(request: Request, api: Version) -> dict[str, Any]:
    return _with_address(_options(request, api))


def _search_key(request: Request, api: Version) -> dict[str, Any]:
    given = {name: value for name, value in request.items() if value is not None}
    for name in ("sources", "categories"):
        if name in given:
            given[name] = ordered(formats(given[name]))
    key = settled(given, ignored=_IGNORED, defaults=_SEARCH)
    if isinstance(key.get("query"), str):
        key["query"] = words(key["query"])
    if isinstance(key.get("scrapeOptions"), Mapping):
        key["scrapeOptions"] = _options(key["scrapeOptions"], api)
    return key


def _options(request: Mapping[str, Any], api: Version) -> dict[str, Any]:
    """What decides how a page is scraped."""
    given = {name: value for name, value in request.items() if value is not None}
    for name in _LISTS & given.keys():
        given[name] = ordered(formats(given[name]))
    if isinstance(given.get("headers"), Mapping):
        given["headers"] = {str(name).lower(): value for name, value in given["headers"].items()}
    return settled(given, ignored=_IGNORED, defaults=_OPTIONS[api])


def _with_address(key: dict[str, Any]) -> dict[str, Any]:
    if isinstance(key.get("url"), str):
        key["url"] = url(key["url"])
    return key


SCRAPE = scrape()
SEARCH = search()
MAP = site_map()
CRAWL_START = crawl_start()
CRAWL_STATUS = crawl_status()
