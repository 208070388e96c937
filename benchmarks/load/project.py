"""A small project with a load budget, as a git repository, and `budgetguard check` in it."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.serving import SCRIPT
from benchmarks.verdict.environments import run
from benchmarks.verdict.ours import CODES, program

CHECK_TIMEOUT_S = 600.0
LOCUSTFILE = '''\
"""Customers who never think."""

from locust import FastHttpUser, constant, task


class Customer(FastHttpUser):
    wait_time = constant({waiting_s})

    @task
    def items(self):
        self.client.get("/items")
'''
CONFIG = """\
version: 1
budgets:
  shop:
    load: locustfile.py
    serve: python app.py --port {{port}} --seed {{port}} {options}
    stages: [{{users: {users}, for: {seconds:g} s}}]
    warmup: {warmup_s:g} s
    limits: [{limit}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The one budget of a project; `options` are those of its app, the latency server."""

    limit: str
    seconds: float
    users: int
    options: str
    warmup_s: float = 1.0
    waiting_s: float = 0.0


def tree(load: Load, *, slower: float = 1.0, comment: str = "") -> dict[str, str]:
    """The files of the project by path; what makes it slower is in the code, as in life."""
    fast, slow = (f'"--slower", type=float, default={times:.1f}' for times in (1.0, slower))
    source = SCRIPT.read_text()
    if fast not in source:
        raise RuntimeError(f"{SCRIPT.name} has no {fast}")
    config = CONFIG.format(
        options=load.options,
        users=load.users,
        seconds=load.seconds,
        warmup_s=load.warmup_s,
        limit=load.limit,
    )
    return {
        "app.py": f"{source.replace(fast, slow)}{comment}",
        "locustfile.py": LOCUSTFILE.format(waiting_s=load.waiting_s),
        "budgetguard.yml": config,
    }


@dataclass(frozen=True, slots=True)
class Checked:
    """What `budgetguard check` said, and what it took."""

    report: Mapping[str, Any]
    took_s: float


def check(folder: Path, *options: str) -> Checked:
    """Check the load budgets of a project; raises `RuntimeError` for a run that judged nothing."""
    command: list[str | Path] = [program(Path(sys.executable)), "check", "--only", "load"]
    began_s = time.monotonic()
    done = run([*command, "--json", *options], folder, CHECK_TIMEOUT_S, allowed=CODES)
    return Checked(json.loads(done.out), time.monotonic() - began_s)
