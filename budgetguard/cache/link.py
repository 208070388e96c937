"""A shared tier as the cache uses it: left out while it is down, told later what it missed meanwhile."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from budgetguard.cache import events
from budgetguard.cache.policy import Place
from budgetguard.cache.tiers.base import Changes, Tier, TierBusy, TierError

T = TypeVar("T")
_MOST_OWED = 10_000
"""Invalidations that are kept for a tier that is down; beyond them all that it holds is given up."""


class Link:
    """One tier; a call that fails is the last until `heal` finds it well again: no other waits for it."""

    def __init__(self, tier: Tier, place: Place) -> None:
        self.tier, self.place = tier, place
        self.up = True
        self.errors = 0
        self.incidents = 0
        self._cursor = ""
        self._lock = threading.Lock()
        self._owed_keys: set[str] = set()
        self._owed_tags: set[str] = set()
        self._owes_all = False

    def after_fork(self) -> None:
        """In the child: who held the lock stayed in the parent, and what is owed is the parent's to pay."""
        self._lock = threading.Lock()
        self._owed_keys, self._owed_tags, self._owes_all = set(), set(), False

    @property
    def listens(self) -> bool:
        """Whether `changes` has begun."""
        return bool(self._cursor)

    def ask(self, do: Callable[[Tier], T], otherwise: T) -> T:
        """What the tier answers; `otherwise` where it is down or goes down with this call.

        One that is busy is passed by this call alone.
        """
        if not self.up:
            return otherwise
        try:
            return do(self.tier)
        except TierBusy:
            self.errors += 1
            return otherwise
        except TierError as error:
            self._down(error)
            return otherwise

    def delete(self, keys: Sequence[str]) -> int:
        """Invalidate keys, later where the tier is down; how many it held."""
        held = self._invalidated(lambda tier: tier.delete(keys))
        if held is None:
            self._owe(keys=keys)
        return held or 0

    def bump(self, tags: Sequence[str]) -> dict[str, int]:
        """Invalidate tags, later where the tier is down; their new versions."""
        versions = self._invalidated(lambda tier: tier.bump(tags))
        if versions is None:
            self._owe(tags=tags)
        return versions or {}

    def clear(self) -> int:
        """Remove everything, later where the tier is down; how much there was."""
        held = self._invalidated(lambda tier: tier.clear())
        if held is None:
            self._owe(everything=True)
        return held or 0

    def _invalidated(self, do: Callable[[Tier], T]) -> T | None:
        """What it answers; None where it did not hear of it: then it is asked nothing else before that."""

        def heard(tier: Tier) -> T:
            try:
                return do(tier)
            except TierBusy as error:
                raise TierError(str(error)) from None

        return self.ask(heard, None)

    def changes(self) -> Changes | None:
        """What others have invalidated since the last call; None where the tier is down."""
        found = self.ask(lambda tier: tier.changes(self._cursor), None)
        if found is not None:
            self._cursor = found.cursor
        return found

    def heal(self) -> bool:
        """Try a tier that is down, first of all with what it has missed; whether it is up now."""
        if self.up:
            return True
        try:
            self.tier.ping()
            self._pay()
        except TierError:
            return False
        self.up = True
        events.tier_up(self.tier.name)
        return True

    def _down(self, error: TierError) -> None:
        with self._lock:
            self.errors += 1
            begins, self.up = self.up, False
            self.incidents += begins
        if begins:
            events.tier_down(self.tier.name, str(error))

    def _owe(
        self, keys: Iterable[str] = (), tags: Iterable[str] = (), *, everything: bool = False
    ) -> None:
        with self._lock:
            self._owed_keys.update(keys)
            self._owed_tags.update(tags)
            self._owes_all |= everything or len(self._owed_keys) > _MOST_OWED
            if self._owes_all:
                self._owed_keys.clear()

    def _pay(self) -> None:
        """Invalidate what it missed while it was down; raises `TierError` if it goes down again."""
        with self._lock:
            keys, tags, everything = self._owed_keys, self._owed_tags, self._owes_all
            self._owed_keys, self._owed_tags, self._owes_all = set(), set(), False
        try:
            if everything:
                self.tier.clear()
            if keys:
                self.tier.delete(sorted(keys))
            if tags:
                self.tier.bump(sorted(tags))
        except TierError:
            self._owe(keys, tags, everything=everything)
            raise
