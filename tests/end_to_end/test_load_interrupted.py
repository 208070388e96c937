"""Interrupted in mid-run: no app, no generator and no temporary file of a load stays."""

import signal

import pytest

from .loads import BOUND_S, below, files, until

COMMANDS = {"run": ("load", "run", "api"), "check": ("check",)}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays(project, command, sent):
    """Ctrl-C and SIGKILL end the app and the generator, and remove what they kept in files."""
    project.write(files("failures <= 100%", seconds=600))

    def runs(word):
        return any(word in line for line in below(project.scratch))

    with project.start("budgetguard", *COMMANDS[command]) as process:
        try:
            until(lambda: runs("app.py") and runs("locust"), "the load")
            process.send_signal(sent)
            out, err = process.communicate(timeout=BOUND_S)
        finally:
            process.kill()
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL), err
    assert b"Traceback" not in err + out
    until(lambda: not below(project.scratch), "all have ended")
    until(lambda: not project.leftovers(), "temporary files are gone")
