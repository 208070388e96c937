"""A table of numbers and words laid out."""

from contextlib import contextmanager

from prettytable import PrettyTable


@contextmanager
def prepared():
    yield [[f"name {number}", number, number / 7] for number in range(20)]


def run(rows):
    table = PrettyTable(["name", "count", "ratio"])
    for row in rows:
        table.add_row(row)
    return len(table.get_string())
