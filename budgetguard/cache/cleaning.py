"""Removes from shared tiers what has expired, a batch at a time, so that nobody waits long for a lock."""

import random
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence

from budgetguard.cache import events
from budgetguard.cache.link import Link
from budgetguard.cache.tiers.base import Tier

BATCH = 1_000
_LEASE_KEY = "clean-up"
"""No digest is called so."""
_LEASE_S = 60.0
_SPREAD = 0.1
_DRAW = random.SystemRandom()  # not the module's own state: others seed that, and watch it


def purged(tier: Tier) -> Iterator[int]:
    """Remove batch after batch, and tell how many each had, until nothing expired is left.

    Raises `TierError`.
    """
    while removed := tier.purge(BATCH):
        yield removed
        if removed < BATCH:
            return


class Cleaning:
    """A thread that cleans tiers up from time to time; of many processes one at a time does it."""

    def __init__(self, links: Sequence[Link], every_s: float) -> None:
        """0 seconds never does."""
        self._links, self._every_s = links, every_s
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin; once."""
        if self._every_s > 0 and self._links:
            threading.Thread(target=self._run, name="cache clean-up", daemon=True).start()

    def close(self) -> None:
        """End with the batch that is under way."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s()):
            for link in self._links:
                if removed := self._clean(link):
                    events.cleaned(link.tier.name, removed)

    def _pause_s(self) -> float:
        """Not all processes at the same moment."""
        return self._every_s * _DRAW.uniform(1 - _SPREAD, 1 + _SPREAD)

    def _clean(self, link: Link) -> int:
        """Remove what has expired, unless another process does; how much."""
        token, removed = secrets.token_hex(8), 0
        if not link.ask(_taking(token), otherwise=False):
            return 0
        while not self._stop.is_set():
            batch = link.ask(lambda tier: tier.purge(BATCH), otherwise=0)
            removed += batch
            if batch < BATCH or not link.ask(_renewing(token), otherwise=False):
                break
        link.ask(lambda tier: tier.release(_LEASE_KEY, token), None)
        return removed


def _taking(token: str) -> Callable[[Tier], bool]:
    return lambda tier: tier.acquire(_LEASE_KEY, token, _LEASE_S)


def _renewing(token: str) -> Callable[[Tier], bool]:
    return lambda tier: tier.renew(_LEASE_KEY, token, _LEASE_S)
