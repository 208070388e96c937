"""Paths matched against the patterns of a .gitignore file."""

from contextlib import contextmanager

import pathspec

PATTERNS = [
    "*.pyc",
    "build/",
    "/dist",
    "docs/**/*.html",
    "!docs/keep/*.html",
    "node_modules/",
    "*.log",
    "tmp?",
]


@contextmanager
def prepared():
    folders = ("src", "docs/a", "build/lib", "node_modules/x")
    yield [
        f"{folder}/file{number}.{end}"
        for folder in folders
        for number in range(12)
        for end in ("py", "html")
    ]


def run(paths):
    spec = pathspec.PathSpec.from_lines("gitwildmatch", PATTERNS)
    return len(list(spec.match_files(paths)))
