"""`budgetguard hook`: what the pre-commit hooks run.

A commit waits for these, so each imports what it needs when it needs it: where no budget was touched
that is git and little more.
"""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import click

from budgetguard.errors import BaselineError, ConfigError

_HOOK_EPILOG = """\
\b
Examples:
  budgetguard hook config
  budgetguard hook baseline
  budgetguard hook bundle
"""

_CONFIG_EPILOG = """\
\b
Examples:
  budgetguard hook config
  budgetguard hook config budgetguard.yml web/pyproject.toml

\b
Exit codes:
  0    every configuration can be read
  2    one cannot
"""

_BASELINE_EPILOG = """\
\b
Examples:
  budgetguard hook baseline
  PRE_COMMIT_FROM_REF=origin/main PRE_COMMIT_TO_REF=HEAD budgetguard hook baseline

\b
Exit codes:
  0    every baseline can be read, and nothing is looser than before
  1    a limit or a value is looser, and no accepted entry says why
  2    a baseline or configuration cannot be read
"""

_BUNDLE_EPILOG = """\
\b
Example:
  budgetguard hook bundle
"""

_files = click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))


@click.group(epilog=_HOOK_EPILOG)
def hook() -> None:
    """Run what the pre-commit hooks run."""


@hook.command(epilog=_CONFIG_EPILOG)
@_files
def config(files: tuple[Path, ...]) -> int:
    """Read every configuration, and tell all that is wrong with it.

    FILE is a budgetguard.yml or a pyproject.toml; without one it is the nearest configuration from
    here upwards.
    """
    from budgetguard.gate.config import find_config, load_config

    problems = [f"{file}: no such file" for file in files if not file.is_file()]
    for file in files or (Path.cwd() / "budgetguard.yml",):
        try:
            found = find_config(file.parent)
            if found and (not files or found.parent == file.parent.absolute()):
                load_config(found)
            elif not files:
                _note("no configuration here, so nothing to check; write one: budgetguard init")
        except ConfigError as error:
            problems += (one for one in error.problems if one not in problems)
    if problems:
        raise ConfigError(problems)
    return 0


@hook.command(epilog=_BASELINE_EPILOG)
@_files
def baseline(files: tuple[Path, ...]) -> int:
    """Read every baseline, and refuse what is looser than before and not accepted.

    What is staged is compared with HEAD; in a push, the pushed commit with where it left the other
    side. Looser is a limit that lets more through, one that is gone, and a recorded value that its
    limit would have refused. Limits in markers are not read.

    FILE is a baseline to read besides those that git tracks.
    """
    from budgetguard.gate.review.versions import baselines, changed, repository, span

    here = repository(Path.cwd())
    if here is None:
        _check_sound(files or _nearest())
        _note("no git repository here, so there is nothing to compare with")
        return 0
    about = span(here)
    _check_sound(files, ((Path(one.path), one.content) for one in baselines(here, about.after)))
    if not about.before:
        _note("no commit yet, so there is nothing to compare with")
        return 0
    against = [changed(here, parent, about.after) for parent in (about.before, *about.merged)]
    if not all(against):
        return 0  # the same as in one of the parents
    from budgetguard.gate.review.reading import reviewed

    found = reviewed(against, dt.datetime.now(dt.UTC).date())
    for note in found.notes:
        _note(note)
    for one in found.loosened:
        _tell(one.text)
    return 1 if found.loosened else 0


@hook.command(epilog=_BUNDLE_EPILOG)
def bundle() -> int:
    """Measure the bundles that are built; one that is not is told and left to CI."""
    from budgetguard.cli.screen import say, style, width
    from budgetguard.gate.config import find_config, load_config
    from budgetguard.gate.model import Request
    from budgetguard.gate.report import terminal
    from budgetguard.gate.review.built import built
    from budgetguard.gate.review.versions import repository
    from budgetguard.gate.run import check

    found = find_config(Path.cwd())
    if found is None:
        _note("no configuration here, so there are no bundles to measure")
        return 0
    config = load_config(found)
    seen = built(config.budgets, config.folder, repository(config.folder))
    for note in seen.notes:
        _note(note)
    if not seen.names:
        return 0
    report = check(config, Request(names=seen.names, only="bundle", exact=True))
    say(terminal.render(report, style=style, width=width()).rstrip())
    return report.exit_code


def _check_sound(files: Iterable[Path], held: Iterable[tuple[Path, bytes]] = ()) -> None:
    """Raise `BaselineError` with all that is wrong with any of them."""
    from budgetguard.gate.review.recorded import baseline_of

    problems: list[str] = []
    for file, content in (*((file, None) for file in files), *held):
        try:
            baseline_of(_read(file) if content is None else content, file)
        except BaselineError as error:
            problems += [str(error)] if str(error) not in problems else []
    if problems:
        raise BaselineError("\n".join(problems))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BaselineError(f"{file}: cannot be read: {error.strerror}") from None


def _nearest() -> tuple[Path, ...]:
    """The baseline that the nearest configuration has, if any."""
    from budgetguard.gate.config import find_config

    found = find_config(Path.cwd())
    file = found.with_name("budgetguard.baseline.json") if found else None
    return (file,) if file and file.exists() else ()


def _note(text: str) -> None:
    _tell(f"note  {text}")


def _tell(text: str) -> None:
    from budgetguard.cli.screen import say
    from budgetguard.gate.report.wording import visible

    say("\n".join(visible(line) for line in text.splitlines()))
