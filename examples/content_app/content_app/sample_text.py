"""Deterministic prose about any keyword, for the local providers and the demo data."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OPENERS = (
    "Most people start with", "A good plan for", "The honest answer about", "What experts say of",
    "A short history of", "The hidden cost of", "Every guide to", "The first week with",
)  # fmt: skip
_VERBS = (
    "depends on", "rewards", "begins with", "grows out of", "asks for", "improves with",
    "is easier than", "often hides",
)  # fmt: skip
_OBJECTS = (
    "steady practice", "a clear budget", "the right tools", "patient planning", "good light",
    "a reliable supplier", "small daily habits", "simple measurements", "fresh material",
    "an honest comparison", "careful preparation", "the weather of the season",
)  # fmt: skip
_TAILS = (
    "and nobody regrets it", "even on a busy day", "once the basics are in place",
    "although opinions differ", "which saves time later", "if you keep notes",
    "before the real work begins", "and the results show it",
)  # fmt: skip
_HEADINGS = (
    "What is {keyword}", "Why {keyword} matters", "How to choose {keyword}",
    "Common mistakes with {keyword}", "The price of {keyword}", "{keyword} step by step",
    "Questions about {keyword}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A page as a scraper would find it."""

    url: str
    title: str
    markdown: str


def page(keyword: str, position: int) -> SamplePage:
    """The page at a position of the search results; the same arguments give the same page."""
    source = random.Random(f"page/{keyword}/{position}")
    headings = [_title(text, keyword) for text in source.sample(_HEADINGS, 4)]
    title = f"{headings[0]}: guide no. {position}"
    slug = keyword.lower().replace(" ", "-")
    url = f"https://site-{position}.example/{slug}"
    return SamplePage(url, title, f"# {title}\n\n" + sections(keyword, headings, source))


def questions(keyword: str) -> list[str]:
    """What people also ask."""
    return [f"How long does {keyword} take?", f"Is {keyword} worth the money?"]


def sections(keyword: str, headings: Sequence[str], source: random.Random) -> str:
    """Markdown with two paragraphs under each heading."""
    parts: list[str] = []
    for heading in headings:
        parts.append(f"## {heading}")
        parts.extend(" ".join(_sentences(keyword, source, count=4)) for _ in range(2))
    return "\n\n".join(parts) + "\n"


def _sentences(keyword: str, source: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        opener, verb = source.choice(_OPENERS), source.choice(_VERBS)
        yield f"{opener} {keyword} {verb} {source.choice(_OBJECTS)}, {source.choice(_TAILS)}."


def _title(template: str, keyword: str) -> str:
    text = template.format(keyword=keyword)
    return text[0].upper() + text[1:]
