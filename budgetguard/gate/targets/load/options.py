"""What a load budget says about how it is run, and how it is read from a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budgetguard.gate.limits import nearest
from budgetguard.gate.section import Section
from budgetguard.gate.serve.serving import START_S, Serving
from budgetguard.gate.side import Side
from budgetguard.gate.targets.command.words import read_words
from budgetguard.gate.targets.load.environments import (
    MOST_USERS,
    Environment,
    below,
    bounded,
    read_environments,
)
from budgetguard.gate.targets.load.profiles import (
    EXPECTED_USERS,
    PROFILES,
    WARMUP_S,
    Plan,
    Profile,
    planned,
    staged,
)
from budgetguard.gate.targets.load.traffic import Model, Stage

OPTIONS = frozenset(
    {
        *("profile", "users", "stages", "duration", "warmup", "model", "rate", "seed"),
        *("processes", "workers", "serve", "setup", "env", "cwd", "ready", "port", "timeout"),
        *("host", "headers", "allow_remote", "environments"),
    }
)
_STAGE_KEYS = frozenset({"users", "for", "ramp"})
_MOST_PROCESSES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How the app is started on any side; what `env` holds is never shown."""

    argv: tuple[str, ...]
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str = ""
    ready: str = ""
    port: int | None = None
    start_s: float = START_S

    def of(self, side: Side) -> Serving:
        """The same in the folder of a side."""
        return Serving(
            argv=self.argv,
            cwd=side.folder / self.cwd,
            env=self.env,
            ready=self.ready,
            start_s=self.start_s,
            setup=self.setup,
            port=self.port,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """A locustfile, the users that come and where they go."""

    locustfile: str
    profile: Profile | None = None
    users: int = EXPECTED_USERS
    stages: tuple[Stage, ...] = ()
    duration_s: float | None = None
    warmup_s: float = WARMUP_S
    model: Model = "closed"
    rate: float = 0.0
    seed: int = 0
    processes: int = 1
    external: bool = False
    served: Served | None = None
    environments: Mapping[str, Environment] = field(default_factory=dict)

    def plan(self, *, profile: Profile | None = None, full: bool = False) -> Plan | None:
        """The stages of a run, of another `profile` where one is named; None: by the locustfile itself."""
        if self.stages and profile is None:
            return staged(self.stages, self.warmup_s)
        name = profile or self.profile
        if name is None:
            return None
        seconds = None if full else self.duration_s
        return planned(name, self.users, seconds=seconds, warmup_s=self.warmup_s, full=full)


def parse(section: Section) -> LoadOptions:
    """The options of `load:`; every problem is noted in the section."""
    served = _served(section)
    profile, stages = _shape(section)
    model, rate = _arrivals(section)
    return LoadOptions(
        locustfile=section.text("load").strip(),
        profile=profile,
        users=bounded(section, "users", EXPECTED_USERS, MOST_USERS),
        stages=stages,
        duration_s=section.seconds("duration", 0.0) or None,
        warmup_s=section.seconds("warmup", WARMUP_S),
        model=model,
        rate=rate,
        seed=bounded(section, "seed", 1, 1 << 31) if "seed" in section else 0,
        processes=bounded(section, "processes", 1, _MOST_PROCESSES),
        external=_external(section),
        served=served,
        environments=read_environments(section, served=served is not None),
    )


def _shape(section: Section) -> tuple[Profile | None, tuple[Stage, ...]]:
    """The profile or the stages; neither leaves it to the locustfile's own shape."""
    stages = _stages(section)
    word = section.text("profile")
    profile = next((one for one in PROFILES if one == word), None)
    if word and profile is None:
        section.problem("profile", f"no profile {word!r}{nearest(word, PROFILES)}")
    if word and stages:
        section.problem(
            "stages", "profile and stages both say what users come: keep one of the two"
        )
    if "duration" in section and not word:
        section.problem("duration", "is how long a profile lasts; expected profile: beside it")
    return profile, stages


def _stages(section: Section) -> tuple[Stage, ...]:
    node = section.node("stages")
    if node is None:
        return ()
    if not isinstance(node.value, list) or not node.value:
        section.problem("stages", "expected a list such as [{users: 50, for: 10 s}]")
        return ()
    return tuple(
        _stage(below(section, item, f"stages[{number}]")) for number, item in enumerate(node.value)
    )


def _stage(one: Section) -> Stage:
    one.unknown(_STAGE_KEYS)
    for key in ("users", "for"):
        if key not in one:
            one.problem("", f"expected {key}: in a stage, as in {{users: 50, for: 10 s}}")
    seconds = one.seconds("for", 1.0)
    ramp_s = one.seconds("ramp", 0.0) if "ramp" in one else 0.0
    if ramp_s > seconds:
        one.problem(
            "ramp", "the users of a stage have to come before it ends; expected ramp <= for"
        )
    return Stage(users=bounded(one, "users", 1, MOST_USERS), seconds=seconds, ramp_s=ramp_s)


def _arrivals(section: Section) -> tuple[Model, float]:
    word, rate = section.text("model", "closed"), section.per_second("rate")
    if word not in ("closed", "open"):
        section.problem(
            "model", f"expected closed or open; got {word!r}{nearest(word, ('closed', 'open'))}"
        )
        return "closed", 0.0
    if word == "open" and "rate" not in section:
        section.problem(
            "model", "with model: open tasks begin at a constant rate; expected rate: 100 /s"
        )
    if word == "closed" and "rate" in section:
        section.problem(
            "rate", "with model: closed the users decide; expected model: open beside it"
        )
    return ("open", rate) if word == "open" else ("closed", 0.0)


def _external(section: Section) -> bool:
    word = section.text("workers")
    if word and word != "external":
        section.problem(
            "workers",
            f"expected external, for workers that you start elsewhere; how many is processes:; got {word!r}",
        )
    return bool(word)


def _served(section: Section) -> Served | None:
    argv = read_words(section, "serve")
    others = [
        name for name in ("setup", "env", "cwd", "ready", "port", "timeout") if name in section
    ]
    if not argv:
        for name in others if "serve" not in section else ():
            section.problem(
                name, "belongs to the app that serve: starts; expected serve: beside it"
            )
        return None
    ready = section.text("ready")
    if ready and not ready.startswith("/"):
        section.problem("ready", f"expected a path such as /health; got {ready!r}")
    return Served(
        argv=argv,
        setup=read_words(section, "setup"),
        env=section.mapping("env"),
        cwd=section.text("cwd"),
        ready=ready,
        port=bounded(section, "port", 1, 65535) if "port" in section else None,
        start_s=section.seconds("timeout", START_S),
    )
