"""Text analysis: the right numbers, in little memory and without getting slower."""

from typing import Any

import pytest
from content_app import sample_text
from content_app.analysis import Term, analyse, shared_terms
from content_app.providers import MAX_PAGE_CHARS

CATS = "# Cats\n\nThe cat sat on the mat. The black cat ran. Black cats nap."


@pytest.fixture
def long_page() -> str:
    """A page as long as the scraper lets one be."""
    pages = [sample_text.page("raised beds", position).markdown for position in range(1, 71)]
    return "".join(pages)[:MAX_PAGE_CHARS]


def test_a_short_text_is_counted_exactly() -> None:
    """Words, headings, density and terms are those a reader counts by hand."""
    result = analyse(CATS, "cat", top=3)
    assert result.words == 14
    assert result.headings == ("Cats",)
    assert result.keyword_density == pytest.approx(2 / 14, abs=1e-4)
    assert result.terms == (Term("black", 2), Term("cat", 2), Term("cats", 2))


@pytest.mark.parametrize(
    ("keyword", "density"),
    [("black cats", 0.1429), ("BLACK   cats", 0.1429), ("ca", 0.0), ("dogs", 0.0), (" ", 0.0)],
    ids=["lower", "spaced", "part", "absent", "blank"],
)
def test_the_keyword_counts_as_whole_words(keyword: str, density: float) -> None:
    """Case and spacing do not matter; a part of a word is no hit."""
    assert analyse(CATS, keyword).keyword_density == density


def test_an_empty_text_is_all_zero() -> None:
    """A page without words is no error."""
    result = analyse("", "cat")
    assert (result.words, result.readability, result.terms) == (0, 0.0, ())


def test_short_words_read_more_easily_than_long_ones() -> None:
    """Readability orders texts as Flesch does."""
    easy = analyse("The cat sat. The dog ran.", "cat")
    hard = analyse("Comprehensive organisational considerations necessitate deliberation.", "cat")
    assert easy.readability > 90 > 0 > hard.readability


def test_shared_terms_add_up_over_the_texts() -> None:
    """The terms of several texts are counted together."""
    texts = [analyse("garden garden beds", "beds"), analyse("garden soil", "soil")]
    assert shared_terms(texts, top=1) == (Term("garden", 3),)


@pytest.mark.budget("peak <= 200 kB", "allocations <= baseline + 2%")
def test_a_long_page_needs_little_memory(long_page: str) -> None:
    """Memory follows the vocabulary of a page, not its length."""
    assert analyse(long_page, "raised beds").words > 25_000


@pytest.mark.budget("time <= baseline + 5%")
def test_analysis_keeps_its_speed(benchmark: Any) -> None:
    """Studying a competing page gets no slower than it was."""
    page = sample_text.page("raised beds", 1).markdown
    assert benchmark(analyse, page, "raised beds").words > 400
