"""Allocation: many small objects made, grouped, sorted and let go."""

from contextlib import contextmanager
from dataclasses import dataclass

UNITS = 200


@dataclass
class Item:
    """A small object that holds another."""

    number: int
    tags: list


@contextmanager
def prepared():
    yield 12


def run(count):
    kept = 0
    for _ in range(UNITS):
        kept += make(count)
    return kept


def make(count):
    items = [Item(number, [str(number)]) for number in range(count)]
    groups = {}
    for item in items:
        groups.setdefault(item.number % 3, []).append(item)
    ordered = sorted(items, key=lambda item: -item.number)
    return len(groups) + len(ordered)
