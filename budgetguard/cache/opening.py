"""Opens a cache by the URLs of its tiers."""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from budgetguard.cache.access_log import AccessLog
from budgetguard.cache.cache import Cache
from budgetguard.cache.ledger import Ledger
from budgetguard.cache.link import Link
from budgetguard.cache.memory import Memory
from budgetguard.cache.policy import Place
from budgetguard.errors import QuantityError, UsageError
from budgetguard.units import Unit, parse_quantity

VARIABLE = "BUDGETGUARD_CACHE_SECRET"
_MEMORY_BYTES = 64 * 1024 * 1024
EVICTIONS: tuple[Literal["gdsf", "lru"], ...] = ("gdsf", "lru")
_EXPECTED = (
    "expected memory://64MiB, redis://HOST:PORT/0, unix:///SOCKET, sqlite:///FILE or "
    "postgresql://USER@HOST/DATABASE"
)


def open_cache(
    *urls: str,
    secret: str | bytes = "",
    namespace: str = "budgetguard",
    ledger: str | Path | None = None,
    access_log: AccessLog | None = None,
    clean_every_s: float = 0.0,
) -> Cache:
    """A cache of these tiers, from the fastest to the most lasting: `memory://64MiB?evict=lru`, `redis://…`.

    What leaves the process is signed with `secret`, else with BUDGETGUARD_CACHE_SECRET; a cache that shares
    no more than SQLite files keeps a secret beside the first. What calls cost and hits save is written into
    the file `ledger`, and calls into `access_log`, which warms the next cache. What has expired is removed
    every `clean_every_s` seconds, if given. No tier is connected to before the first miss. Raises
    `UsageError` for a URL, secret or ledger that cannot be used.
    """
    memory = [_memory(url) for url in urls if _is_memory(url)] or [Memory(_MEMORY_BYTES)]
    return Cache(
        memory[-1],
        open_links(urls, namespace),
        known_secret(urls, secret),
        ledger=Ledger(ledger) if ledger else None,
        access_log=access_log,
        clean_every_s=clean_every_s,
    )


def open_links(
    urls: Sequence[str], namespace: str, *, timeout_s: float | None = None
) -> list[Link]:
    """The shared tiers among these; each call of them takes `timeout_s` at most, if given."""
    limits = {} if timeout_s is None else {"timeout_s": timeout_s}
    return [_link(url, namespace, limits) for url in urls if not _is_memory(url)]


def known_secret(urls: Sequence[str], given: str | bytes = "") -> bytes:
    """The secret by which what these tiers hold is signed; empty where nobody knows one."""
    known = given or os.environ.get(VARIABLE, "")
    shared = [url for url in urls if not _is_memory(url)]
    if not known and shared and all(url.startswith("sqlite:") for url in shared):
        known = _own_secret(sqlite_path(shared[0]))
    return known.encode() if isinstance(known, str) else known


def _is_memory(url: str) -> bool:
    return url.startswith("memory:")


def _memory(url: str) -> Memory:
    parts = urlsplit(url)
    word = parse_qs(parts.query).get("evict", ["gdsf"])[0]
    evict = next((one for one in EVICTIONS if one == word), None)
    if evict is None:
        raise UsageError(f"{url}: expected evict=gdsf or evict=lru; got {word}")
    return Memory(_bytes(url, parts.netloc) if parts.netloc else _MEMORY_BYTES, evict=evict)


def _bytes(url: str, text: str) -> int:
    try:
        size = parse_quantity(text)
    except QuantityError as error:
        raise UsageError(f"{url}: {error}; {_EXPECTED}") from None
    if size.unit is not Unit.BYTES:
        raise UsageError(f"{url}: expected a size such as 64MiB; got {text}")
    return int(size.value)


def _link(url: str, namespace: str, limits: Mapping[str, Any]) -> Link:
    """One shared tier; its library is imported only where it is used."""
    scheme = url.partition(":")[0]
    if scheme in ("redis", "rediss", "unix", "valkey", "valkeys"):
        from budgetguard.cache.tiers.redis import RedisTier

        return Link(RedisTier(url, namespace=namespace, **limits), Place.REDIS)
    if scheme == "sqlite":
        from budgetguard.cache.tiers.sqlite import SqliteTier

        return Link(SqliteTier(sqlite_path(url), namespace=namespace, **limits), Place.SQL)
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        from budgetguard.cache.tiers.postgres import PostgresTier

        return Link(PostgresTier(url, namespace=namespace, **limits), Place.SQL)
    raise UsageError(f"a cache cannot have a tier {scheme!r}; {_EXPECTED}")


def sqlite_path(url: str) -> Path:
    """The file of a SQLite tier, as SQLAlchemy reads it: three slashes are relative, four absolute."""
    name = url.removeprefix("sqlite://").removeprefix("/")
    if not name:
        raise UsageError(f"{url} names no file; {_EXPECTED}")
    return Path(name)


def _own_secret(file: Path) -> str:
    """The secret beside a SQLite file; whoever comes first makes it."""
    key = file.with_name(f"{file.name}.secret")
    made = key.with_name(f"{key.name}.{secrets.token_hex(4)}")
    try:
        if not key.exists():
            with open(made, "x", opener=_private) as stream:
                stream.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):
                os.link(made, key)  # whole, or not there
            made.unlink()
        return key.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{key}, the secret of the cache, cannot be used: {error}; mend it, or set {VARIABLE}"
        ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
