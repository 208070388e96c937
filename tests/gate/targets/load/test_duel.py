"""Base and head, served and loaded in turn: what one block of both says."""

import sys
from pathlib import Path

import pytest

from budgetguard.gate.config import load_config
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets.load.duel import LoadDuel

from .loading import visitor

APP = """
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep({delay_s})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
"""
CONFIG = """\
version: 1
budgets:
  api:
    load: locustfile.py
    {serve}
    {users}
    limits:
      - p50 <= baseline + 50%
      - rps >= baseline - 50%
      - p99.9 <= baseline + 50%
      - GET * p90 <= baseline + 50%
"""
SERVE, USERS = "serve: python app.py {port}", "stages: [{users: 4, for: 3 s}]"


def _block(folder: Path, serve: str = SERVE, users: str = USERS):
    """One block of a head that takes 160 ms, and a base that takes 80 ms."""
    for name, delay_s in (("base", 0.08), ("head", 0.16)):
        (folder / name).mkdir()
        (folder / name / "app.py").write_text(APP.format(delay_s=delay_s))
        (folder / name / "locustfile.py").write_text(visitor())
    file = folder / "head/budgetguard.yml"
    file.write_text(CONFIG.format(serve=serve, users=users))
    (budget,) = load_config(file).budgets
    base, head = (Side(name, folder / name, sys.executable) for name in ("base", "head"))
    with Reaper() as reaper:
        found = LoadDuel(base, head, reaper).block([budget], seed=1)
    return {point.metric: block for point, block in found.items() if point.budget == "api"}


def test_one_block_of_both(tmp_path: Path) -> None:
    """A pair of values for each limit, unless the machine is too busy; a limit that cannot be read spoils no other."""
    blocks = _block(tmp_path)
    assert "p99.9" in blocks["p99.9"].error or blocks["p99.9"].unsettled
    assert "'GET *' means GET /; a limit with `baseline` is on one endpoint" in blocks["p90"].error
    for metric, (least, most) in {"p50": (1.2, 3), "rps": (0.3, 0.95)}.items():
        one = blocks[metric]
        assert not one.error
        if not one.unsettled:
            ((base,), (head,)) = one.base, one.head
            assert least < head / base < most


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"serve": "host: http://127.0.0.1:9"}, "expected serve:"),
        ({"serve": f"{SERVE}\n    port: 8123"}, "cannot both have one port"),
        ({"serve": f"{SERVE}\n    workers: external"}, "workers: external cannot load two sides"),
        ({"users": "users: 4"}, "expected profile: or stages:"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, changed: dict[str, str], cause: str) -> None:
    """Each limit has the error, with what was expected."""
    blocks = _block(tmp_path, **changed)
    assert all(cause in one.error for one in blocks.values())
