"""A page of Markdown turned into HTML."""

from contextlib import contextmanager

import mistune

PAGE = """# Title

A paragraph with *emphasis*, **strong** text, `code` and a [link](https://example.org "title").

- one
- two
    - nested

> a quotation
> of two lines

```python
print("hello")
```

1. first
2. second

| left | right |
|---|---|
| 1 | 2 |
"""


@contextmanager
def prepared():
    yield mistune.create_markdown(), PAGE * 4


def run(state):
    convert, page = state
    return len(convert(page))
