"""Statements without their data, and scripts cut into statements."""

import pytest

from budgetguard.database.statements import normalise, shape, split


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT 1, 2.5, -3e4, 0xFF", "SELECT ?, ?, -?, ?"),
        ("SELECT 'it''s' FROM t1 WHERE a2 = .5", "SELECT ? FROM t1 WHERE a2 = ?"),
        (r"SELECT E'a\'b', X'00', $tag$ x'; $tag$", "SELECT ?, ?, ?"),
        ("SELECT\n  a -- note\n , /* 'x' */ b;", "SELECT a , b"),
        ("SELECT a WHERE b IN (?, ?, ?)", "SELECT a WHERE b IN (?)"),
        ("SELECT a WHERE b IN (1,2) AND c = %(name)s", "SELECT a WHERE b IN (?) AND c = ?"),
        ("INSERT INTO t VALUES (%s, %s), (%s, %s)", "INSERT INTO t VALUES (?)"),
        ("INSERT INTO t VALUES (1, lower('a')), (2, lower('b'))", None),
        ('SELECT "my 1", `b 2` FROM t WHERE x = :x', 'SELECT "my 1", `b 2` FROM t WHERE x = ?'),
        ("SELECT $1::int, $2", "SELECT ?::int, ?"),
        ("SELECT 'open", "SELECT ?"),
    ],
)
def test_data_becomes_a_question_mark(sql, text):
    """No literal survives, names do, and the length of a list does not matter."""
    got = normalise(sql)
    assert text is None or got == text
    assert not any(secret in got for secret in ("'a'", "'b'", "it''s", "open", "0xFF"))


@pytest.mark.parametrize(
    ("sql", "control", "read"),
    [
        ("begin immediate", True, False),
        ("/* x */ COMMIT", True, False),
        ("ROLLBACK TO SAVEPOINT a", True, False),
        ("START TRANSACTION", True, False),
        ("SELECT 'commit'", False, True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False, True),
        ("WITH a AS (SELECT 1) DELETE FROM t", False, False),
        ("UPDATE begin SET a = 1", False, False),
    ],
)
def test_control_and_reads_are_told_apart(sql, control, read):
    """BEGIN and its kin are no queries, and only pure questions can be an N+1."""
    got = shape(sql)
    assert (got.control, got.read) == (control, read)


def test_a_script_is_cut_at_real_ends_only():
    """Semicolons in strings, comments, names and trigger bodies end nothing."""
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM b; END"
    script = f"SELECT ';'; -- ;\n {trigger}; ;; SELECT \";\"; BEGIN; SELECT $$;$$"
    assert [text.strip().split()[-1] for text in split(script)] == [
        "';'", "END", '";"', "BEGIN", "$$;$$",
    ]  # fmt: skip
