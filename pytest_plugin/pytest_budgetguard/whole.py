"""Whether a session was asked for everything, so that what is missing is missed."""

import re

import pytest

from pytest_budgetguard.declared import Home

_PARTIAL = (
    "--lf",
    "--last-failed",
    "--exitfirst",
    "--maxfail",
    "--sw",
    "--stepwise",
    "--deselect",
    "--ignore",
    "--collect-only",
    "--co",
    "--setup-only",
    "--setup-plan",
)
_PARTIAL_CLUSTER = re.compile(r"-[vqslh]*[xkm].*")
"""Short options may stand together, as in -vxk NAME."""


def is_whole(session: pytest.Session) -> bool:
    """Whether the command line asked for everything, and the session came to its end.

    What addopts leave out does not make a session partial: it is listed, not forgiven. What is named
    does, wherever it stands: nothing lists what was not even collected.
    """
    config = session.config
    if session.shouldfail or session.shouldstop or config.args_source is config.ArgsSource.ARGS:
        return False
    asked = [str(argument) for argument in config.invocation_params.args]
    return not any(map(_is_partial, asked))


def covers(config: pytest.Config, home: Home) -> bool:
    """Whether a run without arguments collects all that a home has."""
    start = (
        config.rootpath
        if config.args_source is config.ArgsSource.TESTPATHS
        else config.invocation_params.dir
    )
    return home.folder == start or start in home.folder.parents


def _is_partial(argument: str) -> bool:
    if argument.startswith("--"):
        return argument.startswith(_PARTIAL)
    return bool(_PARTIAL_CLUSTER.match(argument))
