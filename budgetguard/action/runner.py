"""What a step says to GitHub's runner: outputs, the summary of the job, and workflow commands."""

import secrets
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

RUN_OUTPUTS = (
    "status",
    "exit-code",
    "gate",
    "folder",
    "report",
    "summary",
    "over-budget",
    "guarded",
    "artifact",
)
COMMENT_OUTPUTS = ("comment-url", "comment-file")


def write_outputs(environment: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Set outputs of this step; a line break in a value cannot begin another output."""
    lines = "".join(f"{name}={' '.join(value.splitlines())}\n" for name, value in values.items())
    _append(environment.get("GITHUB_OUTPUT", ""), lines)


def add_summary(environment: Mapping[str, str], text: str) -> None:
    """Add Markdown to the summary of the job."""
    _append(environment.get("GITHUB_STEP_SUMMARY", ""), text)


def command(name: str, message: str, **properties: str) -> str:
    """A workflow command, such as an annotation; nothing in it can begin another one.

    The escapes are those of `@actions/core`.
    """
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if told else ''}{told}::{_data(message)}"


def send(commands: Sequence[str]) -> None:
    """Give workflow commands to the runner, which reads standard output."""
    for line in commands:
        print(line, flush=True)


def say(text: str) -> None:
    """Write to the log of the job; whatever the text holds, it is no command."""
    with no_commands():
        print(text, flush=True)


def say_bug(error: Exception) -> str:
    """Put the traceback of a bug of ours into the log, and return the line that tells of it."""
    say("".join(traceback.format_exception(error)))
    return f"this is a bug in budgetguard, not in your project: {type(error).__name__}: {error}"


@contextmanager
def no_commands() -> Iterator[None]:
    """What a child prints meanwhile commands the runner nothing: names and texts come from outside."""
    token = secrets.token_hex(16)
    send([f"::stop-commands::{token}"])
    try:
        yield
    finally:
        sys.stderr.flush()
        send([f"::{token}::"])


def _append(file: str, text: str) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
