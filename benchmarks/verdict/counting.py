"""Instructions of one call of a workload: what makes an injected or a released slowdown a known one.

valgrind's cachegrind without its cache simulation counts a whole process; two processes that differ
only in the number of calls give the cost of a call. Hash seed and environment are fixed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
FEW, MANY = 1, 6
COUNT_TIMEOUT_S = 300.0


def per_call(python: str, folder: Path, module: str, units: int = 0) -> float:
    """Instructions that one call executes, the mean of five after two others."""
    few, many = (instructions(python, folder, module, calls, units) for calls in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def at_units(python: str, folder: Path, module: str, units: Sequence[int]) -> list[float]:
    """Instructions of one call with so many units of work; what comes before the calls is counted once."""
    before = instructions(python, folder, module, 0, 0)
    return [(instructions(python, folder, module, MANY, one) - before) / MANY for one in units]


def instructions(python: str, folder: Path, module: str, calls: int, units: int) -> int:
    """Instructions of a process that calls a workload so often. Raises `RuntimeError` where none came."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind is missing; put it in with: apt-get install valgrind")
    command = [
        valgrind,
        "--tool=cachegrind",
        "--cache-sim=no",
        f"--cachegrind-out-file={os.devnull}",
    ]
    command += [python, "-B", str(WORKER), "count", str(folder), module, str(calls), str(units)]
    done = subprocess.run(
        command,
        env={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=COUNT_TIMEOUT_S,
        check=False,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-800:]}"
        )
    return int(found[1].replace(",", ""))


def bytecodes(python: str, folder: Path, module: str) -> int:
    """Interpreter instructions of the second call of a workload, by `sys.monitoring` (Python 3.12+)."""
    done = subprocess.run(
        [python, "-B", str(WORKER), "bytecodes", str(folder), module],
        env={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=COUNT_TIMEOUT_S,
        check=True,
    )
    return int(done.stdout)
