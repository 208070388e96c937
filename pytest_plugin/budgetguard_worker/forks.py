"""Rounds of a body that can be called once only: each call in a fork that has not called it yet."""

import json
import os
import threading
from collections.abc import Callable
from typing import Any

from budgetguard_worker.clock import NOTHING, Cost, Tally, added
from budgetguard_worker.internals import first_line
from budgetguard_worker.rounds import Once, Round
from budgetguard_worker.talk import Unrepeatable


def in_forks(once: Once) -> Round:
    """A round of calls in processes of their own."""

    def many(count: int) -> Cost:
        total = NOTHING
        for _ in range(count):
            total = added(total, _in_fork(once))
        return total

    return many


def _in_fork(
    once: Once,
    *,
    fork: Callable[[], int] = os.fork,
    wait: Callable[[int, int], Any] = os.waitpid,
    read: Callable[[int, int], bytes] = os.read,
) -> Cost:
    if threading.active_count() > 1:
        raise Unrepeatable(
            "it cannot be called again, and other threads forbid a fork for each call"
        )
    incoming, outgoing = os.pipe()
    child = fork()
    if child == 0:
        _call_and_leave(once, outgoing)
    os.close(outgoing)
    told = b""
    while data := read(incoming, 1 << 12):
        told += data
    os.close(incoming)
    wait(child, 0)
    answer = json.loads(told) if told else "the process of a call ended before its end"
    if isinstance(answer, str):
        raise Unrepeatable(answer)
    return Cost(*answer)


def _call_and_leave(
    once: Once,
    outgoing: int,
    *,
    write: Callable[[int, bytes], int] = os.write,
    leave: Callable[[int], Any] = os._exit,
) -> None:
    try:
        tally = Tally()
        once(tally)
        answer: object = list(tally.cost)
    except BaseException as error:  # noqa: BLE001  # whatever a test raises: it must not come back
        answer = first_line(error)
    try:
        write(outgoing, json.dumps(answer).encode())
    finally:
        leave(0)
