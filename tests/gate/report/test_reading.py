"""A JSON report read back, and its published schema."""

import json
import math
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import UsageError
from budgetguard.gate.model import Where
from budgetguard.gate.report import junit, markdown, reading, sarif, terminal
from budgetguard.gate.report.json import render
from budgetguard.gate.report.reading import read_report
from budgetguard.gate.report.schema import SHIPPED, schema
from budgetguard.gate.report.schema import render as render_schema
from budgetguard.gate.shard import Shard
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit

texts = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.none() | st.integers(-(2**60), 2**60) | st.floats(-1e299, 1e299)
verdicts = st.builds(
    Verdict,
    budget=texts,
    target=texts,
    limit=texts,
    outcome=st.sampled_from(Outcome),
    metric=texts,
    unit=st.sampled_from(Unit),
    selector=texts,
    measured=numbers,
    allowed=numbers,
    baseline=numbers,
    change=st.none() | st.tuples(*[st.floats(-1e9, 1e9)] * 3),
    visible=numbers,
    reason=texts,
    hint=texts,
    evidence=st.lists(texts, max_size=3).map(tuple),
    where=st.builds(Where, texts, st.none() | st.integers(0, 10**6), texts),
    enforced=st.booleans(),
    note=texts,
)
shards = st.integers(1, 9).flatmap(lambda of: st.builds(Shard, st.integers(1, of), st.just(of)))
known = {
    "verdicts": st.lists(verdicts, max_size=4).map(tuple),
    "left": st.lists(st.builds(LeftToCheck, texts, texts, texts), max_size=2).map(tuple),
    "notes": st.lists(texts, max_size=2).map(tuple),
    "whole": st.booleans(),
    "strict": st.booleans(),
    "machine": texts,
    "tool": texts,
    "started": texts,
    "duration_s": st.floats(0, 1e6),
    "commit": texts,
    "folder": texts,
    "asked": texts,
}
reports = st.builds(Report, **known) | st.builds(
    Report, **known, shard=shards, unmatched=st.lists(verdicts, max_size=2).map(tuple)
)

PASSED = Verdict(budget="app", target="bundle", limit="gzip <= 1 kB", outcome=Outcome.PASS)
REPORT = Report(verdicts=(PASSED,), tool="budgetguard 1")
VALIDATOR = jsonschema.Draft202012Validator(schema())


def written(tmp_path, report):
    file = tmp_path / "report.json"
    file.write_text(render(report))
    return file


@given(reports)
def test_nothing_is_lost(tmp_path_factory, report):
    """What is read is what was written, whatever names, texts and numbers it holds."""
    file = written(tmp_path_factory.getbasetemp(), report)

    assert read_report(file) == report


@given(reports)
def test_every_report_is_as_the_schema_says(report):
    """What is written has the published form, and no field that the form does not name."""
    document = json.loads(render(report))

    VALIDATOR.validate(document)
    named = schema()["properties"]
    assert document.keys() == named.keys()
    for verdict in document["verdicts"]:
        assert verdict.keys() == schema()["$defs"]["verdict"]["properties"].keys()


@given(reports)
def test_every_format_takes_what_was_read(report):
    """No report breaks a renderer or cannot be encoded."""
    for renderer in (junit.render, sarif.render, markdown.render, terminal.render):
        renderer(report).encode()


def test_an_infinite_end_stays_infinite(tmp_path):
    """An interval that is open to one side is so again; an infinite number is none."""
    odd = replace(PASSED, change=(-math.inf, 0.1, math.inf), visible=math.inf)
    (verdict,) = read_report(written(tmp_path, replace(REPORT, verdicts=(odd,)))).verdicts

    assert verdict.change == (-math.inf, 0.1, math.inf)
    assert verdict.visible is None


def test_shipped_schema_is_the_generated_one():
    """The file in the package is up to date; else run the command in `schema.py`."""
    assert SHIPPED.read_text(encoding="utf-8") == render_schema()
    jsonschema.Draft202012Validator.check_schema(schema())


def test_fields_of_later_versions_are_left_alone(tmp_path):
    """Fields may be added under one schema, and the first reports had some fewer."""
    document = json.loads(render(REPORT))
    for name in ("commit", "folder", "asked", "shard"):
        del document[name]
    document["more"] = document["verdicts"][0]["more"] = {"a": 1}
    file = tmp_path / "report.json"
    file.write_text(json.dumps(document))

    assert read_report(file) == REPORT


