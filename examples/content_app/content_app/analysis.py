"""Reading a text: how long, how readable, how often the keyword, which terms stand out."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_VOWELS = re.compile(r"[aeiouy]+")
_STOP_TEXT = """
a about an and are as at be but by for from has have how if in into is it its not of on or
than that the their this to was what when which who why will with you your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a pair of words, and how often it stands in the text."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """One text in numbers; the density is a ratio of words, the readability is Flesch's."""

    words: int
    readability: float
    keyword_density: float
    headings: tuple[str, ...]
    terms: tuple[Term, ...]


def analyse(text: str, keyword: str, top: int = 10) -> TextAnalysis:
    """Read one text; `top` is how many terms are kept."""
    words = Counter(_words(text))
    total = words.total()
    return TextAnalysis(
        words=total,
        readability=round(_flesch(words, _count(_SENTENCE_END, text)), 1),
        keyword_density=round(_keyword_share(text, keyword, total), 4),
        headings=tuple(match[1] for match in _HEADING.finditer(text)),
        terms=_top_terms(words, Counter(_pairs(text)), top),
    )


def shared_terms(texts: Sequence[TextAnalysis], top: int = 10) -> tuple[Term, ...]:
    """The terms that stand out over several texts, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({term.text: term.count for term in text.terms})
    return _ranked(counts, top)


def _words(text: str) -> Iterator[str]:
    # Word by word, never as a list: the memory then follows the vocabulary, not the length.
    return (match[0].lower() for match in _WORD.finditer(text))


def _pairs(text: str) -> Iterator[str]:
    return (
        f"{first} {second}"
        for first, second in pairwise(_words(text))
        if first not in _STOP_WORDS and second not in _STOP_WORDS
    )


def _top_terms(words: Counter[str], pairs: Counter[str], top: int) -> tuple[Term, ...]:
    telling = Counter({word: n for word, n in words.items() if word not in _STOP_WORDS})
    telling.update({pair: n for pair, n in pairs.items() if n > 1})
    return _ranked(telling, top)


def _ranked(counts: Counter[str], top: int) -> tuple[Term, ...]:
    # The text breaks ties, so that the order never depends on what was read first.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Term(text, count) for text, count in ranked[:top])


def _keyword_share(text: str, keyword: str, total: int) -> float:
    if not total or not keyword.strip():
        return 0.0
    phrase = r"\s+".join(re.escape(word) for word in keyword.split())
    found = _count(re.compile(rf"\b{phrase}\b", re.IGNORECASE), text)
    return found * len(keyword.split()) / total


def _flesch(words: Counter[str], sentences: int) -> float:
    """Flesch reading ease (Flesch 1948): 100 is easy, 0 is hard."""
    total = words.total()
    if not total:
        return 0.0
    syllables = sum(_syllables(word) * count for word, count in words.items())
    return 206.835 - 1.015 * total / max(sentences, 1) - 84.6 * syllables / total


def _syllables(word: str) -> int:
    groups = _count(_VOWELS, word)
    silent = word.endswith("e") and not word.endswith("le") and groups > 1
    return max(groups - silent, 1)


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))
