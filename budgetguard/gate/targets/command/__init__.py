"""The target `command`: what a program costs from its start to its end, a fresh process each time.

`command:` is text, split into words without a shell, or a list of words. Text with shell syntax in
it is refused: the list ["sh", "-c", "…"] spells a shell line. As the first word, `python` and
`python3` are the interpreter of the side that is measured, and its folder comes first in PATH, so
that the scripts of that environment are found without activating it; a PATH under `env:` is taken
as it stands. `cwd:` is relative to the configuration's folder; standard input is empty.

`setup:` is run once, not measured, before the first reading of each probe. `numbers:` declares what
the program prints about itself: its standard output, or the last line of it that is a JSON object,
holds each number in its base unit (bytes, seconds, 0.05 for 5 %).

`instructions` are those of all its processes, from begin to end, counted in a run of its own.

`time` is `cpu` + `blocked`. Where waiting cannot be read, because several processes or threads
worked, `blocked` is an error and `time` is CPU time alone, which its note says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from budgetguard.gate.limits import LimitError, check_numbers
from budgetguard.gate.meters.work import INSTRUCTIONS
from budgetguard.gate.model import Budget, Metric, Request, Rule
from budgetguard.gate.section import Section
from budgetguard.gate.side import Side
from budgetguard.gate.targets.command.options import CommandOptions
from budgetguard.gate.targets.command.probe import CommandProbe
from budgetguard.gate.targets.command.words import read_words
from budgetguard.units import Unit

NAME = "command"
METRICS: Mapping[str, Metric] = {
    name: Metric(
        name=name, unit=unit, about=about, exact=False, rule=Rule.CEILING, relative=relative
    )
    for name, unit, about, relative in (
        ("time", Unit.SECONDS, "cpu + blocked: wall without the wait for a processor", True),
        ("cpu", Unit.SECONDS, "CPU time of all its processes", True),
        ("blocked", Unit.SECONDS, "waiting for I/O, locks or sleep", True),
        ("wall", Unit.SECONDS, "time on the clock", False),
        ("peak_rss", Unit.BYTES, "highest sum of resident memory over all its processes", True),
    )
} | {INSTRUCTIONS.name: INSTRUCTIONS}
OPTIONS = frozenset({"numbers", "setup", "env", "cwd", "timeout"})
TIMEOUT_S = 60.0
_ADDRESSABLE = re.compile(r"[^\s<>=≤≥()]+")
_ENVIRONMENT_NAME = re.compile(r"[^=\0]+")


def parse(section: Section) -> CommandOptions:
    """The command and how it is run."""
    return CommandOptions(
        argv=read_words(section, NAME),
        setup=read_words(section, "setup"),
        cwd=section.text("cwd"),
        env=_env(section),
        timeout_s=section.seconds("timeout", TIMEOUT_S),
        numbers=_numbers(section),
    )


def metrics(options: object) -> Mapping[str, Metric]:
    """The metrics of every command, and the numbers this one declares."""
    if not isinstance(options, CommandOptions):
        return METRICS
    return {**METRICS, **options.numbers}


def plan(
    budgets: Sequence[Budget],
    request: Request,
    folder: Path,  # noqa: ARG001  # that of the side counts
) -> Sequence["CommandJob"]:
    """One job per budget: two commands never run beside each other."""
    return [CommandJob(budget, request.seed) for budget in budgets]


@dataclass(frozen=True, slots=True)
class CommandJob:
    """The measuring of one command; `seed` fixes the hash seed of Python processes."""

    budget: Budget
    seed: int | None = None

    @contextmanager
    def start(self, side: Side) -> Iterator[CommandProbe]:
        """Run the setup on one side; between two rounds nothing runs."""
        probe = CommandProbe(self.budget, side, self.seed)
        probe.prepare()
        yield probe


def _env(section: Section) -> dict[str, str]:
    env = section.mapping("env")
    for name, value in env.items():
        if not _ENVIRONMENT_NAME.fullmatch(name) or "\0" in value:
            section.problem(
                "env", f"{name!r} cannot be set: expected a name without =, and no NUL character"
            )
    return env


def _numbers(section: Section) -> dict[str, Metric]:
    """The declared numbers; each that cannot be one becomes a problem and is left out."""
    numbers = {}
    for name, declared in section.mapping("numbers").items():
        if not _ADDRESSABLE.fullmatch(name):
            section.problem(
                "numbers",
                f"{name!r} cannot be named in a limit; expected a word without spaces, "
                f"brackets or operators, such as tokens_used",
            )
            continue
        try:
            numbers[name] = check_numbers({name: declared}, METRICS)[name]
        except LimitError as error:
            section.problem("numbers", str(error))
    return numbers
