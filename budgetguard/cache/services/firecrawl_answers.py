"""Answers of Firecrawl's API: what they hold, what they cost in credits, and why not to keep them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from budgetguard.cache.operation import Request, Response
from budgetguard.cache.services.normal import at, mappings, number, plain

_NO_PARTS = frozenset({"metadata", "warning"})
_HARMLESS = frozenset({"wait", "scroll", "scrape", "screenshot", "pdf"})


def formats(values: Any) -> list[Any]:
    """A format may be written as a word, or as an object with that type."""
    listed = values if isinstance(values, list | tuple) else [values]
    return [{"type": each} if isinstance(each, str) else plain(each) for each in listed]


def scraped(request: Request, response: Response) -> Decimal:
    """The credits of one page."""
    kinds = [at(each, "type") for each in formats(request.get("formats"))]
    extracted = "json" in kinds or "extract" in kinds
    pages = number(at(response, "data", "metadata", "numPages")) or Decimal(1)
    proxy = at(response, "data", "metadata", "proxyUsed") or request.get("proxy")
    stealth = proxy in ("stealth", "enhanced")
    extra = 4 * extracted + 4 * stealth + (request.get("zeroDataRetention") is True)
    return (Decimal(1) if request.get("parsers") == [] else max(pages, Decimal(1))) + extra


def searched(request: Request, response: Response) -> Decimal:
    """2 credits for each 10 results that have been begun, and those of pages that were scraped."""
    found = results(response)
    base = Decimal(2 * max(1, -(-len(found) // 10)))
    options = request.get("scrapeOptions")
    if not isinstance(options, Mapping) or not options.get("formats"):
        return base
    return base + sum((scraped(options, {"data": page}) for page in found), start=Decimal(0))


def error(response: Response) -> str:
    """Some errors come with HTTP 200."""
    if not isinstance(response, Mapping):
        return "the answer has no form of this API"
    if response.get("success") is not True or response.get("error"):
        code = response.get("code")
        return f"the answer is an error{f', {code}' if isinstance(code, str) else ''}"
    return ""


def results(response: Response) -> list[Mapping[str, Any]]:
    """What a search has found: a list, or in version 2 a list for each kind of source."""
    data = at(response, "data")
    kinds = data.values() if isinstance(data, Mapping) else (data,)
    return [result for kind in kinds for result in mappings(kind)]


def _private(request: Request) -> bool:
    enterprise = request.get("enterprise")
    listed = enterprise if isinstance(enterprise, list) else []
    return request.get("zeroDataRetention") is True or "zdr" in listed or "anon" in listed


def search_reasons(request: Request, response: Response) -> Iterator[str]:
    """Why what was found may not be kept."""
    yield error(response)
    if _private(request):
        yield "it was asked that nothing of it be retained"
    if not results(response):
        yield "the answer is empty"


def scrape_reasons(request: Request, response: Response, *, actions: bool) -> Iterator[str]:
    """Why a page may not be kept."""
    yield error(response)
    if _private(request):
        yield "it was asked that nothing of it be retained"
    page, status = at(response, "data"), number(at(response, "data", "metadata", "statusCode"))
    if status is not None and status >= 400:
        yield f"the page answered with {status}"
    if at(page, "metadata", "error"):
        yield "the page answered with an error"
    if not isinstance(page, Mapping) or not any(
        page[name] for name in page if name not in _NO_PARTS
    ):
        yield "the answer is empty"
    if at(page, "screenshot") or at(page, "actions", "screenshots"):
        yield "links to screenshots expire after 24 hours"
    if at(page, "changeTracking"):
        yield "it tells what has changed since the last time"
    if not actions and any(_acts(step) for step in _steps(request)):
        yield "it followed actions on the page; scrape(actions=True) keeps such"


def _steps(request: Request) -> list[Any]:
    steps = request.get("actions")
    return steps if isinstance(steps, list) else []


def _acts(step: Any) -> bool:
    kind = at(step, "type")
    return not (isinstance(kind, str) and kind in _HARMLESS)
