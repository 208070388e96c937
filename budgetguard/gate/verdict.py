"""What a run says of its limits: a verdict on each, and the report of all. Frozen, without I/O."""

from dataclasses import dataclass, field
from enum import StrEnum

from budgetguard.gate.model import Where
from budgetguard.gate.shard import Shard
from budgetguard.units import Unit


class Outcome(StrEnum):
    """How one limit came out."""

    PASS = "PASS"  # noqa: S105  # no password
    FAIL = "FAIL"
    UNSETTLED = "UNSETTLED"
    NEW = "NEW"
    VANISHED = "VANISHED"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


RED = frozenset({Outcome.FAIL, Outcome.VANISHED, Outcome.ERROR})
GUARDED = frozenset({Outcome.PASS, Outcome.FAIL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One limit judged: outcome, numbers, one sentence why, one next step."""

    budget: str
    target: str
    limit: str
    outcome: Outcome
    metric: str = ""
    unit: Unit = Unit.COUNT
    selector: str = ""
    measured: float | None = None
    allowed: float | None = None
    baseline: float | None = None
    change: tuple[float, float, float] | None = None
    """Of a metric measured on both sides: lower end, estimate and upper end, as ratios."""
    visible: float | None = None
    """The smallest change, as a ratio, that this run could have called one."""
    reason: str = ""
    hint: str = ""
    evidence: tuple[str, ...] = ()
    where: Where = field(default=Where(""))
    enforced: bool = True
    note: str = ""

    @property
    def red(self) -> bool:
        """Whether it stops a build."""
        return self.enforced and self.outcome in RED


@dataclass(frozen=True, slots=True)
class LeftToCheck:
    """A limit that this run cannot decide and `budgetguard check` can: it is listed, not guarded."""

    budget: str
    limit: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All verdicts of a run."""

    verdicts: tuple[Verdict, ...]
    left: tuple[LeftToCheck, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True
    strict: bool = False
    machine: str = ""
    tool: str = ""
    started: str = ""
    duration_s: float = 0.0
    commit: str = ""
    """Of the work tree, "" outside a repository."""
    folder: str = ""
    """From the repository's root to what `Verdict.where` is relative to, with a slash at its end."""
    asked: str = ""
    """The options that narrowed it, as they are written."""
    shard: Shard | None = None
    """The part it is of: only all of them together are a verdict on everything."""
    unmatched: tuple[Verdict, ...] = ()
    """Groups that no test of the shard is in: errors, if no other shard has one either."""

    @property
    def guarded(self) -> int:
        """How many limits were really decided and can stop a build."""
        return sum(verdict.enforced and verdict.outcome in GUARDED for verdict in self.verdicts)

    @property
    def total(self) -> int:
        """How many limits there are."""
        return len(self.verdicts) + len(self.left)

    @property
    def exit_code(self) -> int:
        """0 within budget, 1 over it, 4 not measured, 3 unsettled or new under `strict`."""
        red = {verdict.outcome for verdict in self.verdicts if verdict.red}
        if Outcome.FAIL in red:
            return 1
        if red or not self._measured:
            return 4
        return 3 if self.strict and self._open else 0

    @property
    def _measured(self) -> bool:
        unread = (Outcome.SKIPPED, Outcome.ERROR, Outcome.VANISHED)
        if self.shard or self.left:  # a shard may hold nothing; all of them together may not
            return True
        return any(v.outcome not in unread for v in self.verdicts)

    @property
    def _open(self) -> bool:
        undecided = (Outcome.UNSETTLED, Outcome.NEW)
        return bool(self.left) or any(v.enforced and v.outcome in undecided for v in self.verdicts)
