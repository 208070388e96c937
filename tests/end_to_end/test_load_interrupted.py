"""Interrupted in mid-run: no app, no generator and no temporary file of a load stays."""

import signal

import pytest

from .loads import below, files, interrupted

COMMANDS = {"run": ("load", "run", "api"), "check": ("check",)}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays(project, command, sent):
    """Ctrl-C and SIGKILL end the app and the generator, and remove what they kept in files."""
    project.write(files("failures <= 100%", seconds=600))

    def runs(word):
        return any(word in line for line in below(project.scratch))

    process = project.start("budgetguard", *COMMANDS[command])
    interrupted(project, process, sent, lambda: runs("app.py") and runs("locust"))
