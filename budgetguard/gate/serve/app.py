"""Serves an app on a port of 127.0.0.1 while it is measured: started, ready, and always ended."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.gate.serve.ready import await_ready, choose_port
from budgetguard.gate.serve.server import Server
from budgetguard.gate.serve.serving import Filled, Launch, Serving, plain_environment
from budgetguard.process import run
from budgetguard.units import Unit, show


@contextlib.contextmanager
def served(
    serving: Serving,
    python: str,
    *,
    seed: int | None = None,
    environ: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
    made: Callable[[Path], object] = str,
) -> Iterator[Server]:
    """Serve the app while the block runs; afterwards neither a process nor `{dir}` is left.

    `python` is the interpreter that `python` as a first word means, and whose folder stands first
    in PATH; `seed` is the app's PYTHONHASHSEED. Where `environ` is given, it alone makes the whole
    environment from the filled-in `env`. `made` is told the fresh `{dir}` before anything is
    started. Raises `MeasureError` if the port is taken, the setup
    fails, or the app ends or is not ready within `start_s`. What happens to the app later stands in
    `Server.ended`.
    """

    def whole(env: Mapping[str, str]) -> Mapping[str, str]:
        return environ(env) if environ else plain_environment(env, python, serving.cwd, seed)

    port = choose_port(serving.port)
    with _folder() as folder:
        made(folder)
        filled = Filled(serving, python, port, folder, whole)
        if serving.setup:
            _set_up(filled.launch(serving.setup), serving.start_s)
        server = Server(filled.launch(serving.argv), port, folder)
        try:
            server.begin()
            await_ready(server, serving)
            yield server
        finally:
            server.end()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A fresh folder under its real name; what a killed app locked there is no reason to fail."""
    with tempfile.TemporaryDirectory(prefix="budgetguard-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


def _set_up(launch: Launch, limit_s: float) -> None:
    try:
        finished = run(launch.argv, cwd=launch.cwd, env=launch.env, timeout_s=limit_s)
    except MeasureError as error:
        raise MeasureError(launch.redacted(f"setup: {error}")) from None
    if finished.timed_out:
        problem = (
            f"{launch.shown()} did not end within {show(limit_s, Unit.SECONDS)} and was ended; "
            f"raise timeout, or make it do less"
        )
    elif finished.exit_code or finished.left_behind:
        problem = f"{launch.how(finished)}; expected exit code 0 and nothing left behind"
    else:
        return
    raise MeasureError(f"setup: {problem}; {launch.last_lines(finished)}")
