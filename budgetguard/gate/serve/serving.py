"""How an app is started: its words, its environment and its port, filled in for one place."""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from budgetguard.process import Finished
from budgetguard.redaction import Redaction
from budgetguard.units import Unit, show

HOST = "127.0.0.1"
START_S = 30.0
SHOWN_LINES = 5
_LINE_CHARS = 100
_COMMAND_CHARS = 200
_PLACES = re.compile(r"\{\{(?:port|dir)\}\}|\{(?:port|dir)\}")
_INTERPRETERS = frozenset({"python", "python3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an app is started; words and values of `env` may hold `{port}` and `{dir}`.

    `{{port}}` stands for `{port}` itself, and so does any other brace. `ready` is the path that answers
    2xx or 3xx once the app is ready; with "" any HTTP answer will do. `start_s` bounds the setup
    and the start, each. Without `port` a free one is taken. What `env` holds is never shown.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: str = ""
    start_s: float = START_S
    setup: tuple[str, ...] = ()
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command of a `Serving` as it is started in one place, and the texts that tell of it."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    redacted: Redaction = field(repr=False)

    def shown(self) -> str:
        """The command as a message shows it, without secrets."""
        return f"`{_cut(_visible(self.redacted(shlex.join(self.argv))), _COMMAND_CHARS)}`"

    def how(self, finished: Finished) -> str:
        """How it ended and after how long, for a sentence."""
        code, lasted = finished.exit_code, show(finished.wall_s, Unit.SECONDS)
        ended = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        left = len(finished.left_behind)
        behind = f" and left processes behind ({left}), which were ended" if left else ""
        return f"{self.shown()} {ended} after {lasted}{behind}"

    def last_lines(self, finished: Finished) -> str:
        """The end of a message: its last lines, those of standard error after the others."""
        printed = self.redacted(f"{finished.stdout}\n{finished.stderr}").splitlines()
        lines = [line for line in map(str.strip, printed) if line][-SHOWN_LINES:]
        if not lines:
            return "it printed nothing"
        return "\n".join(
            ["its last lines:", *(f"  {_cut(_visible(x), _LINE_CHARS)}" for x in lines)]
        )


class Filled:
    """A `Serving` in its place: what `{port}` and `{dir}` stand for is known."""

    def __init__(
        self,
        serving: Serving,
        python: str,
        port: int,
        folder: Path,
        environ: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._serving = serving
        self._python = python
        self._values = {
            "{port}": str(port),
            "{dir}": str(folder),
            "{{port}}": "{port}",
            "{{dir}}": "{dir}",
        }
        env = {name: self._fill(value) for name, value in serving.env.items()}
        self._env = environ(env)
        public = {"{port}", "{dir}"}  # our own words, without which a message tells nothing
        self.redacted = Redaction({n: v for n, v in env.items() if serving.env[n] not in public})

    def launch(self, argv: Sequence[str]) -> Launch:
        """One of its commands, ready to be started."""
        words = tuple(self._fill(word) for word in argv)
        if words[:1] and words[0] in _INTERPRETERS:
            words = (self._python, *words[1:])
        return Launch(argv=words, cwd=self._serving.cwd, env=self._env, redacted=self.redacted)

    def _fill(self, text: str) -> str:
        return _PLACES.sub(lambda found: self._values[found[0]], text)


def plain_environment(
    env: Mapping[str, str], python: str, cwd: Path, seed: int | None
) -> dict[str, str]:
    """Ours, with the interpreter's folder first in PATH, the hash seed, and `env` over it all."""
    path = os.environ.get("PATH", os.defpath)
    ours = {
        **os.environ,
        "PATH": os.pathsep.join(part for part in (str(Path(python).parent), path) if part),
        "PWD": str(cwd),
    }
    if seed is not None:
        ours["PYTHONHASHSEED"] = str(seed % (1 << 32))
    return {**ours, **env}


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
