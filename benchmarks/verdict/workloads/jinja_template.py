"""Templates: a Jinja table rendered."""

from contextlib import contextmanager

import jinja2

UNITS = 200
SOURCE = """<h1>{{ title|title }}</h1>
{% for row in rows %}<tr class="{{ loop.cycle('odd', 'even') }}"><td>{{ row.name|e }}</td></tr>
{% endfor %}"""


@contextmanager
def prepared():
    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string(SOURCE)
    yield template, [{"name": f"<row {number}>"} for number in range(2)]


def run(state):
    template, rows = state
    letters = 0
    for _ in range(UNITS):
        letters += render(template, rows)
    return letters


def render(template, rows):
    text = template.render(title="orders of the day", rows=rows)
    return len(text)
