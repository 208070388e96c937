"""The committed file: it is read whole, or refused with a way out."""

import json
import re

import pytest

from budgetguard.errors import BaselineError
from budgetguard.gate.baseline import LARGEST_BYTES, read_baseline, render, write_baseline
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

STORED = Stored(
    unit=Unit.BYTES, target="bundle", value=100.0, spread=(99.0, 101.0), made_with="zlib 1"
)
BASELINE = Baseline(
    {
        Point("app", "a.js", "gzip"): {"": STORED},
        Point("cli", "", "time"): {"": Stored(unit=Unit.SECONDS, target="command")},
    },
    "2026-05-01T00:00:00Z",
)


@pytest.fixture
def file(tmp_path):
    """Where the baseline stands."""
    return tmp_path / "budgetguard.baseline.json"


def test_round_trip(file):
    """What is written is read back."""
    write_baseline(file, BASELINE)

    assert read_baseline(file) == BASELINE


def test_no_file_is_an_empty_baseline(file):
    """Before the first record there is nothing, and that is known."""
    assert read_baseline(file) == Baseline(exists=False)


def test_one_entry_a_line(file):
    """A change of one value is a change of one line in a review."""
    lines = [line for line in render(BASELINE).splitlines() if '"budget"' in line]

    assert len(lines) == 2
    assert json.loads(lines[0].strip().rstrip(","))["metric"] == "gzip"


GOOD = render(BASELINE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        (GOOD[: len(GOOD) // 2], "not JSON"),
        (GOOD[:-3], "not JSON"),
        ("[]", "expected an object"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 50_000, "not JSON"),
        (GOOD.replace('"schema": 1', '"schema": 2'), "Upgrade"),
        (GOOD.replace('"schema": 1', '"schema": "x"'), "schema 'x'"),
        (GOOD.replace('"schema": 1,', ""), "schema None"),
        (GOOD.replace("    null", '    {"budget": "x"}'), "ends with null"),
        (GOOD.replace('"value": 100', '"value": NaN'), "not a number"),
        (GOOD.replace('"value": 100', '"value": Infinity'), "not a number"),
        (GOOD.replace('"value": 100', '"value": "100"'), "not a number"),
        (GOOD.replace('"value": 100', '"value": true'), "not a number"),
        (GOOD.replace('"unit": "bytes"', '"unit": "kB"'), "unit is"),
        (GOOD.replace('"with"', '"wiht"'), "unknown field 'wiht'"),
        (GOOD.replace('"spread": [99, 101]', '"spread": [99]'), "not a pair"),
        (GOOD.replace('"metric": "gzip"', '"metric": 5'), "as text"),
        (f"<<<<<<< ours\n{GOOD}=======\n{GOOD}>>>>>>> theirs\n", "budgetguard baseline merge"),
    ],
)
def test_garbage_is_refused(file, text, said):
    """Whatever is wrong with the file, nothing of it is used, and the next step is told."""
    file.write_text(text)

    with pytest.raises(BaselineError, match=r"restore|record|Upgrade|merge") as raised:
        read_baseline(file)
    assert said in str(raised.value)


def test_duplicates_are_refused(file):
    """One point recorded twice has no value."""
    line = next(line for line in GOOD.splitlines() if '"gzip"' in line)
    file.write_text(GOOD.replace(line, f"{line}\n{line}"))

    with pytest.raises(BaselineError, match="twice"):
        read_baseline(file)


def test_binary_is_refused(file):
    """A file that is no text is told as such."""
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BaselineError, match="not UTF-8"):
        read_baseline(file)


def test_huge_file_is_refused_unread(file):
    """A file beyond any sense is not even read."""
    with file.open("wb") as stream:
        stream.truncate(LARGEST_BYTES + 1)

    with pytest.raises(BaselineError, match="larger than 64,000,000 bytes"):
        read_baseline(file)


def test_folder_that_is_gone(file):
    """A baseline that cannot be written says so and that nothing changed."""
    with pytest.raises(BaselineError, match="cannot be written"):
        write_baseline(file.parent / "gone" / file.name, BASELINE)


def test_names_that_are_not_utf8(file):
    """A part whose name holds stray bytes is recorded and found again."""
    odd = Baseline({Point("app", "a\udc80.js", "gzip"): {"": STORED}}, "")
    write_baseline(file, odd)

    assert read_baseline(file) == odd


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('"spread": [1e12, 0], "value": 10', "does not hold the value"),
        ('"spread": [1, 2]', "spread is not"),
        ('"value": 10, "target": "te st"', "target is 'te st'"),
        ('"value": -10', "is not a number from 0 up"),
        ('"value": 1, "better": "lowre"', "better is 'lowre'"),
        ('"value": 1, "with": [1]', "with is [1]"),
        ('"value": 1, "key": {}', "key is {}"),
        (f'"value": {"9" * 400}', "is not a number"),
        (f'"value": {"9" * 5000}', "not JSON"),
    ],
)
def test_a_value_that_nobody_recorded_is_refused(tmp_path, entry, said):
    """What could never have been written is an error, not a looser yardstick."""
    file = tmp_path / "budgetguard.baseline.json"
    one = '{"budget": "a", "target": "bundle", "metric": "raw", "unit": "bytes", ' + entry + "}"
    file.write_text('{"schema": 1, "time": "", "entries": [' + one + ", null]}")
    with pytest.raises(BaselineError, match=re.escape(said)):
        read_baseline(file)


def test_a_schema_is_a_number(tmp_path):
    """true is not 1."""
    file = tmp_path / "budgetguard.baseline.json"
    file.write_text('{"schema": true, "time": "", "entries": [null]}')
    with pytest.raises(BaselineError, match="schema True"):
        read_baseline(file)