def changed(path, value):
    def change(document):
        *parents, last = path
        for one in parents:
            document = document[one]
        if value is None:
            del document[last]
        else:
            document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed(["verdicts"], {}), "verdicts is not a list"),
        (changed(["verdicts"], [1]), r"verdicts\[0\] is not an object"),
        (changed(["verdicts", 0, "outcome"], "GREEN"), r"verdicts\[0\].outcome is not one of PASS"),
        (changed(["verdicts", 0, "unit"], "bytez"), r"verdicts\[0\].unit is not one of"),
        (changed(["verdicts", 0, "budget"], 3), r"verdicts\[0\].budget is not text"),
        (changed(["verdicts", 0, "reason"], None), r"verdicts\[0\].reason is missing"),
        (changed(["verdicts", 0, "measured"], True), "measured is not a number"),
        (changed(["verdicts", 0, "measured"], 10**400), "measured is not a number of a size"),
        (changed(["verdicts", 0, "measured"], "1"), "measured is not a number or null"),
        (changed(["verdicts", 0, "change"], [1, 2]), "change is not three numbers"),
        (changed(["verdicts", 0, "enforced"], 1), "enforced is not true or false"),
        (changed(["verdicts", 0, "where", "line"], -4), "where.line is not a whole number"),
        (changed(["verdicts", 0, "outcome"], "FAIL"), "exit code 0, but its verdicts come to 1"),
        (changed(["exit_code"], 1), "exit code 1, but its verdicts come to 0"),
        (changed(["notes"], [1]), "notes is not a list of texts"),
        (changed(["shard"], {"number": 4, "of": 3, "unmatched": []}), "shard 4 of 3 cannot be"),
        (changed(["schema"], "1"), "schema is '1'"),
        (changed(["schema"], True), "schema is True"),
        (changed(["tool"], None), "no report of budgetguard"),
    ],
)
def test_a_damaged_report_is_refused(tmp_path, change, words):
    """What is missing, of another type or at odds with itself is named with its place."""
    document = json.loads(render(REPORT))
    change(document)
    file = tmp_path / "report.json"
    file.write_text(json.dumps(document))

    with pytest.raises(UsageError, match=words) as error:
        read_report(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"schema": NaN}',
        b'{"schema": ' + b"9" * 5000 + b"}",
        b'{"version": "2.1.0", "runs": []}',
        b"version: 1\n",
    ],
    ids=repr,
)
def test_a_foreign_file_is_refused(tmp_path, content):
    """Anything else than a report ends in a sentence that says what is expected."""
    file = tmp_path / "report.json"
    file.write_bytes(content)

    with pytest.raises(UsageError, match="expected what `budgetguard check --report"):
        read_report(file)


def test_a_cut_off_report_is_refused(tmp_path):
    """Half a report is none, wherever it ends."""
    text = render(REPORT)
    file = tmp_path / "report.json"
    for end in range(0, len(text) - 2, 97):
        file.write_text(text[:end])
        with pytest.raises(UsageError, match="cut off"):
            read_report(file)


def test_a_newer_report_names_the_way_to_upgrade(tmp_path):
    """A form that this version does not know is not guessed at."""
    file = tmp_path / "report.json"
    file.write_text(render(REPORT).replace('"schema": 1', '"schema": 2'))

    with pytest.raises(UsageError, match="pip install -U pytest-budgetguard"):
        read_report(file)


def test_a_report_of_any_size_is_not_read(tmp_path, monkeypatch):
    """The memory that a file can take is bounded."""
    monkeypatch.setattr(reading, "LARGEST_BYTES", 1024 * 1024)
    file = tmp_path / "report.json"
    with file.open("wb") as stream:
        stream.truncate(8 * 1024 * 1024)

    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read_report(file)


def test_a_file_that_is_not_there(tmp_path):
    """The system's reason is told."""
    with pytest.raises(UsageError, match=r"none\.json: cannot be read: No such file"):
        read_report(tmp_path / "none.json")


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize(
    "field", ["budget", "target", "limit", "metric", "selector", "reason", "hint", "note"]
)
def test_half_a_character_in_any_text_is_no_traceback(outcome, field):
    """A lone surrogate, which a file name that is no UTF-8 brings along, can be written by each format."""
    verdict = replace(PASSED, outcome=outcome, **{field: "half \ud800"})
    for renderer in (junit.render, sarif.render, markdown.render, terminal.render):
        renderer(replace(REPORT, verdicts=(verdict,))).encode()
