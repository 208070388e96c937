"""The resources meter against bodies that leave real things behind."""

import socket
import threading

import pytest

from budgetguard.gate.meters import resources

ALL = frozenset(resources.METRICS)


def read(body, wanted=ALL):
    with resources.watch(frozenset(wanted)) as readings:
        body()
    return readings()


def test_a_clean_body_leaves_nothing(tmp_path):
    """Files and threads that the body ends itself do not count."""

    def body():
        (tmp_path / "file").write_text("x")
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    readings = read(body)
    assert {name: reading.value for name, reading in readings.items()} == dict.fromkeys(ALL, 0)
    assert not any(reading.evidence for reading in readings.values())


def test_what_is_left_is_counted_and_named(tmp_path):
    """An open file, socket and thread count one each, with a description as evidence."""
    left, stop = [], threading.Event()

    def body():
        left.append((tmp_path / "file").open("w"))
        left.append(socket.socket())
        thread = threading.Thread(target=stop.wait, name="poller")
        thread.start()
        left.append(thread)

    readings = read(body)
    stop.set()
    left[2].join(10)
    left[0].close()
    left[1].close()
    counts = {name: reading.value for name, reading in readings.items()}
    assert counts == {"threads": 1, "fds": 1, "sockets": 1, "tasks": 0, "children": 0}
    assert "poller" in readings["threads"].evidence[0]
    assert str(tmp_path.name) in readings["fds"].evidence[0]


def test_evidence_is_short(tmp_path):
    """At most five descriptions of a readable length; the count is of all."""
    left = []
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    readings = read(lambda: left.extend((folder / str(i)).open("w") for i in range(8)), {"fds"})
    for file in left:
        file.close()
    assert readings["fds"].value == 8
    assert len(readings["fds"].evidence) == 5
    assert all(len(line) <= 100 for line in readings["fds"].evidence)


def test_an_exception_passes():
    """The block's own exception comes out unchanged."""
    error = ValueError("mine")
    with pytest.raises(ValueError) as caught, resources.watch(ALL):
        raise error
    assert caught.value is error
