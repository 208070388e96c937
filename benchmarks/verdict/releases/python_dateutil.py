"""Dates parsed, and a rule of recurrence expanded."""

import datetime as dt
from contextlib import contextmanager

from dateutil import parser, rrule

TEXTS = [
    "2026-11-23T10:15:30+01:00",
    "Mon, 23 Nov 2026 10:15",
    "23rd of November 2026",
    "11/23/26 3pm",
]


@contextmanager
def prepared():
    yield dt.datetime(2026, 1, 1)  # noqa: DTZ001  # no zone is what is parsed here


def run(start):
    dates = [parser.parse(text) for text in TEXTS]
    return len(dates) + len(
        list(rrule.rrule(rrule.WEEKLY, dtstart=start, count=60, byweekday=(0, 2)))
    )
