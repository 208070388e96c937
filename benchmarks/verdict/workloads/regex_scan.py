"""Regular expressions: the lines of a log taken apart."""

import re
from contextlib import contextmanager

UNITS = 200
LINE = re.compile(r"(\S+) - (\w+) \[([^\]]+)\] \"(GET|POST) (/[\w/.-]*)\" (\d{3}) (\d+)")
SPACES = re.compile(r"\s+")


@contextmanager
def prepared():
    yield [log_line(number) for number in range(6)]


def run(lines):
    found = 0
    for _ in range(UNITS):
        found += scan(lines)
    return found


def log_line(number):
    return f'10.0.0.{number} - user{number} [23/Nov/2026:10:{number:02}] "GET /a/b.c/{number}" 200 {number}9'


def scan(lines):
    found = 0
    for line in lines:
        match = LINE.match(line)
        words = SPACES.split(line)
        found += int(match[6]) + len(words)
    return found
