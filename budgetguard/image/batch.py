"""Many pictures at once, as many as their pixels leave memory for."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from budgetguard.image.errors import ImageError
from budgetguard.image.inspection import Source, inspect
from budgetguard.image.limits import LIMITS, Limits
from budgetguard.units import Unit, show

R = TypeVar("R")

BYTES_PER_PIXEL = 64
"""What a picture takes at most while it is optimised: decoded, encoded, decoded again and scored."""
_FIXED_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """What came of one source: a result, or why there is none."""

    source: Source
    result: R | None
    error: ImageError | None


@dataclass(frozen=True, slots=True)
class BatchReport(Generic[R]):
    """What came of each source, in their order; what was not begun before a cancel is left out."""

    done: tuple[Done[R], ...]
    cancelled: bool
    wall_s: float

    @property
    def results(self) -> list[R]:
        """Of those that worked."""
        return [one.result for one in self.done if one.result is not None]

    @property
    def errors(self) -> list[Done[R]]:
        """Those that did not."""
        return [one for one in self.done if one.error is not None]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """At most `workers` pictures at a time, and never more than `memory_bytes` by their pixels.

    The workers are threads: decoders, encoders and the score leave the GIL.
    """

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory_bytes: int = 2**30
    limits: Limits = LIMITS

    def run(
        self,
        sources: Sequence[Source],
        work: Callable[[Source], R],
        *,
        on_done: Callable[[Done[R]], object] = id,
        cancel: threading.Event | None = None,
    ) -> BatchReport[R]:
        """Call `work` with each source; an `ImageError` is collected, any other error is raised.

        `on_done` is called after each one, in this thread. After `cancel` none is begun any more, and
        those under way are waited for. A picture that alone needs more than the memory is an error.
        """
        began = time.monotonic()
        stop = cancel or threading.Event()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="image") as pool:
            round_ = _Round(self, pool, sources, work, on_done)
            try:
                while round_.goes_on(stop):
                    round_.begin(stop)
                    round_.collect()
            finally:
                round_.drop()
        done = tuple(round_.found[number] for number in sorted(round_.found))
        return BatchReport(done, len(done) < len(sources), time.monotonic() - began)


class _Round(Generic[R]):
    """What waits, what runs with how much memory, and what came of the rest."""

    def __init__(
        self,
        batch: Batch,
        pool: ThreadPoolExecutor,
        sources: Sequence[Source],
        work: Callable[[Source], R],
        on_done: Callable[[Done[R]], object],
    ) -> None:
        self._batch, self._pool, self._work, self._on_done = batch, pool, work, on_done
        self._waiting = list(enumerate(sources))[::-1]
        self._running: dict[Future[R], tuple[int, Source, int]] = {}
        self.found: dict[int, Done[R]] = {}

    def goes_on(self, stop: threading.Event) -> bool:
        return bool(self._running or (self._waiting and not stop.is_set()))

    def begin(self, stop: threading.Event) -> None:
        """Start the next ones, in their order, as long as there are workers and memory."""
        while self._waiting and not stop.is_set() and len(self._running) < self._batch.workers:
            number, source = self._waiting[-1]
            try:
                need = self._need(source)
            except ImageError as error:
                self._tell(number, Done(source, None, error))
            else:
                if self._running and need > self._free:
                    return
                self._running[self._pool.submit(self._work, source)] = (number, source, need)
            self._waiting.pop()

    def collect(self) -> None:
        """Wait for at least one."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            number, source, _ = self._running.pop(future)
            try:
                self._tell(number, Done(source, future.result(), None))
            except ImageError as error:
                self._tell(number, Done(source, None, error))

    def drop(self) -> None:
        """Begin nothing more of what is handed over, so that an error or Ctrl-C ends soon."""
        for future in self._running:
            future.cancel()

    @property
    def _free(self) -> int:
        return self._batch.memory_bytes - sum(need for _, _, need in self._running.values())

    def _need(self, source: Source) -> int:
        """The memory that a picture takes, by its header."""
        info = inspect(source, limits=self._batch.limits)
        need = _FIXED_BYTES + info.bytes + BYTES_PER_PIXEL * info.pixels
        if need > self._batch.memory_bytes:
            name = "the picture" if isinstance(source, bytes) else source
            asked, allowed = (show(n, Unit.BYTES) for n in (need, self._batch.memory_bytes))
            raise ImageError(
                f"{name}: may take {asked}, and the batch {allowed}; allow more memory"
            )
        return need

    def _tell(self, number: int, done: Done[R]) -> None:
        self.found[number] = done
        self._on_done(done)
