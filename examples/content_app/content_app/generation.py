"""From a keyword to a stored article: search, scrape, study, outline, write, store."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from anyio import create_task_group, to_thread
from sqlalchemy.orm import Session

from content_app.analysis import Term, TextAnalysis, analyse, shared_terms
from content_app.caching import PROJECT_LISTS, makes_stale, of_project
from content_app.models import Article, CompetingPage, SearchAnalysis
from content_app.providers import Completion, Providers, SearchHit

COMPETITORS = 3
MAX_SECTIONS = 6
_INSTRUCTIONS = "You write clear, useful web articles in Markdown, one section per heading."


@dataclass(frozen=True, slots=True)
class Research:
    """What the pages that rank for a keyword have in common."""

    keyword: str
    hits: tuple[SearchHit, ...]
    pages: tuple[TextAnalysis, ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An article that is not stored yet."""

    research: Research
    title: str
    text: str
    analysis: TextAnalysis
    tokens: int


async def write_draft(providers: Providers, keyword: str) -> Draft:
    """Generate an article: one search, one scrape per competitor, one completion."""
    hits = await providers.search(keyword, limit=COMPETITORS)
    texts = await _scrape_all(providers, hits)
    # Counting words is work for a thread: the event loop keeps answering others meanwhile.
    research = await to_thread.run_sync(study, keyword, hits, texts)
    completion = await providers.complete(_INSTRUCTIONS, _request(research))
    return await to_thread.run_sync(finish, research, completion)


def study(keyword: str, hits: Sequence[SearchHit], texts: Sequence[str]) -> Research:
    """Analyse the competing pages; `texts` stand in the order of `hits`."""
    pages = tuple(analyse(text, keyword) for text in texts)
    return Research(keyword, tuple(hits), pages, shared_terms(pages))


def outline(research: Research) -> list[str]:
    """The headings to write: those that most competitors have, then in the order of the results."""
    counts: dict[str, int] = {}
    for page in research.pages:
        for heading in page.headings[1:]:  # the first one is the page's own title
            counts[heading] = counts.get(heading, 0) + 1
    ranked = sorted(counts, key=lambda heading: -counts[heading])
    return ranked[:MAX_SECTIONS] or [f"About {research.keyword}"]


def finish(research: Research, completion: Completion) -> Draft:
    """Make the generated text an article with a title."""
    analysis = analyse(completion.text, research.keyword)
    title = f"{research.keyword[:1].upper()}{research.keyword[1:]}: a practical guide"
    return Draft(research, title, completion.text, analysis, completion.tokens)


def store(session: Session, project_id: int, draft: Draft) -> Article:
    """Add the article with the search analysis it came from."""
    search = SearchAnalysis(
        project_id=project_id,
        keyword=draft.research.keyword,
        terms=[asdict(term) for term in draft.research.terms],
        pages=[
            CompetingPage(
                position=hit.position,
                url=hit.url,
                title=hit.title,
                words=page.words,
                readability=page.readability,
                keyword_density=page.keyword_density,
            )
            for hit, page in zip(draft.research.hits, draft.research.pages, strict=True)
        ],
    )
    article = Article(
        project_id=project_id,
        search=search,
        title=draft.title,
        body=draft.text,
        words=draft.analysis.words,
        readability=draft.analysis.readability,
        tokens=draft.tokens,
    )
    session.add(article)
    makes_stale(session, of_project(project_id), PROJECT_LISTS)
    session.flush()
    return article


async def _scrape_all(providers: Providers, hits: Sequence[SearchHit]) -> list[str]:
    """Scrape every page at once: the slowest one decides how long it takes, not their sum."""
    texts = [""] * len(hits)

    async def scrape(index: int) -> None:
        texts[index] = await providers.scrape(hits[index].url)

    try:
        async with create_task_group() as tasks:
            for index in range(len(hits)):
                tasks.start_soon(scrape, index)
    except ExceptionGroup as group:
        # One failure is reason enough, and easier to answer with than a group of them.
        raise group.exceptions[0] from None
    return texts


def _request(research: Research) -> str:
    headings = "\n".join(f"- {heading}" for heading in outline(research))
    terms = ", ".join(term.text for term in research.terms)
    return f'Write about "{research.keyword}". Mention: {terms}.\nSections:\n{headings}'
