"""A sweep: one fresh process per side serves all subjects in turn.

What ends a worker costs only its own subject: the rest goes on in a new pair, and the subject is
tried once more alone.
"""

import contextlib
import os
import random
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.gate.side import Side
from budgetguard.gate.sides.pair import AnotherProcess, Turn
from budgetguard.gate.sides.pinning import draw_core
from budgetguard.gate.sides.subjects import CANARY_SUBJECT, Cost, Served, Subject, SweepOptions
from budgetguard.gate.sides.workers import (
    Worker,
    WorkerDied,
    answers,
    environment,
    joined,
    same_seed,
)

__all__ = ["CANARY_SUBJECT", "Cost", "Served", "Subject", "SweepOptions", "sweep"]

GOODBYE_S = 5.0
"""How long a worker may take to end by itself when all is done."""
_IN_PLACE, _IN_PROCESS = "straight", "process"


def sweep(
    base: Side, head: Side, subjects: Sequence[Subject], *, seed: int, options: SweepOptions
) -> Mapping[Subject, Served]:
    """Serve every subject on both sides, the canary first; `seed` orders all that is drawn.

    Everything started has ended when it returns or raises. Raises `MeasureError` where a side's
    interpreter cannot be started; everything else is an error of its subjects.
    """
    if os.name == "nt":
        raise MeasureError(
            "base and head are measured side by side on Linux and macOS only; "
            "limit wall or a count here, and run the comparison there"
        )
    return _Sweep(base, head, seed, options).run(subjects)


