"""What a measuring pytest tells: whole messages arrive, torn and strange ones do no harm."""

import builtins
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import MeasureError
from budgetguard.gate.limits import check_numbers, parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Point, Reading, Where
from budgetguard.gate.wire import Wire, messages, to_budget, to_reading

NUMBERS = {"tokens": "count", "hits": "ratio higher exact"}
TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False)


def budget():
    known = check_numbers(NUMBERS, METRICS)
    texts = (
        "queries <= 6",
        "time <= baseline + 5%",
        "block  p(95) ≤ 50 ms",
        "tokens <= 800",
        "hits >= 90%",
    )
    return Budget(
        name="tests/test_größe.py::test_x[a\nb]",
        target="test",
        limits=tuple(parse_limit(text, known) for text in texts),
        where=Where("tests/test_größe.py", 12, "key"),
        group="perf\nslow",
        enforce=False,
        may_skip="no database",
    )


@pytest.fixture
def wire(tmp_path):
    return tmp_path / "wire.jsonl"


def test_a_budget_arrives_as_it_was_sent(wire):
    """Its limits are read again from their text, also those on numbers of its own."""
    Wire(wire).send_budget(budget(), NUMBERS)
    (message,) = messages(wire)
    assert message["kind"] == "budget"
    assert to_budget(message, METRICS) == budget()


READINGS = st.builds(
    Reading,
    value=NUMBER,
    samples=st.lists(NUMBER, max_size=3).map(tuple),
    interval=st.none() | st.tuples(NUMBER, NUMBER),
    evidence=st.lists(TEXT, max_size=3).map(tuple),
    made_with=TEXT,
    error=TEXT,
    skipped=st.booleans(),
    note=TEXT,
)


@given(TEXT, TEXT, TEXT, READINGS)
def test_any_reading_arrives_as_it_was_sent(name, selector, metric, reading):
    """Whatever its text holds: line breaks, quotes, halves of surrogates."""
    sent = json.loads(json.dumps({"point": [name, selector, metric], "reading": asdict(reading)}))
    assert to_reading(sent) == (Point(name, selector, metric), reading)


def test_numbers_keep_their_kind(wire):
    """A count stays whole, so that the baseline is written as it was read."""
    Wire(wire).send_reading(Point("a", "", "queries"), Reading(value=3))
    ((_, reading),) = map(to_reading, messages(wire))
    assert isinstance(reading.value, int)


def test_messages_arrive_in_their_order_from_many_processes(wire):
    """Every message is one write at the end of the file, so that none is torn by another writer."""
    script = (
        "import sys; from pathlib import Path; from budgetguard.gate.wire import Wire\n"
        "wire = Wire(Path(sys.argv[1]))\n"
        "for n in range(50): wire.send('beat', n=n, who=sys.argv[2], filling='x' * 2000)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(wire), who]) for who in ("a", "b")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    told = list(messages(wire))
    for who in ("a", "b"):
        assert [one["n"] for one in told if one["who"] == who] == list(range(50))


def test_a_killed_writer_loses_no_more_than_its_last_message(wire):
    """Every cut of a file gives the messages that were whole before it, and those sent after it."""
    sender = Wire(wire)
    for number in range(3):
        sender.send("beat", n=number)
    content = wire.read_bytes()
    for cut in range(len(content)):
        wire.write_bytes(content[:cut])
        assert len(list(messages(wire))) == content[:cut].count(b"}")
        sender.send("beat", n=3)
        assert list(messages(wire))[-1] == {"kind": "beat", "n": 3}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"{}",
        b'{"kind": 3}',
        b'{"kind"',
        b"\0\0",
        b"[" * 50_000,
    ],
)
def test_what_is_no_message_is_left_out(wire, line):
    """A strange line hides none of its neighbours."""
    Wire(wire).send("hello")
    with wire.open("ab") as stream:
        stream.write(line + b"\n")
    Wire(wire).send("end")
    assert [message["kind"] for message in messages(wire)] == ["hello", "end"]


def test_an_unknown_kind_is_handed_on(wire):
    """A newer plugin may tell more; who reads takes what it knows."""
    Wire(wire).send("weather", sun=True)
    assert list(messages(wire)) == [{"kind": "weather", "sun": True}]


def test_a_session_that_told_nothing_has_no_messages(wire):
    """A missing file is an empty one."""
    assert list(messages(wire)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"limits": ["queries <= "]}, {"limits": [3]}, {"limits": None}, {"numbers": {"tokens": 3}},
        {"numbers": []}, {"where": ["a", 1, "b", "c"]}, {"where": None}, {"limits": ["cows <= 3"]},
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_read_is_an_error_of_ours(wire, change):
    """A plugin of another version ends in a sentence, not in a traceback."""
    Wire(wire).send_budget(budget(), NUMBERS)
    (message,) = messages(wire)
    with pytest.raises(MeasureError, match="cannot be read"):
        to_budget(message | change, METRICS)
    del message["name"]
    with pytest.raises(MeasureError, match="cannot be read"):
        to_budget(message, METRICS)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"point": ["a", "", "b"], "reading": {}},
        {"point": ["a"], "reading": asdict(Reading())},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"value": "3"}},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"value": None}},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"samples": ["x"]}},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"samples": 3}},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"interval": [None, 1]}},
        {"point": ["a", "", "b"], "reading": asdict(Reading()) | {"colour": "red"}},
        {"point": ["a", "", "b"], "reading": "text"},
    ],
)
def test_a_reading_that_cannot_be_read_is_an_error_of_ours(message):
    """What is no number never becomes one."""
    with pytest.raises(MeasureError, match="cannot be read"):
        to_reading(message)


def test_what_a_test_replaces_cannot_break_the_wire(wire, monkeypatch):
    """Functions of os, json and pathlib that a test mocks are not those that messages are sent by."""

    def refuse(*_, **__):
        raise AssertionError("the mock of a test")

    sender = Wire(wire)
    with monkeypatch.context() as mocked:
        for owner, names in (
            (os, ("open", "write", "close", "fspath")),
            (json, ("dumps",)),
            (Path, ("open", "write_bytes")),
            (builtins, ("open",)),
        ):
            for name in names:
                mocked.setattr(owner, name, refuse)
        sender.send("hello")
    assert [message["kind"] for message in messages(wire)] == ["hello"]
