"""The three outside services over HTTP: SerpApi's search, Firecrawl's scraper, OpenAI's chat."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from budgetguard.cache import Cache
from content_app.caching import SCRAPE, SEARCH, WRITE
from content_app.settings import Settings

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 30.0
MAX_PAGE_CHARS = 200_000


class ProviderError(Exception):
    """An outside service failed; the message names the service and never holds a key."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service}: {reason}")


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One organic search result."""

    position: int
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text and the tokens it was billed at."""

    text: str
    tokens: int


class Providers:
    """The clients of one running app; a method is one HTTP request, or none where its answer is kept."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient, answers: Cache) -> None:
        self._settings = settings
        self._client = client
        self._answers = answers

    async def search(self, keyword: str, limit: int) -> list[SearchHit]:
        """The first organic results for a keyword."""
        service = self._settings.search
        query = {"engine": "google", "q": keyword, "num": limit}

        async def ask() -> Any:
            url, keyed = f"{service.base_url}/search.json", {**query, "api_key": service.api_key}
            return await self._call("search", "GET", url, params=keyed)

        answer = await self._answers.acall(SEARCH, query, ask)
        with _expecting("search"):
            hits = enumerate(answer["organic_results"][:limit], start=1)
            return [SearchHit(position, hit["title"], hit["link"]) for position, hit in hits]

    async def scrape(self, url: str) -> str:
        """The main content of a page as Markdown, cut at `MAX_PAGE_CHARS`."""
        service = self._settings.scrape
        body = {"url": url, "formats": ["markdown"], "onlyMainContent": True}

        async def ask() -> Any:
            url = f"{service.base_url}/v2/scrape"
            return await self._call("scrape", "POST", url, key=service.api_key, json=body)

        answer = await self._answers.acall(SCRAPE, body, ask)
        with _expecting("scrape"):
            return str(answer["data"]["markdown"])[:MAX_PAGE_CHARS]

    async def complete(self, instructions: str, request: str) -> Completion:
        """Text for a request, written under the given instructions."""
        service = self._settings.text
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": request},
        ]
        body = {"model": self._settings.text_model, "messages": messages}

        async def ask() -> Any:
            url = f"{service.base_url}/v1/chat/completions"
            return await self._call("text", "POST", url, key=service.api_key, json=body)

        answer = await self._answers.acall(WRITE, body, ask)
        with _expecting("text"):
            text = answer["choices"][0]["message"]["content"]
            return Completion(str(text), int(answer["usage"]["total_tokens"]))

    async def _call(
        self, service: str, method: str, url: str, key: str | None = None, **options: Any
    ) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            response = await self._client.request(method, url, headers=headers, **options)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPStatusError as error:
            # The error's own text holds the URL, and SerpApi's URL holds the key.
            raise ProviderError(service, f"HTTP {error.response.status_code}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderError(service, type(error).__name__) from None


@asynccontextmanager
async def connect(settings: Settings, answers: Cache) -> AsyncIterator[Providers]:
    """Clients that share one connection pool, closed at the end of the block."""
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(timeout=timeout, verify=_tls_context()) as client:
        yield Providers(settings, client, answers)


@cache
def _tls_context() -> ssl.SSLContext:
    # Reading the certificates is slow, and the same for every client.
    return httpx.create_ssl_context()


@contextmanager
def _expecting(service: str) -> Iterator[None]:
    """Turn an answer of another shape into an error of its service."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProviderError(service, f"unexpected answer, {error!r}") from None
