"""`budgetguard cache export`: the rows of the ledger for other programs."""

import csv
import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import click

from budgetguard.atomic import replace_text
from budgetguard.cli.cache.options import (
    ledger_of,
    ledger_option,
    moment,
    since_option,
    until_option,
)
from budgetguard.cli.screen import say
from budgetguard.errors import UsageError

_EXPORT_EPILOG = """\
\b
Examples:
  budgetguard cache export --ledger ledger.db > ledger.csv
  budgetguard cache export --format jsonl --since 2026-11-01 --output november.jsonl
"""
Format = Literal["csv", "jsonl"]


@click.command(epilog=_EXPORT_EPILOG)
@ledger_option
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv")
@since_option
@until_option
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Else standard output."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
def export(
    *,
    file: Path | None,
    form: Format,
    since: dt.datetime | None,
    until: dt.datetime | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Write the ledger as CSV or JSON lines.

    A row is what one operation did in an hour, or in a day of over 400 days ago. Money is text in US
    dollars, so that no program makes it a float.
    """
    rows = ledger_of(file).export(moment(since), moment(until))
    text = _jsonl(rows) if as_json or form == "jsonl" else _csv(rows)
    if output is None:
        if text:
            say(text.rstrip("\n"))
        return 0
    try:
        replace_text(output, text)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    return 0


def _jsonl(rows: Sequence[Mapping[str, str | int]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _csv(rows: Sequence[Mapping[str, str | int]]) -> str:
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()
