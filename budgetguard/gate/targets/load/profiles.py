"""The shapes of load by the names that people call them: what users come, and when. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from budgetguard.gate.targets.load.traffic import Stage, ends

Profile = Literal["baseline", "load", "stress", "spike", "endurance"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

EXPECTED_USERS = 50
"""Users that an application expects, where a budget does not say; a profile multiplies them."""
WARMUP_S = 3.0
"""How long the first users may take to come, and what is not counted."""
_BASELINE_USERS = 10
_LOAD, _STRESS, _SPIKE = 10, 40, 24
_STRESS_STEPS = 10
_SPIKE_RAMP_S = 2.0
_SECONDS = {"baseline": 10.0, "load": 20.0, "stress": 40.0, "spike": 28.0, "endurance": 60.0}
_FULL_S = {"endurance": 30 * 60.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The stages of one run; of the first `warmup_s` seconds nothing is counted."""

    stages: tuple[Stage, ...]
    warmup_s: float

    @property
    def seconds(self) -> float:
        """How long it lasts, warm-up and all."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def most_users(self) -> int:
        """The users of its largest stage."""
        return max((stage.users for stage in self.stages), default=0)

    @property
    def peak(self) -> tuple[float, float] | None:
        """When its largest stage begins and ends, where one goes before it and one comes after."""
        sizes = [stage.users for stage in self.stages]
        largest = sizes.index(max(sizes)) if sizes else 0
        if not 0 < largest < len(sizes) - 1:
            return None
        end = ends(self.stages)[largest]
        return end - self.stages[largest].seconds, end

    @property
    def steps(self) -> tuple[tuple[int, float, float], ...]:
        """Users, begin and end in seconds of each counted stage with more users than all before it."""
        found: list[tuple[int, float, float]] = []
        for stage, end in zip(self.stages, ends(self.stages), strict=True):
            if end > self.warmup_s and (not found or stage.users > found[-1][0]):
                found.append((stage.users, end - stage.seconds + stage.ramp_s, end))
        return tuple(found)

    def user_seconds(self, begin_s: float) -> float:
        """Users times seconds from `begin_s` to the end, ramps counted as if they were over."""
        return sum(
            stage.users * min(stage.seconds, max(0.0, end - begin_s))
            for stage, end in zip(self.stages, ends(self.stages), strict=True)
        )


def planned(
    profile: Profile,
    users: int = EXPECTED_USERS,
    *,
    seconds: float | None = None,
    warmup_s: float = WARMUP_S,
    full: bool = False,
) -> Plan:
    """The plan of a profile for so many expected users; `seconds` do not count the warm-up.

    `baseline` has 1 to 10 users, `load` 10 times the expected ones, `stress` steps up to 40 times,
    `spike` jumps to 24 times and back, `endurance` keeps the expected ones, for 30 minutes if `full`.
    """
    if seconds is None:
        seconds = _FULL_S.get(profile, _SECONDS[profile]) if full else _SECONDS[profile]
    match profile:
        case "baseline":
            shape = [Stage(users=min(users, _BASELINE_USERS), seconds=seconds)]
        case "load":
            shape = [Stage(users=_LOAD * users, seconds=seconds)]
        case "endurance":
            shape = [Stage(users=users, seconds=seconds)]
        case "stress":
            shape = _rising(_STRESS * users, seconds)
        case "spike":
            shape = _spike(users, _SPIKE * users, seconds)
    return staged(shape, warmup_s)


def staged(stages: Sequence[Stage], warmup_s: float = WARMUP_S) -> Plan:
    """The plan of these stages, with a warm-up before in which the users of the first one come."""
    first = Stage(users=stages[0].users, seconds=warmup_s, ramp_s=warmup_s)
    return Plan(stages=(first, *stages) if warmup_s else tuple(stages), warmup_s=warmup_s)


def _rising(users: int, seconds: float) -> list[Stage]:
    step_s = seconds / _STRESS_STEPS
    return [
        Stage(users=round(users * step / _STRESS_STEPS), seconds=step_s, ramp_s=step_s / 4)
        for step in range(1, _STRESS_STEPS + 1)
    ]


def _spike(calm: int, peak: int, seconds: float) -> list[Stage]:
    """A quarter calm, a quarter at the peak, and half to recover in."""
    ramp_s = min(_SPIKE_RAMP_S, seconds / 12)
    return [
        Stage(users=calm, seconds=seconds / 4),
        Stage(users=peak, seconds=seconds / 4, ramp_s=ramp_s),
        Stage(users=calm, seconds=seconds / 2, ramp_s=ramp_s / 2),
    ]
