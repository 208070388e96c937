"""What reaches the terminal: colours where they are wanted, and never a crash over a pipe or a name."""

import os
import shutil
import sys
import time
from typing import TextIO

from budgetguard.gate.report.wording import shorten, visible

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
_WIDEST = 120
_FILE_WIDTH = 100
_QUIET_S = 2.0
_REFRESH_S = 0.1


def say(text: str) -> None:
    """Write a line, or several, to standard output."""
    put(f"{text}\n", sys.stdout)


def put(text: str, stream: TextIO) -> None:
    """Write text to a stream; a reader that left early does not change what the command ends in."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # Python flushes both streams at exit and would complain about this one again
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def style(text: str, looks: str) -> str:
    """A text in `red`, `green`, `yellow`, `bold` or `dim`, where standard output shows colours."""
    return f"\x1b[{_COLOURS[looks]}m{text}\x1b[0m" if text and coloured(sys.stdout) else text


def coloured(stream: TextIO) -> bool:
    """Whether colours are wanted there: NO_COLOR and FORCE_COLOR, then whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """How many columns a report may take."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return min(shutil.get_terminal_size().columns, _WIDEST)
    return _FILE_WIDTH


class Progress:
    """One line on standard error about what is being measured; nothing unless a person watches it."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()
        self._last = 0.0

    def __call__(self, what: str) -> None:
        """Show what is being measured, from the second second on."""
        now = time.monotonic()
        if not self._wanted or now - self._started < _QUIET_S or now - self._last < _REFRESH_S:
            return
        self._last = now
        room = shutil.get_terminal_size().columns - 1
        text = f"{now - self._started:4.0f} s  {visible(what.strip())}"
        put(f"\r\x1b[2K{shorten(text, room)}", sys.stderr)

    def clear(self) -> None:
        """Take the line away."""
        if self._last:
            put("\r\x1b[2K", sys.stderr)
            self._last = 0.0
