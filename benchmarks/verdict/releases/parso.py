"""Source code parsed into a tree that keeps every space."""

from contextlib import contextmanager

import parso

CODE = 'def hello(name, *, count=3):\n    """Greet."""\n    return [name + str(i) for i in range(count) if i % 2]\n\n\n'


@contextmanager
def prepared():
    yield parso.load_grammar(version="3.8"), CODE * 6


def run(state):
    grammar, code = state
    return len(grammar.parse(code).get_code())
