"""Reading a mapping key by key: every wrong value becomes a problem at its place, none an exception."""

from pathlib import Path

import pytest

from budgetguard.gate.section import Node, Problems, Section

STRANGE = [
    Node(None, 7),
    Node("", 7),
    Node("  ", 7),
    Node([], 7),
    Node([Node(None)], 7),
    Node([Node([Node("x")])], 7),
    Node({}, 7),
    Node({"a": Node("b")}, 7),
]
READERS = {
    "text": lambda section: section.text("key", "default"),
    "texts": lambda section: section.texts("key"),
    "flag": lambda section: section.flag("key", default=True),
    "seconds": lambda section: section.seconds("key", 5.0),
    "count": lambda section: section.count("key", 3),
}


def section(value, key="budgets.app"):
    return Section(Node({"key": value}, 4), key, Problems("budgetguard.yml"), Path())


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize("reader", READERS)
def test_a_value_of_the_wrong_kind_is_a_problem_at_its_line(reader, value):
    """Nothing, a list or a mapping where something else is expected is told once, with line and key."""
    read = section(value)
    READERS[reader](read)
    assert len(read.problems.found) == 1
    assert read.problems.found[0].startswith("budgetguard.yml:7 budgets.app.key: expected ")


@pytest.mark.parametrize("value", [Node(None, 7), Node("x", 7), Node([], 7), Node([Node("x")], 7)])
def test_a_mapping_is_a_mapping_of_text(value):
    """What is no mapping is a problem."""
    read = section(value)
    assert read.mapping("key") == {}
    assert "expected a mapping of names to text" in read.problems.found[0]


def test_a_mapping_tells_each_entry_that_is_no_text():
    """Good entries are kept, and each wrong one has its own line."""
    read = section(Node({"a": Node("x", 5), "b": Node([], 6), "c": Node(None, 7)}, 4))
    assert read.mapping("key") == {"a": "x"}
    assert [one.split(":")[1] for one in read.problems.found] == [
        "6 budgets.app.key.b",
        "7 budgets.app.key.c",
    ]


def test_what_is_absent_has_its_default_and_no_problem():
    """A key that nobody wrote is not wrong."""
    read = Section(Node({}, 1), "", Problems("f"), Path())
    values = [READERS[name](read) for name in ("text", "texts", "flag", "seconds", "count")]
    assert values == ["default", (), True, 5.0, 3]
    assert read.mapping("key") == {}
    assert read.problems.found == []


@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ("true", True),
        ("True", True),
        ("on", True),
        ("YES", True),
        ("false", False),
        ("no", False),
        ("off", False),
    ],
)
def test_a_flag_is_read_in_the_words_of_yaml(word, flag):
    """Scalars are text, so all of YAML's words for true and false are read."""
    assert section(Node(word)).flag("key", default=not flag) is flag


@pytest.mark.parametrize("word", ["1", "0", "maybe", "truee", "[]"])
def test_a_flag_that_is_neither_is_told(word):
    """A misspelled flag never silently becomes false."""
    read = section(Node(word, 7))
    read.flag("key", default=True)
    assert f"expected true or false; got {word!r}" in read.problems.found[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("30", "expected 50 ms, 2.5 s or 300 us, above 0; got '30'"),
        ("30 kB", "above 0; got '30 kB'"),
        ("0 s", "above 0; got '0 s'"),
        ("1:30", "90 s or 1.5 min"),
        ("soon", "expected a number with a unit"),
    ],
)
def test_a_duration_needs_its_unit(text, told):
    """A number without a unit, of another unit or of no length is told and the default stands in."""
    read = section(Node(text, 7))
    assert read.seconds("key", 5.0) == 5.0
    assert told in read.problems.found[0]


def test_a_count_is_whole_and_above_nothing():
    """Half a process is a problem."""
    assert section(Node("4")).count("key", 1) == 4
    for text in ("1.5", "0", "-1", "3 kB", "1e400"):
        read = section(Node(text, 7))
        read.count("key", 1)
        assert len(read.problems.found) == 1


def test_one_text_and_a_list_of_texts_are_the_same():
    """Where several values may stand, one may stand alone."""
    assert section(Node("a")).texts("key") == ("a",)
    assert section(Node([Node("a"), Node("b")])).texts("key") == ("a", "b")


def test_an_unknown_key_has_its_line_and_the_nearest_name():
    """A misspelled key is never ignored."""
    read = Section(Node({"enforced": Node("x", 9)}, 4), "budgets.app", Problems("f"), Path())
    read.unknown(frozenset({"enforce", "limits"}))
    assert read.problems.found == [
        "f:9 budgets.app.enforced: unknown key 'enforced'; did you mean enforce?"
    ]


def test_a_section_of_no_mapping_is_empty():
    """A list where a mapping belongs has no keys, and does not crash who asks for them."""
    read = Section(Node([Node("a")], 3), "x", Problems("f"), Path())
    assert list(read) == []
    assert read.text("key") == ""
    assert str(read.place("key")) == "f:3 x.key"
