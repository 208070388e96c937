"""The command line and the demo data."""

import json
from datetime import date
from pathlib import Path

import pytest
from content_app.__main__ import main


def test_the_demo_report_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The report of the demo data is one JSON object of counts."""
    assert main(["report", "--demo", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers.keys() == {"articles", "words", "tokens"}
    assert numbers["articles"] == 48


def test_seeding_fills_only_an_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that holds users is left as it is."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'content.db'}")
    assert main(["seed", "--today", date(2026, 1, 31).isoformat()]) == 0
    assert main(["seed"]) == 1
    assert "seed only an empty one" in capsys.readouterr().err
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["articles"] == 48
