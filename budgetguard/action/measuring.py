"""Runs budgetguard's own commands for the Action, each in a process of its own."""

import glob
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from budgetguard.action.inputs import Inputs
from budgetguard.action.runner import no_commands
from budgetguard.errors import UsageError

CLEAN_UP_S, PIPE_S = 5.0, 5.0
_KEPT_LINES = 40
_LONGEST_LINE = 2_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    complaint: str
    """The end of what it wrote to standard error."""


def check_options(inputs: Inputs, against: str) -> list[str]:
    """The command line of `budgetguard check` that the inputs mean."""
    named = {
        "--config": inputs.config,
        "--only": inputs.only,
        "--against": against,
        "--shard": str(inputs.shard or ""),
    }
    flags = {"--exact": inputs.exact, "--strict": inputs.strict}
    return [
        "check",
        *(word for name, value in named.items() if value for word in (name, value)),
        *(name for name, wanted in flags.items() if wanted),
        *inputs.arguments,
    ]


def update_options(inputs: Inputs) -> list[str]:
    """The command line of `budgetguard baseline update`."""
    return ["baseline", "update", *(["--config", inputs.config] if inputs.config else [])]


def merge_options(inputs: Inputs) -> list[str]:
    """The command line of `budgetguard report merge`; raises `UsageError` where no file is found."""
    found = glob.glob(inputs.merge, root_dir=inputs.folder, recursive=True)  # noqa: PTH207  # absolute, too
    files = sorted(file for file in found if (inputs.folder / file).is_file())
    if not files:
        raise UsageError(
            f"input merge: {inputs.merge!r} matches no file in {inputs.folder}; expected the JSON report "
            f"of every shard; are they downloaded, and did the shards run to their end?"
        )
    return ["report", "merge", *(os.path.join(".", file) for file in files)]  # noqa: PTH118  # keeps the dot


def run(options: Sequence[str], inputs: Inputs, report: Path | None = None) -> Ended:
    """Run a command of budgetguard in the working directory, its output in the log of the job."""
    written = ["--report", str(report)] if report else []
    words = [sys.executable, "-P", "-m", "budgetguard", *options, *written]
    with no_commands():
        child = subprocess.Popen(
            words,
            cwd=inputs.folder,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert child.stderr is not None  # noqa: S101  # it is a pipe
        kept: deque[str] = deque(maxlen=_KEPT_LINES)
        reader = threading.Thread(target=_pass_on, args=(child.stderr, kept), daemon=True)
        reader.start()
        code = _ended(child)
        reader.join(PIPE_S)
        if not reader.is_alive():  # a process that the tests left behind may hold the pipe
            child.stderr.close()
    return Ended(code if code >= 0 else 4, "\n".join(kept))


def _ended(child: subprocess.Popen[bytes]) -> int:
    """Wait for the end; a job that is cancelled lets the child put everything away."""
    try:
        return child.wait()
    except BaseException:
        child.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        try:
            child.wait(CLEAN_UP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of what is measured: nothing in it writes this step's outputs or summary."""
    ends = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
    return {
        name: value
        for name, value in ours.items()
        if name not in ends and not name.startswith("INPUT_")
    }


def _pass_on(stream: BinaryIO, kept: deque[str]) -> None:
    while line := stream.readline(1 << 16):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        kept.append(line.decode("utf-8", "replace").rstrip()[:_LONGEST_LINE])
