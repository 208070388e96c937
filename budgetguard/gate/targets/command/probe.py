"""Runs a command once per round and turns what it cost into readings."""

import os
import shlex
import signal
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget, Point, Reading, Readings, Side
from budgetguard.gate.targets.command.options import CommandOptions
from budgetguard.gate.targets.command.output import Redaction, last_lines, read_numbers
from budgetguard.process import Finished, run
from budgetguard.units import Unit, show

INTERPRETERS = frozenset({"python", "python3"})
_SHOWN_CHARS = 60
_NO_WAITING = "waiting cannot be read where several processes or threads work"


class CommandProbe:
    """A command on one side; every round is a process of its own."""

    def __init__(self, budget: Budget, side: Side, seed: int | None = None) -> None:
        self._budget = budget
        self._options = cast("CommandOptions", budget.options)
        self._side = side
        self._env = _environment(self._options, side, seed)
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
        ended = self._failed or self._run(self._options.argv, "")
        if isinstance(ended, Reading):
            return {Point(name, "", ""): ended}
        readings = self._costs(ended) | self._numbers(ended, asked)
        return {Point(name, "", metric): readings[metric] for metric in sorted(asked)}

    def _run(self, argv: Sequence[str], what: str) -> Finished | Reading:
        """Run to the end; a `Reading` is why that did not work."""
        program = self._side.python if argv[0] in INTERPRETERS else argv[0]
        try:
            finished = run(
                (program, *argv[1:]),
                cwd=self._side.folder / self._options.cwd,
                env=self._env,
                timeout_s=self._options.timeout_s,
            )
        except MeasureError as error:
            return Reading(error=self._redacted(f"{what}{error}"))
        problem = _problem(finished, self._options.timeout_s)
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
            "blocked": Reading(error=f"{_NO_WAITING}; put the limit on cpu or wall")
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
            return Reading(value=finished.cpu_s, note=f"CPU time only: {_NO_WAITING}")
        if blocked is None:
            return Reading(
                error=f"{_NO_WAITING}, which this command does in some runs and not in others; "
                f"put the limit on cpu"
            )
        return Reading(value=finished.cpu_s + blocked)

    def _numbers(self, finished: Finished, asked: set[str]) -> dict[str, Reading]:
        declared = self._options.numbers
        wanted = {name: declared[name] for name in sorted(asked & declared.keys())}
        if not wanted:
            return {}
        cut = finished.stdout_bytes > len(finished.stdout.encode(errors="replace"))
        return read_numbers(finished.stdout, cut=cut, wanted=wanted)


def _environment(options: CommandOptions, side: Side, seed: int | None) -> dict[str, str]:
    env = dict(os.environ)
    folder = str(Path(side.python).parent)
    env["PATH"] = os.pathsep.join(part for part in (folder, env.get("PATH", os.defpath)) if part)
    if seed is not None:
        env["PYTHONHASHSEED"] = str(seed % (1 << 32))
    return {**env, **options.env}


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
