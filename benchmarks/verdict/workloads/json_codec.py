"""JSON: small documents written and read."""

import json
from contextlib import contextmanager

UNITS = 200
TAGS = ["red", "green", "blue"]


@contextmanager
def prepared():
    yield [document(number) for number in range(3)]


def run(documents):
    letters = 0
    for _ in range(UNITS):
        letters += exchange(documents)
    return letters


def document(number):
    return {"id": number, "name": f"document {number}", "tags": TAGS, "price": number / 7}


def exchange(documents):
    text = json.dumps(documents)
    read = json.loads(text)
    return len(text) + len(read)
