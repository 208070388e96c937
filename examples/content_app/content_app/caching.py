"""What this app keeps so that it neither pays nor computes twice: providers' answers, and read queries."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from budgetguard.cache import Cache, Operation, Policy, open_cache
from budgetguard.cache.services import firecrawl, openai, serp
from content_app.settings import CacheSettings

SEARCH: Operation = serp.serpapi()
SCRAPE: Operation = firecrawl.scrape()
# The texts differ each time, and any of them is as good: the same wish is not paid for twice.
WRITE: Operation = openai.chat(sampled=True)

# Invalidated by every write; the life is the bound where another process writes past us. A query runs in
# its caller's session, so that none may be refreshed later: nothing is early, nothing is stale.
READS = Policy(name="reads", ttl_s=60, early=0)

CLEAN_EVERY_S = 3600.0
PROJECT_LISTS = "project lists"
"""The tag of all lists of projects, which tell how many articles each holds."""
_STALE = "tags that a commit makes stale"


@dataclass(frozen=True, slots=True)
class Caches:
    """The two caches of one running app."""

    answers: Cache
    """Of the paid services: in memory and wherever the settings say, with a ledger."""
    reads: Cache
    """Of read queries: in memory, and in Redis if there is one; never in a database beside the database."""

    def close(self) -> None:
        """Write the ledger and give back connections."""
        self.answers.close()
        self.reads.close()


def open_caches(settings: CacheSettings) -> Caches:
    """Open both; nothing is connected to before it is needed."""
    shared = [url for url in settings.urls if "sql" not in url.partition(":")[0]]
    return Caches(
        open_cache(*settings.urls, ledger=settings.ledger, clean_every_s=CLEAN_EVERY_S),
        open_cache(*shared, namespace="content_app_reads"),
    )


def makes_stale(session: Session, *tags: str) -> None:
    """What has one of these tags is given up when the session commits, and not when it rolls back."""
    session.info.setdefault(_STALE, set()).update(tags)


def after_commit(reads: Cache) -> Callable[[Session], None]:
    """The listener that gives up what a commit has made stale, before its caller is answered."""

    def give_up(session: Session) -> None:
        tags: Iterable[str] = session.info.pop(_STALE, ())
        if tags:
            reads.invalidate_tags(*tags)

    return give_up


def after_rollback(session: Session) -> None:
    """The listener for a session whose writes have come to nothing."""
    session.info.pop(_STALE, None)


def of_project(project_id: int) -> str:
    """The tag of what is shown of a project."""
    return f"project:{project_id}"
