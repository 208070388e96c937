"""A thread that hears what other processes invalidate, holds leases, and finds out when a tier is back."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from budgetguard.cache.cleaning import Cleaning
from budgetguard.cache.link import Link
from budgetguard.cache.tiers.base import Change, Tier

LEASE_S = 0.6
BEAT_S = 0.15
"""A lease is renewed so often: a process that has ended gives way after `LEASE_S`."""
_LOOK_BEATS, _BOOK_BEATS = 2, 33
"""An invalidation elsewhere is known here after 0.3 s or so; a ledger is behind by 5 s at most."""


class Heard(Protocol):
    """Who is told what was invalidated elsewhere."""

    def __call__(self, tier: str, changes: Sequence[Change], *, lost: bool) -> None:
        """`lost` says that some of it is not known."""


class Watch:
    """Runs from its first use until `close`."""

    def __init__(
        self,
        links: Sequence[Link],
        heard: Heard,
        book: Callable[[], object] | None = None,
        clean_every_s: float = 0.0,
    ) -> None:
        """`book` is called every few seconds; tiers are cleaned up in a thread beside it."""
        self._cleaning = Cleaning(links, clean_every_s)
        self._links, self._heard, self._book = links, heard, book
        self._leases: dict[str, tuple[Link, str]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self._thread is not None and not self._stop.is_set()

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._thread is None and (self._links or self._book):
            with self._lock:
                self._begin()

    def _begin(self) -> None:
        if self._thread is None and not self._stop.is_set():
            if not all(link.listens for link in self._links):
                self._look()  # from here on nothing is missed
            self._thread = threading.Thread(target=self._run, name="cache watch", daemon=True)
            self._thread.start()
            self._cleaning.start()

    def hold(self, link: Link, key: str, token: str) -> None:
        """Renew a lease until `drop`."""
        self._leases[token] = (link, key)

    def drop(self, token: str) -> None:
        """Let a lease end."""
        self._leases.pop(token, None)

    def close(self) -> None:
        """Stop, and wait for it a moment."""
        self._stop.set()
        self._cleaning.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        beats = 0
        while not self._stop.wait(BEAT_S):
            beats += 1
            self._renew()
            if beats % _LOOK_BEATS == 0:
                self._look()
            if self._book is not None and beats % _BOOK_BEATS == 0:
                self._book()

    def _renew(self) -> None:
        for token, (link, key) in tuple(self._leases.items()):
            if not link.ask(_renewal(key, token), otherwise=False):
                self.drop(token)

    def _look(self) -> None:
        for link in self._links:
            if not link.heal():
                continue
            found = link.changes()
            if found is not None and (found.changes or found.lost):
                self._heard(link.tier.name, found.changes, lost=found.lost)


def _renewal(key: str, token: str) -> Callable[[Tier], bool]:
    return lambda tier: tier.renew(key, token, LEASE_S)
