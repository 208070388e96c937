"""A command that does more, for `budgetguard selftest`: a program of ours works first, then becomes it."""

from dataclasses import replace
from typing import cast

from budgetguard.gate.model import Budget
from budgetguard.gate.targets.command.options import CommandOptions

TWICE = "budgetguard-runs-it-twice"
"""The work of running the command once more; only where this word stands on PYTHONPATH."""
_PROGRAM = f"""
import os, sys, time
work, amount, *argv = sys.argv[1:]
if argv[0] in ("python", "python3"):
    argv[0] = sys.executable
if work == "burn":
    end = time.process_time() + float(amount)
    while time.process_time() < end:
        pass
elif work == "sleep":
    time.sleep(float(amount))
elif work == "hold":
    held = bytearray(int(float(amount)))
    time.sleep(0.5)
elif work == {TWICE!r} and {TWICE!r} in os.environ.get("PYTHONPATH", ""):
    os.waitpid(os.posix_spawnp(argv[0], argv, os.environ), 0)
os.execvp(argv[0], argv)
"""


def with_more(budget: Budget, work: str, amount: float) -> Budget:
    """The budget of a command that burns or sleeps seconds, holds bytes, or runs twice."""
    options = cast("CommandOptions", budget.options)
    argv = ("python", "-I", "-S", "-c", _PROGRAM, work, repr(amount), *options.argv)
    return replace(budget, options=replace(options, argv=argv))
