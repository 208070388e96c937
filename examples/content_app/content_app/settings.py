"""What the environment decides: which database, which providers, which keys."""

import os
from dataclasses import dataclass, field

DEFAULT_DATABASE_URL = "sqlite:///content.db"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where one outside service answers, and the key it wants; the key never shows in a repr."""

    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where answers are kept, and where it is written down what they cost and saved."""

    urls: tuple[str, ...] = field(default=("memory://32MiB",), repr=False)
    ledger: str | None = None
    preload: bool = False
    """Whether the dashboards that are visited most are computed when the app starts."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the app is told from outside."""

    database_url: str
    search: ProviderSettings
    scrape: ProviderSettings
    text: ProviderSettings
    text_model: str = "gpt-4o-mini"
    cache: CacheSettings = CacheSettings()


def from_environment() -> Settings:
    """Read the settings; without provider variables the real services are meant."""
    database_url = os.environ.get("DATABASE_URL", DEFAULT_DATABASE_URL)
    return Settings(
        database_url=database_url,
        search=_provider("SERP", "https://serpapi.com"),
        scrape=_provider("FIRECRAWL", "https://api.firecrawl.dev"),
        text=_provider("OPENAI", "https://api.openai.com"),
        text_model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        cache=_cache(database_url),
    )


def offline(database_url: str, providers_url: str) -> Settings:
    """The settings of a demo or a test: one local server speaks for all three providers."""
    local = ProviderSettings(providers_url, "local-key")
    return Settings(database_url, search=local, scrape=local, text=local)


def _cache(database_url: str) -> CacheSettings:
    """What `CACHE_URLS` says; else memory, and a file beside a database that is a file."""
    given = os.environ.get("CACHE_URLS", "").split()
    urls = given or list(CacheSettings().urls)
    if not given and database_url.startswith("sqlite:///"):
        urls.append(f"{database_url.removesuffix('.db')}.cache.db")
    ledger = os.environ.get("CACHE_LEDGER") or None
    return CacheSettings(tuple(urls), ledger, preload=True)


def _provider(prefix: str, default_url: str) -> ProviderSettings:
    base_url = os.environ.get(f"{prefix}_BASE_URL", default_url).rstrip("/")
    return ProviderSettings(base_url, os.environ.get(f"{prefix}_API_KEY", ""))
