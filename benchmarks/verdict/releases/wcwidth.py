"""The width of texts on a terminal."""

from contextlib import contextmanager

from wcwidth import wcswidth

TEXTS = [
    "plain words only",
    "コンニチハ, セカイ!",
    "cafe\u0301",
    "한국어 텍스트",
    "emoji 👩‍👩‍👧 and more",
]


@contextmanager
def prepared():
    yield TEXTS


def run(texts):
    return sum(wcswidth(text) for text in texts for _ in range(40)) + 1000
