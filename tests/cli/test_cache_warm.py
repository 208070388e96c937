"""`budgetguard cache warm`: a plan is loaded by the user's own function, within its budget."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

APP = """\
import time
from decimal import Decimal
from pathlib import Path
from budgetguard.cache import Operation, Policy, open_cache
from budgetguard.cache.warming import Warmer

ASK = Operation(policy=Policy(name="ask", ttl_s=600), key=lambda r: r["q"], cost=lambda *_: Decimal("0.10"))

def send(request):
    with Path("asked").open("a") as stream:
        stream.write(request["q"] + "\\n")
    time.sleep(request.get("seconds", 0))
    if request.get("fails"):
        raise ConnectionError("refused")
    return [request["q"]]

async def asend(request):
    return send(request)

def warmer(send=send):
    warmer = Warmer(open_cache("memory://1MiB", "sqlite:///cache.db"))
    warmer.add(ASK, send)
    return warmer

def awarmer():
    return warmer(asend)

nothing = 3
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop.py").write_text(APP)
    env = {key: value for key, value in os.environ.items() if not key.startswith("BUDGETGUARD_")}

    def plan(*requests):
        lines = [json.dumps({"operation": "ask", "request": request}) for request in requests]
        (tmp_path / "plan.jsonl").write_text("\n".join(lines))

    def start(*arguments, where="shop:warmer"):
        command = [sys.executable, "-m", "budgetguard", "cache", "warm", where]
        return subprocess.Popen(
            [*command, "--plan", "plan.jsonl", "--rate", "1000", *arguments],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(*arguments, **more):
        process = start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def asked():
        file = tmp_path / "asked"
        return file.read_text().split() if file.exists() else []

    run.start, run.plan, run.asked = start, plan, asked
    return run


@pytest.mark.parametrize("where", ["shop:warmer", "shop:awarmer"])
def test_it_loads_within_the_budget(project, where):
    """A dry run calls nobody; the run spends no more than it may; the next finds it fresh."""
    project.plan(*({"q": f"q{number}"} for number in range(5)))
    code, out, _ = project("--budget", "0.30 USD", "--dry-run", where=where)
    assert (code, project.asked()) == (0, [])
    assert out.startswith("5 of 5 requests would be loaded")

    code, out, _ = project("--budget", "0.30 USD", where=where)
    assert code == 0
    assert out.startswith("3 loaded for 0.3 USD, 0 were fresh, 0 failed, 0 not kept, 2 left out")
    assert len(project.asked()) == 3
    code, out, _ = project("--budget", "5", "--json", where=where)
    known = json.loads(out)
    assert (known["loaded"], known["fresh"], known["spent_usd"]) == (2, 3, "0.20")


def test_failures_end_in_1(project):
    """And the others are loaded nevertheless."""
    project.plan({"q": "a", "fails": 1}, {"q": "b"})
    code, out, _ = project("--budget", "5")
    assert code == 1
    assert out.startswith("1 loaded")


def test_ctrl_c(project):
    """It ends in 130 and tells what was done; what was loaded is kept, and no call begins any more."""
    project.plan(*({"q": f"q{number}", "seconds": 0.3} for number in range(200)))
    process = project.start("--budget", "50", "--concurrency", "2")
    until = time.monotonic() + 30
    while len(project.asked()) < 4:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    asked = len(project.asked())

    assert process.returncode == 130, err
    assert "loaded for" in out
    assert asked < 20
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("where", "budget", "words"),
    [
        ("shop", "1", "MODULE:NAME"),
        ("nope:warmer", "1", "cannot be imported"),
        ("shop:nope", "1", "cannot be imported"),
        ("shop:nothing", "1", "a Warmer"),
        ("shop:warmer", "much", "US dollars"),
        ("shop:warmer", "-1", "0 US dollars or more"),
    ],
)
def test_wrong_usage(project, where, budget, words):
    """2 and what is wrong."""
    project.plan({"q": "a"})
    code, _, err = project("--budget", budget, where=where)
    assert code == 2
    assert words in err
    assert project.asked() == []
