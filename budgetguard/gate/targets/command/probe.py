"""Runs a command once per round and turns what it cost into readings."""

import shlex
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget, Point, Reading, Readings
from budgetguard.gate.side import Side
from budgetguard.gate.sides.surroundings import environment
from budgetguard.gate.targets.command.counted import LONGEST_S, SLOWER, read_instructions
from budgetguard.gate.targets.command.guard import (
    find,
    loaded_from,
    misplaced,
    of_other_environment,
    witnessed,
)
from budgetguard.gate.targets.command.options import CommandOptions
from budgetguard.gate.targets.command.output import last_lines, read_numbers
from budgetguard.process import Finished, run
from budgetguard.redaction import Redaction
from budgetguard.units import Unit, show

INTERPRETERS = frozenset({"python", "python3"})
NO_WAITING = "waiting cannot be read where several processes or threads work"
_SHOWN_CHARS = 60


class CommandProbe:
    """A command on one side; every round is a process of its own.

    `other` is the side it is compared with, whose code it must not run.
    """

    def __init__(
        self, budget: Budget, side: Side, seed: int | None = None, other: Side | None = None
    ) -> None:
        self._budget = budget
        self._options = cast("CommandOptions", budget.options)
        self._side = side
        self._other = other
        self._cwd = side.folder / self._options.cwd
        self._seed = seed
        self._instructions: Reading | None = None
        self._env = environment(self._options.env, self._options.cwd, side, seed, other)
        self._redacted = Redaction(self._options.env)
        self._failed: Reading | None = None
        self._reads_waiting: bool | None = None

    def budgets(self) -> Sequence[Budget]:
        """The one budget it was started for."""
        return (self._budget,)

    def prepare(self) -> None:
        """Run the setup; where it fails, so does every round."""
        if self._options.setup:
            ended = self._run(self._options.setup, "setup ")
            self._failed = ended if isinstance(ended, Reading) else None

    def use_seed(self, seed: int) -> None:
        """Give the Python processes of later runs another hash seed."""
        options = self._options
        self._env = environment(options.env, options.cwd, self._side, seed, self._other)

    def run(self) -> Finished | Reading:
        """Run the command once; a `Reading` is why that did not work."""
        return self._failed or self._run(self._options.argv, "")

    def run_guarded(self) -> Finished | Reading:
        """Run it once, not to be measured, and see that it is this side's code that runs."""
        if self._failed or self._other is None:
            return self.run()
        words = self._words(self._options.argv)
        program = find(words, self._cwd, self._env)
        foreign = misplaced(words, program, self._side, self._other)
        if not foreign and not of_other_environment(program, self._side, self._other):
            with witnessed(self._env) as (env, told):
                ended = self._run(self._options.argv, "", env)
                foreign = loaded_from(told, self._side, self._other)
            if not foreign:
                return ended
        return Reading(
            error=f"it ran {self._redacted(foreign or str(program))}, which belongs to the other "
            f"side; write paths in the command relative to cwd, and install what it runs by setup"
        )

    def is_missing(self) -> bool:
        """Whether this side has no such program, or no such folder to run it in."""
        if self._failed:
            return False
        program = find(self._words(self._options.argv), self._cwd, self._env)
        if program is None or not self._cwd.is_dir():
            return True
        return self._other is not None and of_other_environment(program, self._side, self._other)

    def round(self, wanted: Collection[Budget]) -> Readings:
        """Run the command once and read what the limits ask for.

        A command that fails, hangs or leaves processes behind fails its budget as a whole.
        """
        name = self._budget.name
        asked = {
            limit.metric.name for budget in wanted if budget.name == name for limit in budget.limits
        }
        if not asked:
            return {}
        ended = self.run()
        if isinstance(ended, Reading):
            return {Point(name, "", ""): ended}
        readings = self._costs(ended) | self.numbers(ended, asked)
        if "instructions" in asked:
            self._instructions = self._instructions or self._counted()
            readings["instructions"] = self._instructions
        return {Point(name, "", metric): readings[metric] for metric in sorted(asked)}

    def numbers(self, finished: Finished, asked: Collection[str]) -> dict[str, Reading]:
        """The declared numbers of these names that it printed."""
        declared = self._options.numbers
        wanted = {name: declared[name] for name in sorted(declared.keys() & set(asked))}
        if not wanted:
            return {}
        cut = finished.stdout_bytes > len(finished.stdout.encode(errors="replace"))
        return read_numbers(finished.stdout, cut=cut, wanted=wanted)

    def _counted(self) -> Reading:
        """Once is enough, and after the plain run: that has written the bytecode of Python files."""
        limit_s = min(LONGEST_S, SLOWER * self._options.timeout_s)

        def behind(prefix: tuple[str, ...], env: Mapping[str, str]) -> Finished | Reading:
            return self._run(self._options.argv, "", env, prefix=prefix, timeout_s=limit_s)

        return read_instructions(behind, self._env, self._options.env, self._seed)

    def _words(self, argv: Sequence[str]) -> Sequence[str]:
        return (self._side.python, *argv[1:]) if argv[0] in INTERPRETERS else argv

    def _run(
        self,
        argv: Sequence[str],
        what: str,
        env: Mapping[str, str] | None = None,
        *,
        prefix: tuple[str, ...] = (),
        timeout_s: float | None = None,
    ) -> Finished | Reading:
        """Run to the end; a `Reading` is why that did not work."""
        limit_s = self._options.timeout_s if timeout_s is None else timeout_s
        try:
            finished = run(
                (*prefix, *self._words(argv)),
                cwd=self._cwd,
                env=self._env if env is None else env,
                timeout_s=limit_s,
            )
        except MeasureError as error:
            return Reading(error=self._redacted(f"{what}{error}"))
        problem = _problem(finished, limit_s)
        if not problem:
            return finished
        return Reading(
            error=f"{what}`{_shown(self._redacted(shlex.join(argv)))}` {problem}",
            evidence=last_lines(self._redacted(finished.stderr)),
        )

    def _costs(self, finished: Finished) -> dict[str, Reading]:
        blocked = finished.blocked_s
        return {
            "time": self._time(finished),
            "cpu": Reading(value=finished.cpu_s),
            "blocked": Reading(error=f"{NO_WAITING}; put the limit on cpu or wall")
            if blocked is None
            else Reading(value=blocked),
            "wall": Reading(value=finished.wall_s),
            "peak_rss": Reading(value=finished.peak_rss_bytes),
        }

    def _time(self, finished: Finished) -> Reading:
        """CPU time and waiting, or CPU time alone, but never now this and now that."""
        blocked = finished.blocked_s
        if self._reads_waiting is None:
            self._reads_waiting = blocked is not None
        if not self._reads_waiting:
            return Reading(value=finished.cpu_s, note=f"CPU time only: {NO_WAITING}")
        if blocked is None:
            return Reading(
                error=f"{NO_WAITING}, which this command does in some runs and not in others; "
                f"put the limit on cpu"
            )
        return Reading(value=finished.cpu_s + blocked)


def _problem(finished: Finished, timeout_s: float) -> str:
    """What is wrong with how a command ended, and the next step; "" where nothing is."""
    if finished.timed_out:
        limit = show(timeout_s, Unit.SECONDS)
        return f"did not end within {limit} and was ended; raise timeout, or make it do less"
    if finished.exit_code < 0:
        return f"was killed by {_signal(-finished.exit_code)}; run it by hand to see why"
    if finished.exit_code:
        return f"ended with exit code {finished.exit_code}; expected 0: run it by hand to see why"
    if finished.left_behind:
        more = len(finished.left_behind) - 1
        others = f" and {more} more" if more else ""
        return (
            f"left a process behind ({finished.left_behind[0]}{others}), which was ended; "
            f"a command is measured to its end: let it wait for what it starts"
        )
    return ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _shown(line: str) -> str:
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
