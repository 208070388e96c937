"""What a cache has spent and saved, from its counts and the hits of its slots into the ledger."""

import threading
import time

from budgetguard.cache import events
from budgetguard.cache.counts import Counts
from budgetguard.cache.ledger import Ledger, LedgerError
from budgetguard.cache.making import About
from budgetguard.cache.memory import Memory, Slot
from budgetguard.cache.movements import Movement
from budgetguard.cache.policy import Place


class Books:
    """Any thread may call it. What cannot be written waits, and is written with the next."""

    def __init__(self, memory: Memory, counts: Counts, ledger: Ledger | None) -> None:
        self._memory, self._counts, self._ledger = memory, counts, ledger
        self._counting, self._booking = threading.Lock(), threading.Lock()
        self._unbooked: list[Movement] = []
        self._behind = False

    def count(self, slot: Slot) -> None:
        """Take a slot's hits into the statistics, at the latest when it leaves memory."""
        about: About = slot.about
        with self._counting:
            new, about.counted = slot.hits - about.counted, slot.hits
        if new:
            self._counts.add(about.policy.name, Place.MEMORY, new, about.cost_usd)

    def count_hits(self) -> None:
        """Take the hits of all slots."""
        for slot in tuple(self._memory.slots.values()):
            self.count(slot)

    def book(self) -> None:
        """Write into the ledger what was spent and saved since the last time."""
        if self._ledger is None:
            return
        self.count_hits()
        with self._booking:
            self._unbooked += self._counts.movements(time.time())
            try:
                self._ledger.add(self._unbooked)
            except LedgerError as error:
                if not self._behind:
                    events.ledger_behind(str(error))
                self._behind = True
                return
            self._unbooked.clear()
            if self._behind:
                events.ledger_caught_up()
            self._behind = False
