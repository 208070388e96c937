"""Reports of real runs: what is published, what is read back, and what other programs make of them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

import budgetguard

SCHEMA = json.loads(
    (Path(budgetguard.__file__).parent / "budgetguard-report.schema.json").read_text()
)
INBOX = "tests/test_inbox.py::test_inbox"
BUNDLE = "  app: {bundle: dist, limits: [raw <= 1 kB, raw <= baseline, '*.js raw <= 900 B']}\n"
GROUP = "version: 1\nbudgets:\n  perf: {test: tests, limits: [queries <= 3]}\n"


def over(shop):
    shop.write(
        {"tests/test_outbox.py": "def test_outbox(db):\n" + "    db.execute('SELECT 1')\n" * 5}
    )
    return "FAIL"


def with_bundle(shop):
    shop.write({"budgetguard.yml": GROUP + BUNDLE, "dist/app.js": "a" * 950})
    return "NEW"


def gone(shop):
    shop.recorded((INBOX, "queries", 2), ("tests/test_old.py::test_old", "queries", 2))
    return "VANISHED"


def broken(shop):
    shop.write({"tests/test_inbox.py": "import nothing_of_this_name\n"})
    return "ERROR"


def ended(shop):
    shop.write({"tests/test_inbox.py": "import os\n\n\ndef test_inbox():\n    os._exit(3)\n"})
    return "ERROR"


def skipped(shop):
    test = "import pytest\n\n\n@pytest.mark.skip(reason='no GPU')\ndef test_inbox():\n    pass\n"
    config = GROUP.replace("[queries <= 3]", "[queries <= 3], may_skip: no GPU in CI")
    shop.write({"budgetguard.yml": config, "tests/test_inbox.py": test})
    return "SKIPPED"


def shown_only(shop):
    config = GROUP.replace("[queries <= 3]", "[queries <= 1], enforce: false")
    shop.write({"budgetguard.yml": config})
    return "FAIL"


def no_base(shop):
    shop.write({"budgetguard.yml": GROUP.replace("queries <= 3", "time <= baseline + 5%")})
    return "ERROR"


SITUATIONS = (over, with_bundle, gone, broken, ended, skipped, shown_only, no_base)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_every_report_is_published_and_lossless(shop, situation):
    """The JSON report of any outcome is as its schema says, and gives the other reports as the run did."""
    outcome = situation(shop)
    names = ("r.json", "r.md", "r.xml", "r.sarif")
    told = shop.check(*(word for name in names for word in ("--report", name)))
    document = json.loads((shop.folder / "r.json").read_text())
    copies = [word for name in names for word in ("--report", f"again/{name}")]
    again = shop.run("budgetguard", "report", "r.json", *copies)
    shown = shop.run("budgetguard", "report", "r.json")

    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert outcome in {verdict["outcome"] for verdict in document["verdicts"]}, told
    assert document["exit_code"] == told.code
    assert (again.code, again.out, again.err) == (0, "", "")
    for name in names:
        ours, theirs = (shop.folder / folder / name for folder in ("", "again"))
        assert ours.read_text() == theirs.read_text()
    assert shown.code == 0
    assert shown.out == told.out
    Sarif.model_validate_json((shop.folder / "r.sarif").read_text())
    suite = ET.parse(shop.folder / "r.xml").getroot()
    red = int(suite.get("failures")) + int(suite.get("errors"))
    assert bool(red) == bool(told.code)


def test_a_comparison_of_time(timed):
    """What base and head said in turn, with its interval, is in the report and comes out of it again."""
    timed.based()
    timed.takes(64_000)
    told = timed.check("--no-same-code", "--seconds", "1", "--report", "r.json")
    document = json.loads((timed.folder / "r.json").read_text())

    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    (verdict,) = document["verdicts"]
    assert len(verdict["change"]) == 3
    assert document["commit"] == timed.git("rev-parse", "HEAD")
    assert timed.run("budgetguard", "report", "r.json").out == told.out


def test_findings_have_the_path_of_the_repository(timed):
    """A configuration in a folder of a repository is found where the repository has it."""
    timed.write(
        {
            "web/budgetguard.yml": "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 9 B]}\n",
            "web/dist/app.js": "a" * 100,
        }
    ).commit("a bundle")
    timed.check("--report", "r.sarif", cwd="web").ends(1)
    (run,) = json.loads((timed.folder / "web/r.sarif").read_text())["runs"]

    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "web/budgetguard.yml"
    line = (timed.folder / "web/budgetguard.yml").read_text().splitlines()
    assert "app:" in line[place["region"]["startLine"] - 1]


def test_a_conversion_that_works_is_0_and_else_2(over_budget):
    """A red report is converted all the same; no report, no format and no file are errors of usage."""
    over_budget.check("--report", "red.json").ends(1)
    report = ("budgetguard", "report")

    over_budget.run(*report, "red.json").ends(0, "5 is over 3", "exit 1")
    over_budget.run(*report, "show", "red.json", "--json").ends(0, '"schema": 1')
    over_budget.run(*report, "red.json", "--report", "x.pdf").ends(2, "expected one that ends in")
    over_budget.run(*report, "budgetguard.yml").ends(2, "budgetguard.yml: is no JSON")
    over_budget.run(*report, "none.json").ends(2, "none.json: cannot be read")
    over_budget.run(*report).ends(2, "Missing argument 'FILE'")