class _Sweep:
    def __init__(self, base: Side, head: Side, seed: int, options: SweepOptions) -> None:
        self._sides = (base, head)
        self._seed = seed
        self._options = options
        self._order = random.Random(seed)  # noqa: S311  # an order, not a secret
        self._core = draw_core(self._order)
        self._served: dict[Subject, Served] = {}
        self._deaths: dict[Subject, int] = {}
        self._modes: dict[Subject, str] = {}
        self._alone: deque[Subject] = deque()

    def run(self, subjects: Sequence[Subject]) -> Mapping[Subject, Served]:
        """All subjects, in as many pairs of processes as it takes: a subject fails twice at most."""
        # two recordings are compared, so that what ran before an item must be the same in both
        ordered = list(dict.fromkeys(subjects)) if self._options.record else None
        queue = deque([ordered or shuffled(subjects, self._order)])
        while queue or self._alone:
            wanted = queue.popleft() if queue else [self._alone.popleft()]
            left = self._pair(wanted)
            if left:
                queue.append(left)
        return self._served

    def _pair(self, wanted: list[Subject]) -> list[Subject]:
        """One pair of processes; returns the subjects that it did not come to."""
        with contextlib.ExitStack() as stack:
            scratch = stack.enter_context(self._scratch())
            with joined() as ends:
                workers = [
                    stack.enter_context(self._start(side, scratch, other))
                    for side, other in zip(self._sides, ends, strict=True)
                ]
            for side, worker in zip(self._sides, workers, strict=True):
                worker.send(self._configuration(side, scratch, wanted))
            try:
                plan = self._collected(workers, wanted)
            except WorkerDied as error:
                return self._not_collected(wanted, error)
            return self._turns(workers, plan)

    def _start(self, side: Side, scratch: Path, other: tuple[int, int]) -> Worker:
        given = os.environ if self._options.environment is None else self._options.environment
        own = environment(given, side, self._sides[1])
        own = same_seed(own, self._seed, scratch / side.name)
        return Worker(side, own, self._options.reaper, other)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Where both sides keep temporary files, at paths of one length."""
        reaper = self._options.reaper
        with tempfile.TemporaryDirectory(prefix="bg-", ignore_cleanup_errors=True) as name:
            reaper.folder(Path(name))
            for side in self._sides:
                (Path(name) / side.name).mkdir()
            yield Path(name)
        if not Path(name).exists():
            reaper.keep(Path(name))

    def _configuration(
        self, side: Side, scratch: Path, wanted: Sequence[Subject]
    ) -> dict[str, object]:
        other = self._sides[0] if side is self._sides[1] else self._sides[1]
        rows = [
            [number, subject.item, subject.block, self._modes.get(subject, _IN_PLACE)]
            for number, subject in enumerate(wanted, 1)
        ]
        return {
            "folder": str(side.folder),
            "path": list(side.path),
            "root": str(side.root or ""),
            "other": str(other.root or ""),
            "roots": [str(side.root or side.folder), *side.path],
            "wanted": rows,
            "canary": self._with_canary,
            "record": self._options.record,
            "seed": self._seed,
            "scratch": str(scratch / side.name),
            "pytest_args": list(self._options.pytest_args),
        }

    @property
    def _with_canary(self) -> bool:
        timed = self._options.canary and not self._options.record
        return timed and CANARY_SUBJECT not in self._served

    def _collected(
        self, workers: Sequence[Worker], wanted: Sequence[Subject]
    ) -> list[tuple[int, Subject]]:
        """What both sides have, in the order of the sweep; what they have not is told."""
        told = answers(workers, self._options.start_s)
        for worker, message in zip(workers, told, strict=True):
            if message["kind"] != "collected":
                raise worker.died(_why_not(message))
        base, head = (dict(message["missing"]) for message in told)
        plan: list[tuple[int, Subject]] = []
        for number, subject in enumerate(wanted, 1):
            missing = _missing(base.get(str(number)), head.get(str(number)))
            if missing:
                self._served[subject] = missing
            else:
                plan.append((number, subject))
        for worker in workers:
            worker.send({"plan": [number for number, _ in plan]})
        return [(0, CANARY_SUBJECT), *plan] if self._with_canary else plan

    def _not_collected(self, wanted: Sequence[Subject], error: WorkerDied) -> list[Subject]:
        """Nobody came as far as a test: file by file, so that one does not spoil the others."""
        files = {subject.item.partition("::")[0] for subject in wanted}
        if len(files) == 1:
            for subject in wanted:
                self._served[subject] = Served(error=str(error))
            return []
        first = wanted[0].item.partition("::")[0]
        ours = [one for one in wanted if one.item.partition("::")[0] == first]
        left = self._pair(ours)
        return [*left, *(one for one in wanted if one not in ours)]

    def _turns(
        self, workers: Sequence[Worker], plan: Sequence[tuple[int, Subject]]
    ) -> list[Subject]:
        for place, (number, subject) in enumerate(plan):
            self._options.watch(subject.item)
            turn = Turn(workers, number, self._options_of(subject), self._order)
            try:
                self._served[subject] = turn.serve(self._core)
            except AnotherProcess:
                self._modes[subject] = _IN_PROCESS
                self._alone.append(subject)
            except WorkerDied as error:
                self._lost(subject, error)
                return [one for _, one in plan[place + 1 :]]
        for worker in workers:
            worker.wait(GOODBYE_S)
        return []

    def _options_of(self, subject: Subject) -> SweepOptions:
        """The canary is the same code on both sides, whatever is done to the others."""
        return replace(self._options, slowdown=0.0) if subject == CANARY_SUBJECT else self._options

    def _lost(self, subject: Subject, error: WorkerDied) -> None:
        """A subject that a worker ended in is tried once more; then it is the subject's own doing."""
        deaths = self._deaths[subject] = self._deaths.get(subject, 0) + 1
        if subject == CANARY_SUBJECT or deaths > 1:
            again = ", twice" if deaths > 1 else ""
            self._served[subject] = Served(error=f"{error}{again}")
        else:
            self._alone.append(subject)


def _missing(base: Sequence[object] | None, head: Sequence[object] | None) -> Served | None:
    """What to say of a subject that a side cannot serve."""
    if head:
        return Served(error=f"head: {head[0]}")
    if base:
        return Served(error=f"base: {base[0]}", new=bool(base[1]))
    return None


def _why_not(message: Mapping[str, object]) -> str:
    """Why a worker ended its session before it had collected."""
    if message["kind"] == "broken":
        return f"ended pytest: {message.get('why')}"
    return f"ended with pytest's exit code {message.get('code')} before any test"


def shuffled(subjects: Sequence[Subject], order: random.Random) -> list[Subject]:
    """Another order for another seed that keeps together what shares fixtures: files, then classes."""
    groups: dict[str, list[Subject]] = {}
    for subject in dict.fromkeys(subjects):
        plain = subject.item.partition("[")[0]
        groups.setdefault(plain.rpartition("::")[0], []).append(subject)
    files: dict[str, list[list[Subject]]] = {}
    for name, group in groups.items():
        order.shuffle(group)
        files.setdefault(name.partition("::")[0], []).append(group)
    names = sorted(files)
    order.shuffle(names)
    for name in names:
        order.shuffle(files[name])
    return [subject for name in names for group in files[name] for subject in group]
