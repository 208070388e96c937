"""The command as a whole: help, exit codes, errors without a traceback, early readers."""

import os
import subprocess
import sys

import click
import pytest

from budgetguard import __version__, cli
from budgetguard.errors import MeasureError, UsageError

COMMAND = [sys.executable, "-m", "budgetguard"]


def process(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_help_loads_nothing_of_the_gate():
    """`budgetguard --help` stays fast: no command, target, YAML or psutil is imported for it."""
    code = (
        "import sys; from budgetguard.cli import run; run(['--help']); "
        "print(*(name for name in sys.modules if name.startswith('budgetguard')), "
        "*({'yaml', 'psutil', 'pytest', 'traceback'} & set(sys.modules)), file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "Usage: budgetguard" in finished.stdout
    loaded = set(finished.stderr.split()) - {"traceback"}
    assert loaded == {"budgetguard", "budgetguard.errors", "budgetguard.cli"}


def test_help_of_the_group_agrees_with_the_commands():
    """What `--help` says of a command is what the command says of itself."""
    for name, about in cli.COMMANDS.items():
        command = cli.budgetguard.get_command(click.Context(cli.budgetguard), name)

        assert command.get_short_help_str(limit=200) == about
        assert command.name == name


def _commands(group=cli.budgetguard, names=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*names, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*names, name))


@pytest.mark.parametrize("names", list(_commands()), ids=" ".join)
def test_every_help_has_an_example(project, names):
    """Each command shows how it is called."""
    told = project.run(*names, "--help")

    assert told.code == 0
    assert f"  budgetguard {' '.join(names[:1])}" in told.out.split("Example")[1]


def test_version(project):
    """The version is that of the package."""
    assert project.run("--version").out == f"budgetguard {__version__}\n"


def test_unknown_command(project):
    """A misspelled command is told the right one and ends in 2."""
    told = project.run("chekc")

    assert told.code == 2
    assert "did you mean check?" in told.err


@pytest.mark.parametrize("arguments", [["check", "--nope"], ["explain"], ["check", "--only", "x"]])
def test_wrong_usage_ends_in_2(project, arguments):
    """Whatever is wrong with a command line ends in 2."""
    assert project.run(*arguments).code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("u"), 2),
        (MeasureError("m"), 4),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 4),
    ],
)
def test_errors_end_in_their_code(project, monkeypatch, error, code):
    """An error of a user has no traceback; one of ours has, and asks for a report."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("budgetguard.cli.check.run_check", fail)
    told = project.run("check")

    assert told.code == code
    assert ("Traceback" in told.err) == isinstance(error, ZeroDivisionError)
    assert ("report it" in told.err) == isinstance(error, ZeroDivisionError)


def test_every_problem_of_a_configuration_is_told(project):
    """All errors of a file come at once, each on its own line."""
    project.config.write_text(
        "version: 1\nbudgets:\n  a: {bundle: x, limits: [gzop <= 1 kB]}\n  b: {}\n"
    )
    told = project.run("check")

    assert told.code == 2
    assert "gzop" in told.err
    assert "budgets.b" in told.err
    assert "Traceback" not in told.err


def test_no_configuration_names_init(project):
    """Without a configuration the next step is `init`."""
    project.config.unlink()
    told = project.run("check")

    assert told.code == 2
    assert "budgetguard init" in told.err


def test_reader_that_left_early_changes_nothing(project):
    """`budgetguard check | head` is quiet and keeps its exit code."""
    project.bundle.write_text("a" * 300)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        finished = subprocess.run(
            [*COMMAND, "check"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)

    assert finished.returncode == 1
    assert finished.stderr == ""


def test_output_that_cannot_hold_our_signs(project):
    """An ASCII terminal gets escapes and no crash."""
    finished = process("check", env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert finished.returncode == 0
    assert r"\u2713" in finished.stdout


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours(project, monkeypatch, environment, coloured):
    """A pipe gets no colours, FORCE_COLOR asks for them, NO_COLOR has the last word."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[32m" in project.run("check").out) is coloured
