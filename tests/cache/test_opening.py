"""A cache is opened by the URLs of its tiers, and says what is wrong with one."""

import secrets

import psycopg
import pytest

from budgetguard.cache import Policy, open_cache
from budgetguard.errors import UsageError

ARTICLE = Policy(name="article", ttl_s=60)


def test_a_file_has_a_secret_beside_it(tmp_path, monkeypatch):
    """Made once, for its owner alone; another cache of the file reads what the first has written."""
    monkeypatch.delenv("BUDGETGUARD_CACHE_SECRET", raising=False)
    url = f"sqlite:///{tmp_path}/cache.db"
    for _ in range(2):
        cache = open_cache("memory://1MiB?evict=lru", url)
        assert cache.get_or_load("k", lambda: [1], policy=ARTICLE) == [1]
        assert cache.entry("k", policy=ARTICLE).value == [1]
        cache.close()
    assert cache.stats()["article"].hits["sql"] == 1
    assert (tmp_path / "cache.db.secret").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir() if "secret" in file.name) == [
        "cache.db.secret"
    ]


def test_three_tiers(tmp_path, redis_url):
    """What only the slowest has is kept in the faster ones, too."""
    urls, secret = (redis_url, f"sqlite:///{tmp_path}/cache.db"), "0123456789abcdef"
    first = open_cache(*urls, secret=secret)
    first.get_or_load("k", lambda: {"a": 1}, policy=ARTICLE, tags=["t"])
    first._links[0].tier.clear()
    places = []
    for _ in range(2):
        cache = open_cache(*urls, secret=secret)
        assert cache.get_or_load("k", list, policy=ARTICLE, tags=["t"]) == {"a": 1}
        places += cache.stats()["article"].hits
        cache.close()
    assert places == ["sql", "redis"]
    first.invalidate_tags("t")
    cache = open_cache(*urls, secret=secret)
    assert cache.get_or_load("k", lambda: "new", policy=ARTICLE, tags=["t"]) == "new"
    cache.close()
    first.close()


def test_postgresql_behind_memory(postgres_url):
    """What one process has loaded another finds there; an invalidation takes it from both."""
    secret, namespace = "0123456789abcdef", f"t{secrets.token_hex(4)}"
    first, other = (
        open_cache("memory://1MiB", postgres_url, secret=secret, namespace=namespace)
        for _ in range(2)
    )
    try:
        assert first.get_or_load("k", lambda: {"a": 1}, policy=ARTICLE, tags=["t"]) == {"a": 1}
        assert other.get_or_load("k", list, policy=ARTICLE, tags=["t"]) == {"a": 1}
        assert other.stats()["article"].hits == {"sql": 1}
        first.invalidate_tags("t")
        assert first.get_or_load("k", lambda: "new", policy=ARTICLE, tags=["t"]) == "new"
        assert other.entry("k", policy=ARTICLE, tags=["t"]) is not None
    finally:
        first.close()
        other.close()
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {namespace} CASCADE")


@pytest.mark.parametrize(
    ("urls", "cause"),
    [
        (["memory://64"], "expected"),
        (["memory://5ms"], "expected a size such as 64MiB"),
        (["memory://1MiB?evict=fifo"], "expected evict=gdsf or evict=lru; got fifo"),
        (["mongodb://here"], "a cache cannot have a tier 'mongodb'; expected memory://64MiB"),
        (["sqlite:///"], "names no file"),
        (["redis://127.0.0.1:1/0"], "expected a secret of 16 bytes or more, got 0"),
    ],
)
def test_what_cannot_be_opened(urls, cause, monkeypatch):
    """The URL is told with what was expected."""
    monkeypatch.delenv("BUDGETGUARD_CACHE_SECRET", raising=False)
    with pytest.raises(UsageError) as caught:
        open_cache(*urls)
    assert cause in str(caught.value)
