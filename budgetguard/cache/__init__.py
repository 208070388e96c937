"""Three tiers of caching behind one small API: memory, Redis or Valkey, and SQLite or PostgreSQL.

    from budgetguard.cache import Policy, open_cache

    cache = open_cache("memory://64MiB", "redis://127.0.0.1:6379/0", "sqlite:///cache.db")
    ARTICLE = Policy(name="article", ttl_s=3600, stale_s=600)
    article = cache.get_or_load(article_id, lambda: fetch(article_id), policy=ARTICLE, tags=["news"])

Any subset of tiers works; one that is down is left out until it answers again.
"""

from budgetguard.cache.access_log import AccessLog
from budgetguard.cache.cache import Cache
from budgetguard.cache.counts import Health, PolicyStats
from budgetguard.cache.decorator import cached
from budgetguard.cache.entry import Entry
from budgetguard.cache.making import NOT_MODIFIED
from budgetguard.cache.misses import DeadlineExceeded
from budgetguard.cache.opening import open_cache
from budgetguard.cache.operation import Operation
from budgetguard.cache.policy import Place, Policy

__all__ = [
    "NOT_MODIFIED",
    "AccessLog",
    "Cache",
    "DeadlineExceeded",
    "Entry",
    "Health",
    "Operation",
    "Place",
    "Policy",
    "PolicyStats",
    "cached",
    "open_cache",
]
