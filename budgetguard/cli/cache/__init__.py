"""The command `budgetguard cache`. A subcommand is one module and one row of `SUBCOMMANDS`."""

from collections.abc import Mapping

import click

from budgetguard.cli import Commands

SUBCOMMANDS: Mapping[str, str] = {
    "stats": "Tell what tiers hold, and what the ledger has counted.",
    "get": "Show the value of a key.",
    "keys": "List the largest entries of the tiers.",
    "invalidate": "Give up keys, tags or everything, in all processes.",
    "warm": "Load what is asked for most, within a budget in money.",
    "verify": "Open every entry, and tell which nobody can trust.",
    "gc": "Remove what has expired; for cron.",
    "roi": "Tell what was spent and saved, and project the next 30 days.",
    "export": "Write the ledger as CSV or JSON lines.",
}

_CACHE_EPILOG = """\
\b
Examples:
  export BUDGETGUARD_CACHE_TIERS="redis://127.0.0.1:6379/0 sqlite:////var/lib/app/cache.db"
  export BUDGETGUARD_CACHE_LEDGER=/var/lib/app/ledger.db
  budgetguard cache stats
  budgetguard cache invalidate --tag project:7
  budgetguard cache gc

Entries are opened with the application's BUDGETGUARD_CACHE_SECRET, which is no option on purpose. A cache
of SQLite files alone has its secret beside the first.
"""


@click.group(
    cls=Commands,
    table=SUBCOMMANDS,
    package=__name__,
    needs={"msgspec": "cache", "zstandard": "cache"},
    epilog=_CACHE_EPILOG,
)
def cache() -> None:
    """Look into the tiers of a cache, clean them up, and count its money.

    What processes have in memory is theirs; they hear of what is invalidated here.
    """
