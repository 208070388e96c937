"""What a generator appends to its file is handed on, and what cannot be read is left out."""

import threading
from pathlib import Path

import pytest

from budgetguard.gate.targets.load.interval import Interval
from budgetguard.gate.targets.load.listener import Listener


def interval(number: int) -> Interval:
    """A second without requests."""
    return Interval(worker="local", number=number, start=0.0, seconds=1.0, users=1)


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    """Each interval is told at once; half a line waits for its other half."""
    came = threading.Event()
    with Listener(tmp_path / "told", lambda _: bool(came.set())) as listener:
        with listener.path.open("a") as file:
            line = interval(0).to_json()
            file.write(line[:10])
            file.flush()
            file.write(line[10:] + "\n")
            file.flush()
            assert came.wait(20)
            file.write(interval(1).to_json() + "\n")
    assert [one.number for one in listener.intervals] == [0, 1]
    assert not listener.stop.is_set()


@pytest.mark.parametrize("line", ["", "null", "[]", "{}", "no json", '{"worker": 1}', "\xff", "1"])
def test_malformed_lines_are_left_out(tmp_path: Path, line: str) -> None:
    """Anything else is not an interval, and what follows is read."""
    with Listener(tmp_path / "told", lambda _: False) as listener:
        listener.path.write_bytes(f"{line}\n{interval(3).to_json()}\n".encode("latin-1"))
    assert [one.number for one in listener.intervals] == [3]


def test_notes_and_problems(tmp_path: Path) -> None:
    """The first problem counts, and all notes."""
    with Listener(tmp_path / "told", lambda _: False) as listener:
        listener.path.write_text(
            '{"note": "a"}\n{"problem": "b"}\n{"problem": "c"}\n{"note": "d"}\n'
        )
    assert (listener.notes, listener.problem) == (["a", "d"], "b")


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_told_raises(tmp_path: Path, error: BaseException) -> None:
    """It stops the run and comes out; later intervals are kept, but not told."""

    def told(_: Interval) -> bool:
        raise error

    listener = Listener(tmp_path / "told", told)

    def listen() -> None:
        with listener:
            listener.path.write_text(f"{interval(0).to_json()}\n{interval(1).to_json()}\n")
            assert listener.stop.wait(20)

    with pytest.raises(type(error)):
        listen()
    assert len(listener.intervals) == 2
