"""How often `p95 <= baseline + 10%` is right: unchanged apps, and apps that were made slower.

    python -m benchmarks.load.relative [--rounds 3] [--seconds 10] [--only waits] [--slower 1]

A project is a git repository of two commits. Its app is the latency server: one that waits (40 ms in the
middle, lognormal), or one that computes for 3 ms and waits for 5. The head of an unchanged project has
another comment, the others are slower by so much. A round is one `budgetguard check --against HEAD~1` of
each, in a new random order; the delays of each app are drawn by a seed of its own. The share that reds
are at most is Clopper and Pearson's, with 95 %. A check takes one to three minutes, and tells its
verdicts on standard error.
"""

import argparse
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.load.project import Checked, Load, check, tree
from benchmarks.start_up import machine_line
from benchmarks.verdict.intervals import upper_bound
from benchmarks.verdict.projects import two_commits

LIMIT = "p95 <= baseline + 10%"
SLOWER = (1.0, 1.2)
OUTCOMES = ("FAIL", "UNSETTLED", "PASS")
COLUMNS = (
    "app",
    "head",
    "verdicts",
    "red",
    "at most",
    "UNSETTLED",
    "green",
    "other",
    "median change",
    "s per check",
)


@dataclass(frozen=True, slots=True)
class Project:
    """An app, and by how much its head is slower."""

    app: str
    slower: float

    @property
    def head(self) -> str:
        """What is told of its head."""
        return "unchanged" if self.slower == 1 else f"{self.slower - 1:.0%} slower"


def loads(seconds: float) -> dict[str, Load]:
    """The load of each app, so light that the app keeps up on one core."""
    waits, computes = "--mode lognormal", "--mode constant --delay-ms 5 --cpu-ms 3"
    return {
        "waits": Load(limit=LIMIT, seconds=seconds, users=40, options=waits),
        "computes": Load(limit=LIMIT, seconds=seconds, users=4, options=computes, waiting_s=0.05),
    }


def main() -> None:
    """Check in rounds, then print the table."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--rounds", type=int, default=3, help="checks of each (default: 3)")
    reader.add_argument("--seconds", type=float, default=10.0, help="of load (default: 10)")
    reader.add_argument("--only", choices=loads(1), help="only this app")
    reader.add_argument("--slower", type=float, nargs="+", default=SLOWER, help="the heads to try")
    asked = reader.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # apps and folders go, too
    wanted = [app for app in loads(asked.seconds) if asked.only in (None, app)]
    projects = [Project(app, slower) for app in wanted for slower in asked.slower]
    print(f"{machine_line()}; {asked.seconds:.0f} s of load\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="load-relative-") as made:
        work = Path(made).resolve()
        folders = {one: built(one, asked.seconds, work) for one in projects}
        checked = in_rounds(folders, asked.rounds)
    print("\n".join(table(checked)))
    print("\n".join(["", *others(checked)]).rstrip())


def built(project: Project, seconds: float, work: Path) -> Path:
    """The repository of a project; returns its folder."""
    load = loads(seconds)[project.app]
    folder = work / f"{project.app}-{project.slower:g}"
    comment = "# nothing is slower by this\n" if project.slower == 1 else ""
    head = tree(load, slower=project.slower, comment=comment)
    return two_commits(folder, tree(load), head).folder


def in_rounds(folders: Mapping[Project, Path], rounds: int) -> dict[Project, list[Checked]]:
    """The checks of each project."""
    checked: dict[Project, list[Checked]] = {project: [] for project in folders}
    order, draw = list(folders), random.Random(1)
    for _ in range(rounds):
        draw.shuffle(order)
        for project in order:
            found = check(folders[project], "--no-same-code", "--against", "HEAD~1")
            checked[project].append(found)
            outcomes = ", ".join(verdict["outcome"] for verdict in found.report["verdicts"])
            told = f"{project.app}, {project.head}: {outcomes}, {found.took_s:.0f} s"
            print(told, file=sys.stderr, flush=True)
    return checked


def table(checked: Mapping[Project, Sequence[Checked]]) -> Iterator[str]:
    """A row for each project."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|---|" + "--:|" * (len(COLUMNS) - 2)
    for project, checks in checked.items():
        verdicts = [verdict for one in checks for verdict in one.report["verdicts"]]
        count = Counter(verdict["outcome"] for verdict in verdicts)
        red = count["FAIL"]
        bound = f"{upper_bound(red, len(verdicts)):.1%}" if project.slower == 1 else ""
        other = len(verdicts) - sum(count[outcome] for outcome in OUTCOMES)
        changes = [verdict["change"][1] for verdict in verdicts if verdict.get("change")]
        change = f"{median(changes):+.1%}" if changes else ""
        took = f"{median(one.took_s for one in checks):.1f}"
        cells = [project.app, project.head, len(verdicts), red, bound, count["UNSETTLED"]]
        cells += [count["PASS"], other, change, took]
        yield f"| {' | '.join(map(str, cells))} |"


def others(checked: Mapping[Project, Sequence[Checked]]) -> Iterator[str]:
    """Why a verdict was not what the project deserves, each reason once."""
    for project, checks in checked.items():
        deserved = "PASS" if project.slower == 1 else "FAIL"
        verdicts = [verdict for one in checks for verdict in one.report["verdicts"]]
        wrong = [verdict for verdict in verdicts if verdict["outcome"] != deserved]
        for reason, number in Counter(f"{v['outcome']}: {v['reason']}" for v in wrong).items():
            yield f"- {project.app}, {project.head}: {number} x {reason}"


if __name__ == "__main__":
    main()
