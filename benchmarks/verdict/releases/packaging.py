"""Versions parsed and ordered, requirements parsed, a list of versions filtered."""

from contextlib import contextmanager

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version


@contextmanager
def prepared():
    yield [
        f"{number % 7}.{number % 5}.{number}" + ("rc1" if number % 3 else "")
        for number in range(60)
    ]


def run(texts):
    ordered = sorted(Version(text) for text in texts)
    wanted = [
        Requirement(f"name{number}[extra]>=1.{number},<3; python_version>='3.8'")
        for number in range(20)
    ]
    return len(ordered) + len(wanted) + len(list(SpecifierSet(">=1.0,!=2.3.4,<5").filter(texts)))
