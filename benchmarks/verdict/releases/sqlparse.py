"""SQL taken apart and laid out anew."""

from contextlib import contextmanager

import sqlparse

SQL = """select a.id, b.name, count(*) as n from orders a join names b on a.id = b.id
where a.price > 10 and b.name in ('x', 'y') group by a.id, b.name order by n desc limit 10;
insert into log (id, text) values (1, 'one'), (2, 'two');"""


@contextmanager
def prepared():
    yield SQL


def run(text):
    return len(sqlparse.format(text, reindent=True, keyword_case="upper"))
