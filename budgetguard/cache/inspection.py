"""What shared tiers hold, entry by entry, for a person who looks into them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from budgetguard.cache.codec import Codec, Damaged, unpack
from budgetguard.cache.tiers.base import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One entry of a tier; nothing of it is known but its size where there is a `problem`."""

    tier: str
    digest: str
    """The name that tiers know a key by."""
    stored_bytes: int
    kept_s: float
    """How long the tier keeps it."""
    problem: str = ""
    """Why nobody can trust it; "" where it is sound."""
    outdated: bool = False
    """Whether one of its tags was invalidated since it was loaded, so that it is a miss."""
    left_s: float = 0.0
    """How long it is fresh; below 0 it is stale."""
    age_s: float = 0.0
    cost_usd: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()


def look(tier: Tier, digest: str, codec: Codec, most_bytes: int) -> tuple[Held, bytes] | None:
    """An entry and its value as MessagePack; None where the tier has none. Raises `TierError`."""
    found = tier.get(digest)
    if found is None:
        return None
    size, kept_s = len(found.blob), found.left_s
    try:
        sealed = codec.open(digest, found.blob, most_bytes)
        unpack(sealed.packed, None)
    except Damaged as error:
        unsound = Held(
            tier=tier.name, digest=digest, stored_bytes=size, kept_s=kept_s, problem=str(error)
        )
        return unsound, b""
    now = tier.versions(tuple(sealed.versions)) if sealed.versions else {}
    left_s = min(kept_s - sealed.stale_s, sealed.ttl_s)
    sound = Held(
        tier=tier.name,
        digest=digest,
        stored_bytes=size,
        kept_s=kept_s,
        outdated=now != sealed.versions,
        left_s=left_s,
        age_s=max(0.0, sealed.ttl_s - left_s),
        cost_usd=sealed.cost_usd,
        tags=tuple(sealed.versions),
    )
    return sound, sealed.packed


def walk(tier: Tier, codec: Codec, most_bytes: int) -> Iterator[Held]:
    """Every entry of a tier, one in memory at a time. Raises `TierError`."""
    for digest in tier.keys():  # noqa: SIM118 -- no mapping
        found = look(tier, digest, codec, most_bytes)
        if found is not None:  # it may have expired meanwhile
            yield found[0]
