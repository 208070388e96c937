"""Target `test`: pytest items. All are one job, one child pytest that measures and tells (`wire.py`)."""

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetguard import process
from budgetguard.errors import ConfigError
from budgetguard.gate.items import TestOptions
from budgetguard.gate.limits import check_numbers
from budgetguard.gate.meters import METRICS
from budgetguard.gate.meters.memory import SCRATCH
from budgetguard.gate.model import Budget, Metric, Point, Reading, Readings, Request, Where
from budgetguard.gate.section import Section
from budgetguard.gate.side import Side
from budgetguard.gate.wire import messages, to_budget, to_reading
from budgetguard.redaction import Redaction

__all__ = ["METRICS", "NAME", "OPTIONS", "metrics", "parse", "plan"]

NAME = "test"
OPTIONS = frozenset({"numbers"})
SESSION_TIMEOUT_S = 3600.0
"""A session that takes longer than this is ended; its budgets are ERROR."""
_SOUND_ENDS = (0, 1, 5)
"""pytest's exit codes for all passed, some failed, none collected."""
_KEPT_LINES = 12
_WORDS = (b"budget", b"max_queries", b"limit_memory")
_LARGEST_SOURCE = 4_000_000
_NOT_OURS = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist"})


def parse(section: Section) -> TestOptions:
    """Which tests are meant, and the numbers they report."""
    return TestOptions(select=section.text(NAME), numbers=section.mapping("numbers"))


def metrics(options: object) -> Mapping[str, Metric]:
    """All test metrics and the declared numbers."""
    return check_numbers(options.numbers, METRICS) if isinstance(options, TestOptions) else METRICS


def plan(budgets: Sequence[Budget], request: Request, folder: Path) -> Sequence["Session"]:
    """One session, where tests are named, the configuration has groups or a file may hold a marker."""
    groups = tuple(one for one in budgets if not request.names or one.name in request.names)
    tests = tuple(name for name in request.names if _names_test(name, folder))
    if request.names and not (tests or groups):
        return []
    if not (tests or groups or _mentions_budget(folder)):
        return []
    # What pytest is given narrows what it collects: only where no group asks for more.
    # Whole files: for a test in one that does not import, pytest would only say that there is none.
    files = tuple(dict.fromkeys(name.partition("::")[0] for name in tests))
    return [Session(budgets=groups, request=request, paths=() if groups else files)]


def _names_test(name: str, folder: Path) -> bool:
    return "::" in name or (name.endswith(".py") and (folder / name).is_file())


@dataclass(frozen=True, slots=True)
class Session:
    """One child pytest from the configuration's folder."""

    budgets: Sequence[Budget]
    request: Request
    paths: Sequence[str] = ()

    @contextmanager
    def start(self, side: Side) -> Iterator["Told"]:
        """Run it to its end, then hand on what it told."""
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            wire = Path(folder) / "wire.jsonl"
            finished = process.run(
                [side.python, "-m", "pytest", *self._arguments(wire)],
                cwd=side.folder,
                env=self._environment(folder, side),
                timeout_s=SESSION_TIMEOUT_S,
                on_line=self._progress,
            )
            yield _told(list(messages(wire)), finished, self._expected())

    def _progress(self, line: bytes) -> None:
        self.request.watch(line.decode(errors="replace"))

    def _arguments(self, wire: Path) -> list[str]:
        request = self.request
        arguments = [*self.paths]
        arguments += [f"--budget-wire={wire}", f"--budget-config={request.config}", "-v"]
        arguments += [
            "-m",
            "",
            "-k",
            "",
            "-p",
            "no:randomly",
            "--maxfail=0",
            "-o",
            "console_output_style=classic",
        ]
        arguments += [f"--budget-name={name}" for name in request.names]
        arguments += ["--budget-exact"] if request.exact else []
        # which tests are in it is known once pytest has found them
        arguments += [f"--budget-shard={request.shard}"] if request.shard else []
        if request.inject:
            arguments += ["-p", "pytest_budgetguard.inject", f"--budget-inject={request.inject}"]
        arguments += [f"--budget-seed={request.seed}"] if request.seed is not None else []
        return arguments

    def _expected(self) -> list[Budget]:
        """The groups that some test has to tell of; a limit on time is no matter of an exact run."""
        return [
            one
            for one in self.budgets
            if not self.request.exact or one.measuring(exact=True).limits
        ]

    def _environment(self, scratch: str, side: Side) -> dict[str, str]:
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"
        }
        environment[SCRATCH] = scratch
        if self.request.seed is not None:
            environment["PYTHONHASHSEED"] = str(self.request.seed)
        # a shared environment would load the work tree's code
        return side.first_on_path(environment)


