"""Source code highlighted as HTML."""

from contextlib import contextmanager

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CODE = 'def hello(name: str = "you") -> int:\n    """Greet."""\n    print(f"hello {name}", 12 * 3.5)  # why\n    return len(name)\n\n\n'


@contextmanager
def prepared():
    yield PythonLexer(), HtmlFormatter(), CODE * 5


def run(state):
    lexer, formatter, code = state
    return len(highlight(code, lexer, formatter))
