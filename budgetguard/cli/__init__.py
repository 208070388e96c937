"""The command `budgetguard`. A subcommand is one module and one row of `COMMANDS`.

A module is imported when its command is called, so that `--help` and completion stay fast.

Exit codes: 0 within budget · 1 over budget · 2 configuration, usage or an unreadable baseline ·
3 unsettled or new under --strict · 4 vanished, not measured or no verdict, which is also the code
of an error inside budgetguard itself · 130 interrupted.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from budgetguard import __version__
from budgetguard.errors import BudgetguardError

COMMANDS: Mapping[str, str] = {
    "init": "Write a first budgetguard.yml that fits this project.",
    "check": "Measure every budget and judge it.",
    "explain": "Measure one budget and tell how its verdicts came about.",
    "baseline": "Record, show, compare and merge the committed values.",
    "calibrate": "Measure the noise of this machine, and tell which limits are too tight for it.",
    "selftest": "Break budgets on purpose, on a copy, and tell which of them would not notice.",
    "bisect": "Find the commit that broke a budget.",
    "cache": "Look into the tiers of a cache, clean them up, and count its money.",
    "image": "Make pictures small at a chosen quality, and refuse hostile ones.",
    "load": "Run the load of a budget alone, or a worker of it elsewhere.",
    "report": "Turn a JSON report into others, or join those of all shards.",
    "hook": "Run what the pre-commit hooks run.",
    "action": "Run the steps of the GitHub Action.",
}
"""The subcommands and what `--help` says of each; its module and its function bear its name."""

INTERNAL_ERROR = 4
INTERRUPTED = 130


_BUDGETGUARD_EPILOG = """\
\b
A first time:
  budgetguard init
  budgetguard check
  budgetguard baseline update
"""


class Commands(click.Group):
    """Subcommands, each from the module of a package that bears its name, imported when it is called."""

    def __init__(
        self,
        *arguments: Any,
        table: Mapping[str, str],
        package: str,
        needs: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """`table` has what `--help` says of each; `needs` has extras, by a library that each brings."""
        super().__init__(*arguments, **options)
        self._table, self._package, self._needs = table, package, needs or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; raises `MissingExtra` where its libraries are not installed."""
        del ctx
        if cmd_name not in self._table:
            return None
        if self._needs:
            from budgetguard.extras import need

            for library, extra in self._needs.items():
                need(library, extra=extra)
        command = getattr(import_module(f"{self._package}.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; one that does not exist is told the nearest."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self._table:
            from budgetguard.gate.limits import nearest

            raise click.UsageError(f"no command {name!r}{nearest(name, self._table)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, for which nothing is imported."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._table.items()))


@click.group(
    cls=Commands,
    table=COMMANDS,
    package=__name__,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_BUDGETGUARD_EPILOG,
)
@click.version_option(
    __version__, package_name="pytest-budgetguard", message="budgetguard %(version)s"
)
def budgetguard() -> None:
    """Keep performance budgets: bundle size, latency, memory and queries."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors of a user come without a traceback."""
    try:
        code = budgetguard.main(list(arguments), prog_name="budgetguard", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return INTERRUPTED
    except BudgetguardError as error:
        _complain("\n       ".join(f"error: {error}".splitlines()))
        return error.exit_code
    except Exception:  # noqa: BLE001  # the last resort of a program
        import traceback  # a good tenth of what `--help` takes

        _complain(traceback.format_exc().rstrip())
        _complain(
            "error: this is a bug in budgetguard, not in your project; nothing was judged. "
            "Please report it with the lines above."
        )
        return INTERNAL_ERROR
    return code if isinstance(code, int) else 0


def _complain(text: str) -> None:
    from budgetguard.cli.screen import put

    put(f"{text}\n", sys.stderr)
