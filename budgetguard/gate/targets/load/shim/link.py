"""How what a generator process has counted leaves it: into the file, or first to locust's master."""

import json
from typing import Any, cast

import gevent  # type: ignore[import-untyped] # gevent has no types of its own
from locust.rpc import Message
from locust.runners import STATE_MISSING

from budgetguard.gate.targets.load.shim.clock import sleep

_BEGUN, _LINE, _DONE = "budgetguard_begun", "budgetguard_line", "budgetguard_done"
_BEGIN_S = 5.0
_DRAIN_S = 5.0
"""How long the master waits for the last words of workers, beyond the time to stop their users."""
_STEP_S = 0.05


class FileLink:
    """Appends lines to the file that the coordinator reads."""

    def __init__(self, path: str) -> None:
        self._path = path

    def tell(self, line: str) -> None:
        """Write one line, at once."""
        with open(self._path, "a", encoding="utf-8") as file:  # noqa: PTH123 -- locust's workers start faster without pathlib
            file.write(f"{line}\n")

    def begun(self) -> None:
        """Nobody waits for it."""

    def done(self) -> None:
        """Nothing follows."""


class WorkerLink:
    """Sends lines from a worker to its master, in order and at once."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def tell(self, line: str) -> None:
        """Send one line."""
        self._runner.send_message(_LINE, line)

    def begun(self) -> None:
        """Tell the master that the run has begun here."""
        self._runner.send_message(_BEGUN, None)

    def done(self) -> None:
        """Tell the master that nothing follows."""
        self._runner.send_message(_DONE, None)


def keep_host(runner: Any, host: str) -> None:
    """A worker's users go where it was told, not to the master's host, which it may know by no such name."""
    start = runner.start_worker

    def start_worker(*arguments: Any, **named: Any) -> None:
        runner.environment.host = host
        start(*arguments, **named)

    runner.start_worker = start_worker


class MasterLink:
    """Takes the lines of all workers, and ends the run only when each has said its last."""

    def __init__(self, runner: Any, file: FileLink) -> None:
        self._runner = runner
        self._file = file
        self._begun: set[str] = set()
        self._done: set[str] = set()
        self._expected = runner.environment.parsed_options.expect_workers
        self._quit = runner.quit
        self._quitting = False
        runner.register_message(_BEGUN, self._begin)
        runner.register_message(_LINE, self._take)
        runner.register_message(_DONE, self._finish)
        runner.quit = self.quit

    def await_workers(self) -> None:
        """Wait until the run has begun in all of them: its length is theirs."""
        with gevent.Timeout(_BEGIN_S, False):  # noqa: FBT003 -- gevent's signature
            while len(self._begun) < self._expected:
                sleep(_STEP_S)

    def quit(self) -> None:
        """Let workers stop their users and tell their last interval; locust itself waits half a second."""
        if not self._quitting:
            self._quitting = True
            self._drain()
        self._quit()

    def _drain(self) -> None:
        clients, message = self._runner.clients, cast("Any", Message)
        self._runner._users_dispatcher = None  # noqa: SLF001 -- who stops now needs no replacement
        for client in clients.all:
            self._runner.server.send_to_client(message("quit", None, client.id))
        try:
            limit_s = self._runner.environment.stop_timeout + _DRAIN_S
            with gevent.Timeout(limit_s, False):  # noqa: FBT003 -- gevent's signature
                while any(self._is_awaited(one) for one in clients.all):
                    sleep(_STEP_S)
        finally:  # locust kills who waits here, when the last worker is lost
            if lost := len(self._begun - self._done):
                self._file.tell(note(f"{lost} of {self._expected} workers did not reach the end"))

    def _is_awaited(self, worker: Any) -> bool:
        return worker.id not in self._done and worker.state != STATE_MISSING

    def _begin(self, msg: Any, **_: object) -> None:
        self._begun.add(msg.node_id)

    def _take(self, msg: Any, **_: object) -> None:
        self._file.tell(msg.data)

    def _finish(self, msg: Any, **_: object) -> None:
        self._done.add(msg.node_id)


def note(text: str) -> str:
    """The line that tells people something beside the numbers."""
    return json.dumps({"note": text})


def problem(text: str) -> str:
    """The line that tells why there is no measurement."""
    return json.dumps({"problem": text})
