"""`python -P .../budgetguard_worker/counted.py FILE`: a worker that counts the work of one subject.

It serves rounds like any worker, but its coordinator lives in the same process: it switches the count
on as the last thing before a round, and off as the first thing after. A round of one call and a
longer one differ by calls of the body alone, whatever else a round takes.
"""

import json
import os
import sys
from collections.abc import Mapping
from os.path import dirname, join
from pathlib import Path
from typing import Any

ENOUGH = 500_000
"""The longer round has so many calls that it counts about this much more, or `MOST_CALLS`."""
MOST_CALLS = 100
SUBJECT = 1


class Coordinator:
    """Stands in the place of the pipe (`link.Link`): hears what the worker says, and gives its orders."""

    def __init__(self) -> None:
        self.value: float | None = None
        self.problem = ""
        self._orders: list[dict[str, Any]] = []
        self._counting: Any = None
        self._first = 0
        self._calls = 0

    def stay(self) -> None:
        """A fork of the body that came back ends where the worker would look for orders."""

    def send(self, kind: str, number: int, content: Mapping[str, Any]) -> None:
        """Hear one message of the worker."""
        counting, self._counting = self._counting, None
        if counting is not None:
            counting.__exit__(None, None, None)
        match kind:
            case "collected":
                missing = dict(content["missing"]).get(str(SUBJECT))
                self.problem = str(missing[0]) if missing else ""
                self._orders = [{"plan": [] if missing else [SUBJECT]}]
            case "ready" if content["mode"] == "process":
                self._give_up("its body cannot be called a second time in one process")
            case "ready":
                self._first = self._calls = 0
                self._orders = [_round(1), _round(1, counted=True)]
            case "rounds" if counting is not None:
                self._take(counting)
            case "stuck" | "unrepeatable" | "broken":
                self._give_up(str(content.get("why")))
            case "end" if content["outcome"] != "passed":
                self._give_up(f"the test {content['outcome']}: {content['why']}")
            case _:
                pass
        del number  # there is one subject

    def receive(self) -> dict[str, Any]:
        """Give the next order; when there is none left, the worker has done its part."""
        order = self._orders.pop(0) if self._orders else {"do": "done"}
        if order.pop("counted", False):
            counting = _counter()
            try:
                counting.__enter__()
            except Exception as error:  # noqa: BLE001  # CannotCount, of a module loaded by its path
                self._give_up(str(error))
                return {"do": "done"}
            self._counting = counting
        return order

    def _take(self, counting: Any) -> None:
        try:
            value = counting.counted().value
        except Exception as error:  # noqa: BLE001  # likewise
            self._give_up(str(error))
            return
        if not self._calls:
            self._first = value
            self._calls = max(1, min(MOST_CALLS, ENOUGH // max(value, 1)))
            self._orders = [_round(1 + self._calls, counted=True)]
        else:
            self.value = (value - self._first) / self._calls

    def _give_up(self, why: str) -> None:
        self.problem = self.problem or why
        self._orders = []


class Nobody:
    """Stands in the place of the other side (`link.Relay`), which there is none of."""

    def begin(self, batch: int, within_s: float) -> None:
        """Nobody has to be told."""

    def wait(self) -> bool:
        """It is always our turn."""
        return True

    def hand_over(self, *, on: bool = True) -> None:
        """Nobody waits."""


def _round(calls: int, *, counted: bool = False) -> dict[str, Any]:
    return {
        "do": "rounds",
        "units": calls,
        "batch": 0,
        "within_s": 0,
        "steps": [0],
        "counted": counted,
    }


def _counter() -> Any:
    from budgetguard_worker.counting import OUT, Bytecodes, Instructions

    return Instructions() if os.environ.get(OUT) else Bytecodes()


def main(file: str) -> None:
    """Serve the subject that the file's configuration names; the count goes to a file beside it."""
    configuration = json.loads(Path(file).read_text(encoding="utf-8"))
    os.chdir(configuration["folder"])
    sys.path[:0] = [*configuration["path"], configuration["folder"]]
    from budgetguard_worker.session import run

    coordinator = Coordinator()
    code = run(coordinator, Nobody(), configuration, None)  # type: ignore[arg-type]  # a Link and a Relay without pipes
    problem = coordinator.problem
    if coordinator.value is None and not problem:
        problem = f"pytest ended with exit code {code} before the body was counted"
    told = {"value": coordinator.value, "error": problem}
    Path(f"{file}.told").write_text(json.dumps(told), encoding="utf-8")
    os._exit(0)  # without waiting for the threads of tests


if __name__ == "__main__":
    from runpy import run_path

    # the package is made known as every worker does it; run by path, that starts no worker
    run_path(join(dirname(__file__), "__main__.py"))["_register"]()  # noqa: PTH118, PTH120
    main(sys.argv[1])
