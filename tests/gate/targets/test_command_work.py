"""`instructions` of a whole command, on real processes under callgrind."""

import shutil
import sys
from pathlib import Path

import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Request, Where
from budgetguard.gate.side import Side
from budgetguard.gate.targets import command
from budgetguard.gate.targets.command.options import CommandOptions

needs_valgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None, reason="valgrind is not installed"
)


def counted(folder: Path, argv, *limits, rounds=1, **options):
    """The readings of each round, by metric."""
    given = CommandOptions(argv=argv, timeout_s=30.0, **options)
    budget = Budget(
        name="cli",
        target="command",
        limits=tuple(parse_limit(limit, command.metrics(given)) for limit in limits),
        where=Where("budgetguard.yml"),
        options=given,
    )
    (job,) = command.plan([budget], Request(), folder)
    with job.start(Side("head", folder, sys.executable)) as probe:
        return [
            {point.metric: reading for point, reading in probe.round([budget]).items()}
            for _ in range(rounds)
        ]


@needs_valgrind
def test_instructions_of_a_command_and_its_children(tmp_path):
    """The same in two probes, with what a shell starts, and counted once however many rounds there are."""
    shell = ("sh", "-c", "/bin/echo one; /bin/echo two")
    first, again = counted(tmp_path, shell, "instructions <= 1", "wall <= 9 s", rounds=2)
    (other,) = counted(tmp_path, shell, "instructions <= 1")
    (alone,) = counted(tmp_path, ("sh", "-c", "exit 0"), "instructions <= 1")
    value = first["instructions"].value
    assert not first["instructions"].error
    assert again["instructions"] is first["instructions"]
    assert other["instructions"].value == pytest.approx(value, rel=0.002)
    assert alone["instructions"].value < value / 2, "the children count"
    assert "callgrind" in first["instructions"].made_with
    assert first["wall"].value > 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere valgrind is not asked for")
def test_a_command_without_valgrind(tmp_path, monkeypatch):
    """Its instructions are an error that says what to install; its other metrics are read."""
    program = shutil.which("true")
    monkeypatch.setenv("PATH", str(tmp_path))
    (readings,) = counted(tmp_path, (program,), "instructions <= 1", "wall <= 9 s")
    assert readings["wall"].value > 0
    assert "apt-get install valgrind" in readings["instructions"].error


@needs_valgrind
def test_a_command_that_fails_under_callgrind_alone(tmp_path):
    """A program that notices is told as such, with the budget's other readings in place."""
    script = tmp_path / "picky"
    script.write_text('#!/bin/sh\ncase "$LD_PRELOAD" in *vgpreload*) exit 7;; esac\nexit 0\n')
    script.chmod(0o755)
    (readings,) = counted(tmp_path, (str(script),), "instructions <= 1", "wall <= 9 s")
    assert readings["wall"].value > 0
    assert "under callgrind" in readings["instructions"].error
    assert "exit code 7" in readings["instructions"].error
