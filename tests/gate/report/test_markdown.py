"""The report for a pull request."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.model import Where
from budgetguard.gate.report import markdown
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report

from .conftest import over


def test_worst_first():
    """The first row is the worst; what passed is folded away."""
    text = markdown.render(
        Report(
            verdicts=(
                over(Outcome.PASS, budget="good"),
                over(Outcome.NEW),
                over(budget="bad"),
            )
        )
    )
    rows = [line for line in text.splitlines() if line.startswith("| ") and "budget |" not in line]

    assert "bad" in rows[0]
    assert "154 kB | 150 kB" in rows[0].replace("\u00a0", " ")
    assert text.index("<summary>1 within budget") < text.index("good")


HOSTILE = (
    "<img src=x> | `a` @org/team #99 [x](http://evil.example) www.evil.example **b** $x$ \n\n# H"
)


@pytest.mark.parametrize("field", ["budget", "limit", "reason", "hint", "note", "selector"])
def test_outside_text_is_inert(field):
    """No text from outside can break the table, mention, refer, link or embed."""
    text = markdown.render(Report(verdicts=(over(**{field: HOSTILE}),)))

    _check_inert(text)


def test_outside_text_in_lists_is_inert():
    """Evidence, notes, places and what is left are escaped as well."""
    text = markdown.render(
        Report(
            verdicts=(over(evidence=(HOSTILE,), where=Where(HOSTILE)),),
            left=(LeftToCheck(HOSTILE, HOSTILE, HOSTILE),),
            notes=(HOSTILE,),
            machine=HOSTILE,
        )
    )

    _check_inert(text)


ATTEMPTS = {
    "a row": "x | y | z\n| ✅ | all | fine |",
    "a link": "[all is well](https://evil.example)",
    "a reference": "![x][1]\n\n[1]: https://evil.example/x.png",
    "an image": "<img src=https://evil.example/x onerror=alert(1)>",
    "the end of the code": "</code></summary></details><h1>fine</h1>",
    "an entity": "&lt;script&gt; &#64;org/team &commat;org",
    "a comment": "<!-- budgetguard:main -->",
    "a mention": "@octocat @org/team user@example.org",
    "an issue": "#1 org/repo#2 GH-3 org/repo@0123456789012345678901234567890123456789",
    "an address": "<https://evil.example> https://evil.example www.evil.example ftp://evil.example",
    "a fence": "```\n# fine\n```",
    "backslashes": "\\| \\` \\<b>",
    "right to left": "\u202egnp.exe\u202c \u2066x\u2069 \u200fx",
    "no width": "f\u200bi\u200cn\u200de\ufeff \u2060x\u00ad",
    "tags": "x\U000e0041\U000e0042",
    "lines": "x\u2028y\u2029z\x0bw\x0cv\x85u\ry",
    "a terminal": "\x1b[2J\x1b]0;x\x07",
    "a formula": "$\\href{https://evil.example}{fine}$ $`x`$",
    "an alert": "> [!WARNING]\n> x",
    "a task": "- [x] fine",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_attempts_to_break_out(attempt):
    """In every place that text from outside takes, it stays text: no row, link, mention, tag or mark."""
    hostile = over(
        budget=attempt,
        limit=attempt,
        selector=attempt,
        reason=attempt,
        hint=attempt,
        note=attempt,
        evidence=(attempt,),
        where=Where(attempt, 4, attempt),
    )
    text = markdown.render(
        Report(
            verdicts=(hostile, replace(hostile, outcome=Outcome.PASS)),
            left=(LeftToCheck(attempt, attempt, attempt),),
            notes=(attempt,),
            machine=attempt,
            tool=attempt,
            started=attempt,
        )
    )

    assert set(re.findall(r"</?([^>]*)>", text)) <= {"details", "summary", "code", "sub", "br"}
    assert not re.search(r"@(?!\u200b)|\]\(|://|www\.|(?<!&)#[0-9]|GH-|`", text)
    assert not re.search(r"&(?!#[0-9]+;)", text)
    assert not set(
        "\u202e\u2066\u200f\u200c\u200d\ufeff\u2060\u00ad\U000e0041\u2028\u2029\x0b\x85\x1b"
    ) & set(text)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == 6
    assert all(row.count("|") == 8 for row in rows)
    lines = text.split("\n")
    assert sum(bool(re.match(r"#+(\s|$)", line)) for line in lines) == 1
    assert not any(line.startswith(("- [", "> [", "    ", "\t")) for line in lines)


def _check_inert(text):
    for alive in ("<img", "`", "@org", "#99", "](", "http://", "www.e", "**", "$x", "\n# H"):
        assert alive not in text
    head = next(line for line in text.splitlines() if line.startswith("|---"))
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.count("|") == head.count("|")


@given(st.text(max_size=200))
def test_any_text_keeps_the_table_whole(name):
    """Whatever a name holds, each row is one line of seven cells and can be encoded."""
    text = markdown.render(Report(verdicts=(over(budget=name, limit=name, reason=name),)))

    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == 3
    assert all(row.count("|") == 8 for row in rows)
    text.encode()


@pytest.mark.parametrize("number", [400, 3000])
def test_long_report_is_cut_whole(number):
    """At most 65 536 characters, every block closed, and a line that says how much is missing."""
    verdicts = tuple(over(budget=f"tests/test_{n}.py::test" + "<" * 60) for n in range(number))
    text = markdown.render(Report(verdicts=verdicts, notes=("n" * 5000,) * 50))

    assert len(text) <= markdown.LARGEST
    assert text.count("<details>") == text.count("</details>")
    assert re.search(r"Cut here: .*[0-9]+ more", text)


def test_many_green_rows_are_cut_inside_their_fold():
    """The fold of what passed is closed however many rows there are."""
    text = markdown.render(
        Report(verdicts=tuple(over(Outcome.PASS, budget=f"b{n}") for n in range(5000)))
    )

    assert len(text) <= markdown.LARGEST
    assert text.count("<details>") == text.count("</details>") == 1
    assert "more rows" in text


def test_nothing_measured():
    """An empty run is not mistaken for a green one."""
    assert "measured nothing" in markdown.render(Report(verdicts=()))
