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
class Settings:
    """Everything the app is told from outside."""

    database_url: str
    search: ProviderSettings
    scrape: ProviderSettings
    text: ProviderSettings
    text_model: str = "gpt-4o-mini"


def from_environment() -> Settings:
    """Read the settings; without provider variables the real services are meant."""
    return Settings(
        database_url=os.environ.get("DATABASE_URL", DEFAULT_DATABASE_URL),
        search=_provider("SERP", "https://serpapi.com"),
        scrape=_provider("FIRECRAWL", "https://api.firecrawl.dev"),
        text=_provider("OPENAI", "https://api.openai.com"),
        text_model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
    )


def offline(database_url: str, providers_url: str) -> Settings:
    """The settings of a demo or a test: one local server speaks for all three providers."""
    local = ProviderSettings(providers_url, "local-key")
    return Settings(database_url, search=local, scrape=local, text=local)


def _provider(prefix: str, default_url: str) -> ProviderSettings:
    base_url = os.environ.get(f"{prefix}_BASE_URL", default_url).rstrip("/")
    return ProviderSettings(base_url, os.environ.get(f"{prefix}_API_KEY", ""))
