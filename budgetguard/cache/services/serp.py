"""Search result pages: SerpApi and those that speak like it, and Google's Custom Search JSON API.

| operation | kept for | never kept, beside errors and searches that found nothing |
|---|---|---|
| SERPAPI | 6 hours | searches that are still queued or processing, and under `zero_trace` |
| GOOGLE_CSE | 6 hours | |

A request is the query of a GET: {"engine": "google", "q": ...}; numbers and their texts are the same. For
Google's engines neither blanks nor capitals of words in `q` matter, but those of OR, AND and operators do.
Left out of keys: API keys, `async`, what a client says of itself. In the key is `no_cache`, for who wants
fresh results must not get what was good enough for another.

A search has the price of the plan (`plan`: starter, developer, production, bigdata, searcher). SerpApi
counts searches that succeed, also those that find nothing; it does not count errors and what it has cached
itself, of which an answer tells only as the status Cached: others count as paid. Formats:
https://serpapi.com/search-api, https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.policy import Policy
from budgetguard.cache.prices import PRICES, PriceTable
from budgetguard.cache.services.normal import at, google_query, mappings, settled, words

_KEPT_S = 6 * 3_600.0
_IGNORED = frozenset({"api_key", "async", "source", "timeout"})
_DEFAULTS = {
    "engine": "google", "device": "desktop", "output": "json", "start": "0", "no_cache": "false",
    "google_domain": "google.com", "zero_trace": "false",
}  # fmt: skip
_CSE_IGNORED = frozenset(
    {
        "key",
        "access_token",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "userIp",
        "uploadType",
        "upload_protocol",
        "$.xgafv",
    }
)
_CSE_DEFAULTS = {"alt": "json", "num": "10", "start": "1", "safe": "off"}
_ABOUT = frozenset(
    {
        "search_metadata",
        "search_parameters",
        "search_information",
        "pagination",
        "serpapi_pagination",
        "error",
    }
)
_GOOGLE = frozenset({"google", "google_light"})


def serpapi(*, plan: str = "developer", prices: PriceTable = PRICES) -> Operation:
    """GET /search.json of SerpApi, of any engine."""

    def cost(_request: Request, response: Response, day: dt.date) -> Decimal:
        status = at(response, "search_metadata", "status")
        failed = status is None and at(response, "error")
        paid = isinstance(response, Mapping) and not failed and status not in ("Error", "Cached")
        return prices.cost(f"serpapi.search.{plan}", int(paid), day)

    return Operation(
        policy=Policy(name="serpapi.search", ttl_s=_KEPT_S),
        key=_serpapi_key,
        cost=cost,
        refused=_serpapi_refused,
    )


def google_cse(*, prices: PriceTable = PRICES) -> Operation:
    """GET /customsearch/v1 of Google; a query that finds nothing is paid for, too."""

    def cost(_request: Request, response: Response, day: dt.date) -> Decimal:
        paid = isinstance(response, Mapping) and not response.get("error")
        return prices.cost("google_cse.query", int(paid), day)

    return Operation(
        policy=Policy(name="google_cse.search", ttl_s=_KEPT_S),
        key=_cse_key,
        cost=cost,
        refused=_cse_refused,
    )


def _serpapi_key(request: Request) -> dict[str, Any]:
    key = settled(_texts(request), ignored=_IGNORED, defaults=_DEFAULTS)
    google = key.get("engine", "google") in _GOOGLE
    if "q" in key:
        key["q"] = google_query(key["q"]) if google else words(key["q"])
    return key


def _cse_key(request: Request) -> dict[str, Any]:
    key = settled(_texts(request), ignored=_CSE_IGNORED, defaults=_CSE_DEFAULTS)
    if "q" in key:
        key["q"] = google_query(key["q"])
    return key


def _texts(request: Request) -> dict[str, str]:
    """Parameters as an address has them; one without a value is left out."""
    return {str(name): _text(value) for name, value in request.items() if value not in (None, "")}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _serpapi_refused(request: Request, response: Response) -> str:
    if not isinstance(response, Mapping):
        return "the answer has no form of this API"
    status = at(response, "search_metadata", "status")
    if status not in (None, "Success", "Cached"):
        return f"the search is not done: {status}"
    if response.get("error"):
        return "the answer is an error, or has found nothing"
    if _text(request.get("zero_trace")) == "true":
        return "it was asked that no trace of it be left"
    if not any(value for name, value in response.items() if name not in _ABOUT):
        return "the answer is empty"
    return ""


def _cse_refused(_request: Request, response: Response) -> str:
    if not isinstance(response, Mapping):
        return "the answer has no form of this API"
    if response.get("error"):
        return "the answer is an error"
    return "" if mappings(response.get("items")) else "the answer is empty"


SERPAPI = serpapi()
GOOGLE_CSE = google_cse()
