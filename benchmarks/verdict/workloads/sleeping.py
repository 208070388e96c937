"""Waiting: almost all of the time is sleep, as it is with a slow disk or a remote service."""

import time
from contextlib import contextmanager

UNITS = 200
SLEEP_S = 20e-6


@contextmanager
def prepared():
    yield SLEEP_S


def run(sleep_s):
    time.sleep(UNITS * sleep_s)
    return reckon()


def reckon():
    total = 0
    for unit in range(UNITS):
        total += unit * unit
    return total
