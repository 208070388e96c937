"""What the cache writes into the log `budgetguard.cache`: one line for an incident, with its facts beside.

| `event` of the record | level | its facts |
|---|---|---|
| cache_tier_down | warning | tier, cause |
| cache_tier_up | info | tier |
| cache_ledger_behind | warning | cause |
| cache_ledger_caught_up | info | |
| cache_entry_damaged | warning | policy, tier, cause, number: so many since the last such line |
| cache_cleaned | info | tier, number |
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable

_log = logging.getLogger("budgetguard.cache")
_QUIET_S = 60.0


def tier_down(tier: str, cause: str) -> None:
    """A tier is left out from now on."""
    facts = {"event": "cache_tier_down", "tier": tier, "cause": cause}
    _log.warning("cache tier %s is left out until it answers: %s", tier, cause, extra=facts)


def tier_up(tier: str) -> None:
    """It is asked again."""
    facts = {"event": "cache_tier_up", "tier": tier}
    _log.info("cache tier %s answers again", tier, extra=facts)


def ledger_behind(cause: str) -> None:
    """Movements wait for a ledger that cannot be written."""
    facts = {"event": "cache_ledger_behind", "cause": cause}
    _log.warning("the ledger of the cache is behind: %s", cause, extra=facts)


def ledger_caught_up() -> None:
    """It has all of them."""
    _log.info("the ledger of the cache has caught up", extra={"event": "cache_ledger_caught_up"})


def cleaned(tier: str, number: int) -> None:
    """Expired entries were removed."""
    facts = {"event": "cache_cleaned", "tier": tier, "number": number}
    _log.info("%d expired entries of cache tier %s removed", number, tier, extra=facts)


class Damage:
    """Tells of entries that nobody can trust: at once, then once a minute for each policy and tier."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told: dict[tuple[str, str], float] = {}

    def __call__(self, policy: str, tier: str, cause: str) -> None:
        """One more; its line may have to wait."""
        key, now = (policy, tier), self._clock()
        with self._lock:
            self._untold[key] += 1
            if now < self._told.get(key, now - _QUIET_S) + _QUIET_S:
                return
            number = self._untold.pop(key)
            self._told[key] = now
        facts = {"policy": policy, "tier": tier, "cause": cause, "number": number}
        _log.warning(
            "%d damaged entries of policy %s in cache tier %s, the last: %s; each was a miss",
            *(number, policy, tier, cause),
            extra={"event": "cache_entry_damaged", **facts},
        )
