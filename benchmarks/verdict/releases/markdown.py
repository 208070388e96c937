"""A page of Markdown turned into HTML, with tables."""

from contextlib import contextmanager

import markdown

PAGE = """# Title

A paragraph with *emphasis*, **strong** text, `code` and a [link](https://example.org "title").

* one
* two

> a quotation

left | right
-----|------
1    | 2

"""


@contextmanager
def prepared():
    yield markdown.Markdown(extensions=["tables", "fenced_code"]), PAGE * 3


def run(state):
    converter, page = state
    return len(converter.reset().convert(page))
