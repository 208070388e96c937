"""Dictionaries turned into dataclasses."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from dacite import from_dict


@dataclass
class Part:
    """What a thing is made of."""

    name: str
    weight: Optional[float]  # noqa: UP045  # the older form is part of what is measured


@dataclass
class Thing:
    """The outer class."""

    number: int
    parts: list[Part]
    labels: dict[str, str]


@contextmanager
def prepared():
    parts = [{"name": "a", "weight": 1.5}, {"name": "b", "weight": None}]
    yield [{"number": n, "parts": parts, "labels": {"x": "y"}} for n in range(25)]


def run(data):
    return len([from_dict(Thing, one) for one in data])
