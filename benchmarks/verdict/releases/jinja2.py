"""A template compiled and rendered."""

from contextlib import contextmanager

import jinja2

SOURCE = """{% macro cell(text) %}<td>{{ text|e }}</td>{% endmacro %}
<h1>{{ title|title }}</h1>
{% for row in rows if row.name %}<tr>{{ cell(row.name) }}{% if loop.last %}!{% endif %}</tr>{% endfor %}"""


@contextmanager
def prepared():
    yield jinja2.Environment(autoescape=True), [{"name": f"row {number}"} for number in range(60)]


def run(state):
    environment, rows = state
    template = environment.from_string(SOURCE)
    return len(template.render(title="orders", rows=rows))
