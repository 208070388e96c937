"""YAML: a tiny document read by the loader that is pure Python."""

from contextlib import contextmanager

import yaml

UNITS = 200
TEXT = "a: 1"


@contextmanager
def prepared():
    yield TEXT


def run(text):
    keys = 0
    for _ in range(UNITS):
        keys += load(text)
    return keys


def load(text):
    document = yaml.load(text, Loader=yaml.SafeLoader)  # SafeLoader is the safe one
    return len(document)
