"""A table with styled text rendered for a terminal."""

import io
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table


@contextmanager
def prepared():
    yield [
        (f"[bold]row {number}[/bold]", str(number), "some more words " * 3) for number in range(12)
    ]


def run(rows):
    console = Console(file=io.StringIO(), width=70, force_terminal=True, color_system="truecolor")
    table = Table("name", "number", "text", title="Orders")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return len(console.file.getvalue())
