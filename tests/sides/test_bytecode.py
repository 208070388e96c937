"""Where bytecode goes while two sides are compared."""

import os
from pathlib import Path

import pytest

from budgetguard.gate.sides import bytecode
from budgetguard.gate.sides.reaper import Reaper


@pytest.mark.parametrize("forbidden", ["", "1"])
def test_bytecode_is_written_for_both_sides(
    forbidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody may write bytecode, a base without any would look slow in every process."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", forbidden)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/theirs")
    before = dict(os.environ)
    with Reaper() as reaper:
        with bytecode.written(reaper):
            folder = os.environ["PYTHONPYCACHEPREFIX"]
            assert not os.environ.get("PYTHONDONTWRITEBYTECODE")
            assert (folder == "/theirs") == (not forbidden)
        assert os.environ.get("PYTHONPYCACHEPREFIX") == "/theirs"
        assert os.environ.get("PYTHONDONTWRITEBYTECODE", "") == before["PYTHONDONTWRITEBYTECODE"]
    assert not forbidden or not Path(folder).exists()
