"""What the cache asks of a tier that several processes share: Redis, Valkey, SQLite or PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from budgetguard.errors import BudgetguardError


class TierError(BudgetguardError):
    """A tier did not do what was asked: it is down, frozen, full or locked. The text holds no secret."""


class TierBusy(TierError):
    """All connections of this process are in use: nothing is known of the tier itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a tier holds under a key; not yet checked, so that it may be anybody's bytes."""

    blob: bytes
    left_s: float
    """How long it would still be kept, by a clock that no change of the wall clock moves."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """Of the tags that were asked for; one that was never invalidated is 0."""


@dataclass(frozen=True, slots=True)
class Change:
    """One invalidation that some process made: of a key, of a tag, or of everything."""

    key: str = ""
    tag: str = ""
    version: int = 0
    """Of the tag, after it."""

    @property
    def everything(self) -> bool:
        """Whether nothing that was cached before it counts."""
        return not (self.key or self.tag)


@dataclass(frozen=True, slots=True)
class Changes:
    """The invalidations since a cursor; `lost` says that some are not known any more."""

    cursor: str
    changes: tuple[Change, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tier holds; `capacity_bytes` is 0 where nothing bounds it."""

    entries: int
    bytes: int
    capacity_bytes: int = 0


class Tier(Protocol):
    """A shared tier. Every method may be called from any thread, also after a fork.

    Each raises `TierError`, within the tier's time limit, where the server or file does not answer. Keys
    are digests of 64 characters at most, tags are words of 200 bytes at most; a tier keeps what belongs
    to its namespace apart from all else that the server or file holds.
    """

    name: str
    """As statistics tell it: redis, sqlite, postgresql."""

    def get(self, key: str, tags: Sequence[str] = ()) -> Found | None:
        """What is held under a key and not expired, with the present versions of these tags."""

    def put(self, key: str, blob: bytes, keep_s: float, token: str = "") -> bool:
        """Hold a blob for so long; False where the token has lost its right, and nothing has changed.

        A token has it while it is the last that `acquire` gave out for the key, and nothing has
        invalidated the key since. Without a token it is always held.
        """

    def delete(self, keys: Sequence[str]) -> int:
        """Remove keys, make every token of them worthless, and log it; how many were held."""

    def acquire(self, key: str, token: str, lease_s: float) -> bool:
        """Take the lease of a key if nobody holds it; it ends by itself after `lease_s`.

        The right to put lasts longer, 15 minutes.
        """

    def renew(self, key: str, token: str, lease_s: float) -> bool:
        """Hold a lease for so long from now on; False where it is another's or has ended."""

    def release(self, key: str, token: str) -> None:
        """Give a lease back, if it is still this token's; its right to put ends with it."""

    def versions(self, tags: Sequence[str]) -> dict[str, int]:
        """The present version of each tag; 0 where it was never invalidated."""

    def bump(self, tags: Sequence[str]) -> dict[str, int]:
        """Invalidate and log all that has one of these tags, however much it is; the new versions.

        A version is never used twice, also after the server has forgotten what it held.
        """

    def changes(self, cursor: str) -> Changes:
        """What was invalidated since a cursor of this tier; "" begins now, with nothing."""

    def keys(self) -> Iterator[str]:
        """All keys that are held, in no order; those that come and go meanwhile may be among them."""

    def clear(self) -> int:
        """Remove every key of the namespace and log it; how many there were."""

    def purge(self, most: int = 10_000) -> int:
        """Remove at most so many entries that have expired; how many. 0 where the server does it itself."""

    def usage(self) -> Usage:
        """What the namespace holds now."""

    def ping(self) -> None:
        """Raise `TierError` unless it can be used."""

    def close(self) -> None:
        """Give back connections; it is not used afterwards."""
