"""What a load generator is told: whom to load, with how many users, when. Frozen values, without I/O."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any, Literal

Model = Literal["closed", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """So many users for so many seconds, reached from those of the stage before within `ramp_s`."""

    users: int
    seconds: float
    ramp_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """When two sides are loaded in turn: which slices of time are this generator's own.

    Slice k lasts from `start + k * slice_s` to the next; `start` is seconds since the epoch. Users
    live by a clock that stands still outside of `own`, so that no slice begins with a burst.
    """

    start: float
    slice_s: float
    own: tuple[int, ...]

    def wall(self, lived_s: float) -> float:
        """When, in seconds since the epoch, `lived_s` of own time have gone by; inf after the last."""
        number, rest = divmod(lived_s, self.slice_s)
        if number >= len(self.own):
            return float("inf")
        return self.start + self.own[int(number)] * self.slice_s + rest

    def lived(self, now: float) -> float:
        """How much own time has gone by at `now`, in seconds since the epoch."""
        number, rest = divmod(now - self.start, self.slice_s)
        before = sum(one < number for one in self.own)
        return before * self.slice_s + (rest if number in self.own else 0.0)

    def slice_of(self, now: float) -> int | None:
        """The own slice that runs at `now`, if one does."""
        number = int((now - self.start) // self.slice_s)
        return number if number in self.own else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One run of a locustfile.

    Without `stages` the locustfile's own LoadTestShape decides how many users there are. With the
    model `open`, `rate` tasks a second are begun whatever the server does, by at most as many users
    as the stage has. What `headers` hold is never shown.
    """

    host: str
    stages: tuple[Stage, ...] = ()
    model: Model = "closed"
    rate: float = 0.0
    seed: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_remote: bool = False
    turns: Turns | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts, warm-up and all; 0 where the locustfile's own shape decides."""
        return sum(stage.seconds for stage in self.stages)

    def users_at(self, second: float) -> int | None:
        """How many users there shall be so many seconds after the start; None once it is over."""
        users = 0
        for stage, end in zip(self.stages, ends(self.stages), strict=True):
            if second < end:
                gone = second - (end - stage.seconds)
                share = min(1.0, gone / stage.ramp_s) if stage.ramp_s else 1.0
                return round(users + (stage.users - users) * share)
            users = stage.users
        return None

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Traffic":
        """Read what `to_json` wrote; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        told: dict[str, Any] = json.loads(text)
        turns = told.pop("turns")
        return cls(
            **{
                **told,
                "stages": tuple(Stage(**one) for one in told["stages"]),
                "turns": Turns(**{**turns, "own": tuple(turns["own"])}) if turns else None,
            }
        )


def ends(stages: Sequence[Stage]) -> list[float]:
    """When each stage ends, in seconds after the start."""
    return list(accumulate(stage.seconds for stage in stages))
