"""Arithmetic parsed by an LALR grammar."""

from contextlib import contextmanager

import lark

GRAMMAR = """
?start: sum
?sum: product | sum "+" product -> add | sum "-" product -> sub
?product: atom | product "*" atom -> mul | product "/" atom -> div
?atom: NUMBER -> number | "-" atom -> neg | "(" sum ")"
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
"""


@contextmanager
def prepared():
    yield lark.Lark(GRAMMAR, parser="lalr")


def run(parser):
    return len(list(parser.parse(" + ".join(["3 * (4 + 5) - 6 / 2"] * 8)).iter_subtrees()))
