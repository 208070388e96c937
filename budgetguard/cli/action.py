"""`budgetguard action`: what the steps of the GitHub Action run."""

import os
import signal
import sys

import click

_ACTION_EPILOG = """\
\b
Example, the steps of action.yml:
  budgetguard action fetch
  budgetguard action run
  budgetguard action comment
"""
_FETCH_EPILOG = """\
\b
Example, with GITHUB_TOKEN and what GitHub sets:
  budgetguard action fetch
"""
_RUN_EPILOG = """\
\b
Example, with INPUT_ONLY=bundle and what GitHub sets:
  budgetguard action run
"""
_COMMENT_EPILOG = """\
\b
Example, with GITHUB_TOKEN, SUMMARY=summary.md, EXIT_CODE=1 and what GitHub sets:
  budgetguard action comment
"""


@click.group(epilog=_ACTION_EPILOG)
def action() -> None:
    """Run the steps of the GitHub Action.

    Its inputs come by the environment: `max-annotations` as INPUT_MAX_ANNOTATIONS.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job ends like Ctrl-C
    for stream in (sys.stdout, sys.stderr):  # the runner reads UTF-8, whatever the machine's locale
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@action.command(epilog=_FETCH_EPILOG)
def fetch() -> int:
    """Bring the base commit of a pull request into a shallow clone.

    The exit code is 0 also where it cannot be had; `run` tells what that means.
    """
    from budgetguard.action.base import fetch as fetch_base

    fetch_base(os.environ)
    return 0


@action.command(epilog=_RUN_EPILOG)
def run() -> int:
    """Measure, or join shards, and tell GitHub: outputs, summary, annotations.

    The exit code is 0 whatever is found; the output `gate` is what the job has to end with.
    """
    from budgetguard.action.flow import run as run_action

    run_action(os.environ)
    return 0


@action.command(epilog=_COMMENT_EPILOG)
def comment() -> int:
    """Write or replace the comment on the pull request.

    The exit code is 0 also where GitHub refuses; the log says why.
    """
    from budgetguard.action.posting import comment as comment_action

    comment_action(os.environ)
    return 0