@dataclass(frozen=True, slots=True)
class Told:
    """What a session told; a further reading would be a further session, so there is none."""

    found: tuple[Budget, ...]
    readings: Readings
    rounds: list[int]

    def budgets(self) -> Sequence[Budget]:
        """The budgets of the tests that were collected, and stand-ins for what could not be."""
        return self.found

    def round(self, wanted: Collection[Budget]) -> Readings:
        """All readings at the first call; the session took as many as the limits need."""
        del wanted
        self.rounds.append(1)
        return self.readings if len(self.rounds) == 1 else {}


def _told(
    told: Sequence[Mapping[str, Any]], finished: process.Finished, groups: Sequence[Budget]
) -> Told:
    found: dict[str, Budget] = {}
    readings: dict[Point, Reading] = {}
    begun = "pytest"
    for message in told:
        match message["kind"]:
            case "begin":
                begun = str(message["name"])
            case "budget":
                budget = to_budget(message, METRICS)
                found[budget.name] = budget
                readings.pop(Point(budget.name, "", ""), None)  # of an earlier try, by a rerun
            case "reading":
                point, reading = to_reading(message)
                readings[point] = reading
            case "usage":
                raise ConfigError([str(problem) for problem in message["problems"]])
    kinds = {message["kind"] for message in told}
    if not _ended_well(told, finished):
        name = "pytest" if begun in found else begun  # the test that the process ended in
        found[name] = _stand_in(name)
        readings[Point(name, "", "")] = _broken(kinds, finished)
    else:
        for group in _without_tests(groups, found):
            found[group.name] = group
            readings[Point(group.name, "", "")] = Reading(
                error=f"no test matches {_selects(group)!r}"
            )
    return Told(tuple(found.values()), readings, [])


def _ended_well(told: Sequence[Mapping[str, Any]], finished: process.Finished) -> bool:
    """Whether pytest said its end, and that tests passed, failed or were not there: nothing worse."""
    end = next((message.get("exit") for message in told if message["kind"] == "end"), None)
    return end in _SOUND_ENDS and finished.exit_code in _SOUND_ENDS


def _without_tests(groups: Sequence[Budget], found: Mapping[str, Budget]) -> list[Budget]:
    covered = {name for budget in found.values() for name in budget.group.split("\n")}
    return [group for group in groups if group.name not in covered]


def _selects(group: Budget) -> str:
    return group.options.select if isinstance(group.options, TestOptions) else group.name


def _broken(kinds: Collection[object], finished: process.Finished) -> Reading:
    if finished.timed_out:
        why = f"the session was ended after {SESSION_TIMEOUT_S:.0f} s; check fewer tests at once, by NAME"
    elif "end" in kinds:
        why = (
            f"pytest ended with exit code {finished.exit_code}, not by passing or failing its tests"
        )
    elif "hello" in kinds:
        why = (
            f"the session ended half-way, exit code {finished.exit_code}: a test ended the process"
        )
    else:
        why = f"pytest ran without budgetguard, exit code {finished.exit_code}; find what turns it off"
    lines = (finished.stdout + finished.stderr).strip().splitlines()[-_KEPT_LINES:]
    redacted = Redaction()  # what pytest printed last may hold what a test raised
    return Reading(error=why, evidence=tuple(map(redacted, lines)))


def _stand_in(name: str) -> Budget:
    return Budget(name=name, target=NAME, limits=(), where=Where(""))


def _mentions_budget(folder: Path) -> bool:
    """Whether any Python file could hold a marker or fixture that we read: its text has the word."""
    seen: set[str] = set()
    for current, folders, files in os.walk(folder, followlinks=True):
        here = Path(current)
        real = os.path.realpath(here)
        if real in seen or (here != folder and (here / "budgetguard.yml").is_file()):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if _may_hold_tests(here / name)]
        if any(name.endswith(".py") and _holds_word(here / name) for name in files):
            return True
    return False


def _may_hold_tests(folder: Path) -> bool:
    hidden = folder.name in _NOT_OURS or folder.name.startswith(".")
    return not hidden and not (folder / "pyvenv.cfg").exists()


def _holds_word(file: Path) -> bool:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST_SOURCE:
            return False
        text = file.read_bytes()
    except OSError:
        return False
    return any(word in text for word in _WORDS)
