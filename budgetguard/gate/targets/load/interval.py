"""What one generator process did in one stretch of time, as it tells it: one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from budgetguard.gate.targets.load.tally import Tally

TRAFFIC = "BUDGETGUARD_TRAFFIC"
"""The environment variable that holds what a generator is told (`Traffic.to_json`)."""
TOLD = "BUDGETGUARD_TOLD"
"""The environment variable that names the file to which it appends its intervals."""
ABANDONED = "(abandoned)"
"""The endpoint under which tasks are counted that had not ended, or not begun, when the run was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """About a second of one generator process, or one own slice where two sides take turns.

    A request belongs to the interval in which it ended, and to the slice in which it began.
    `tallies` are by endpoint, such as "GET /items"; `lag` is how late the generator itself was when
    it wanted to be woken; `cpu` is in cores, 1.0 for a process that could do no more. With the model
    `open`, `due` tasks should have been begun in it, and `waiting` had not been at its end.
    """

    worker: str
    number: int
    start: float
    """Seconds since the epoch."""
    seconds: float
    users: int
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    lag: Tally = field(default_factory=Tally)
    cpu: float = 0.0
    rss_bytes: int = 0
    due: int = 0
    waiting: int = 0

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["tallies"] = {name: one.to_plain() for name, one in self.tallies.items()}
        plain["lag"] = self.lag.to_plain()
        return json.dumps(plain)

    @classmethod
    def from_json(cls, line: str) -> "Interval":
        """Read what `to_json` wrote; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        told = json.loads(line)
        tallies = {name: Tally.from_plain(one) for name, one in told["tallies"].items()}
        return cls(**{**told, "tallies": tallies, "lag": Tally.from_plain(told["lag"])})
