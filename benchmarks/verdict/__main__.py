"""The laboratory: how often verdicts on time are wrong, ours and those of the peers, side by side.

    python -m benchmarks.verdict --minutes 30          # measure for so long, then print the tables
    python -m benchmarks.verdict --minutes 0 --docs    # only the tables, also into docs/benchmarks.md
    python -m benchmarks.verdict --minutes 5 --only aa power

Every job appends one line to .benchmarks/verdict/results.jsonl, so that a run that is stopped goes on
where it was, and the evidence grows over days. The experiments take turns by their share of the time:
a stop at any moment leaves a balanced set. Needs git, uv, an index of packages, and valgrind for `counts`.
"""

import argparse
import datetime as dt
import os
import platform
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.run_all import RESULTS, put_into_docs
from benchmarks.start_up import machine_line
from benchmarks.verdict import environments, results
from benchmarks.verdict.experiments import Laboratory, Outcome, experiments, run
from benchmarks.verdict.report import tables
from benchmarks.verdict.results import Record
from benchmarks.verdict.schedule import Experiment, following, tries

WORK = RESULTS / "verdict"
FAILURES_IN_A_ROW = 2
BAR = 24


def main() -> int:
    """Measure, then tell."""
    asked = arguments().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # neighbours and folders go, too
    wanted = [one for one in experiments() if not asked.only or one.name in asked.only]
    if asked.minutes > 0:
        lab = laboratory(asked.work, editable=asked.editable)
        measure(lab, wanted, asked.results, asked.minutes * 60)
    records = results.read(asked.results)
    if asked.gate:
        records = [one for one in records if one.gate == asked.gate]
    text = "\n".join([f"{machine_line()}\n", *tables(records)])
    print(text)
    if asked.docs:
        RESULTS.mkdir(exist_ok=True)
        shown = (
            f"    python -m benchmarks.verdict --minutes N    # {hours(records):.1f} hours in all"
        )
        (RESULTS / "verdict.md").write_text(f"{shown}\n\n{text}\n")
        put_into_docs("verdict")
    return 0


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    reader = argparse.ArgumentParser(
        prog="python -m benchmarks.verdict", description=__doc__.splitlines()[0]
    )
    known = [one.name for one in experiments()]
    reader.add_argument(
        "--minutes", type=float, default=10.0, help="when to stop; 0 only tells (default: 10)"
    )
    reader.add_argument(
        "--only", nargs="+", choices=known, metavar="NAME", help=f"of: {' '.join(known)}"
    )
    reader.add_argument(
        "--results", type=Path, default=WORK / "results.jsonl", help="the file that grows"
    )
    reader.add_argument(
        "--work", type=Path, default=WORK, help="where environments and projects are made"
    )
    reader.add_argument("--gate", default="", help="tell only of this state of the gate")
    reader.add_argument(
        "--docs", action="store_true", help="put the tables into docs/benchmarks.md"
    )
    reader.add_argument(
        "--editable", action="store_true", help="measure the work tree itself, not its wheel"
    )
    return reader


def laboratory(work: Path, *, editable: bool) -> Laboratory:
    """Make what all jobs share; that is not part of the minutes."""
    work.mkdir(parents=True, exist_ok=True)
    gate = environments.state("budgetguard/gate", "pytest_plugin/budgetguard_worker")
    python, tool = environments.ours(work.resolve(), editable=editable)
    peers = environments.peers(work.resolve())
    return Laboratory(work.resolve(), python, peers, tool, gate)


def measure(lab: Laboratory, wanted: Sequence[Experiment], file: Path, seconds: float) -> None:
    """Run one job after the other; an experiment that fails twice in a row is left out from then on."""
    began_s, failed = time.monotonic(), Counter[str]()
    records = results.read(file)
    while (left_s := began_s + seconds - time.monotonic()) > 0:
        ready = [one for one in wanted if failed[one.name] < FAILURES_IN_A_ROW]
        chosen = following(ready, records, left_s)
        if chosen is None:
            break
        experiment, cell = chosen
        progress(1 - left_s / seconds, f"{experiment.name} {cell}")
        record = job(lab, experiment.name, cell, tries(experiment.name, cell, records))
        results.append(file, record)
        records.append(record)
        failed[experiment.name] = failed[experiment.name] + 1 if record.error else 0
        if record.error:
            print(f"\n{experiment.name} {cell}: {record.error}", file=sys.stderr)
    progress(1.0, f"{len(records)} jobs in {file}\n")


def job(lab: Laboratory, experiment: str, cell: str, before: int) -> Record:
    """One job and what is noted of it; a failure is noted, too."""
    at, load, began_s = dt.datetime.now(dt.UTC), os.getloadavg()[0], time.monotonic()
    error = ""
    try:
        found = run(experiment, lab, cell, before)
    except (
        Exception
    ) as failure:  # any failure of any tool is a result, and the next job may succeed
        found, error = Outcome(), f"{type(failure).__name__}: {failure}"[:1500]
    return Record(
        experiment=experiment,
        cell=cell,
        at=at.isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - began_s, 2),
        gate=lab.gate,
        machine=f"{os.cpu_count()} CPUs, {platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
        load=round(load, 1),
        error=error,
        verdicts=tuple(replace(one, seconds=round(one.seconds, 2)) for one in found.verdicts),
        numbers=found.numbers or {},
    )


def progress(done: float, what: str) -> None:
    """A bar on standard error; a line each where that is no terminal."""
    full = round(BAR * min(1.0, done))
    start, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "\n")
    print(
        f"{start}[{'#' * full}{'-' * (BAR - full)}] {done:4.0%} {what}",
        end=end,
        file=sys.stderr,
        flush=True,
    )


def hours(records: Sequence[Record]) -> float:
    """How long all jobs took."""
    return sum(record.took_s for record in records) / 3600


if __name__ == "__main__":
    sys.exit(main())
