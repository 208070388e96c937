"""What the laboratory tries, cell by cell; each job is one run of one tool on one new project."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.verdict import counting, neighbours, ours, peers, released, sampling
from benchmarks.verdict.edits import EDITS, identical, reordered, unused
from benchmarks.verdict.projects import (
    PACKAGE,
    names,
    slowed,
    slower_units,
    sources,
    tree,
    two_commits,
    write,
)  # fmt: skip
from benchmarks.verdict.results import Judged
from benchmarks.verdict.schedule import Experiment

LEVELS = (0.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0)
"""Slowdowns that are injected, in percent; those beside a slower one that are unchanged count as A/A."""
PEER_LEVELS = (0.0, 10.0, 0.0, 20.0)
UNUSED_FUNCTIONS = 40
VARIANTS: dict[str, Callable[[str, int], str]] = {
    "identical": identical,
    "unused": lambda source, seed: unused(source, seed, UNUSED_FUNCTIONS),
    "reordered": reordered,
}
LAYOUT_BLOCKS, LAYOUT_PAIRS = 8, 8
WAITING = {"sleeping"}
"""What instructions cannot see: it is slower by construction."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What every job needs: where to work, the interpreters, and what a project installs of ours."""

    work: Path
    python: Path
    peers_python: Path
    tool: tuple[str, ...]
    gate: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one job found."""

    verdicts: tuple[Judged, ...] = ()
    numbers: Mapping[str, float] | None = None


Job = Callable[[Laboratory, str, int, Path], Outcome]
"""Takes the laboratory, the cell, how often it was tried before, and an empty folder."""


def experiments() -> list[Experiment]:
    """All of them, with their shares of the time."""
    regimes = tuple(neighbours.REGIMES)
    return [
        Experiment("aa", 0.36, tuple(f"{r}/{v}" for v in VARIANTS for r in regimes)),
        Experiment("power", 0.22, regimes),
        Experiment("pytest-benchmark", 0.09, regimes),
        Experiment("asv", 0.05, regimes),
        Experiment("benchmatrix", 0.06, regimes),
        Experiment("samples", 0.04, regimes),
        Experiment("layout", 0.08, tuple(f"{n}/{e}" for e in EDITS for n in names())),
        Experiment("releases", 0.07, tuple(pair.name for pair in released.pairs())),
        Experiment("counts", 0.03, tuple(n for n in names() if n not in WAITING), once=True),
    ]


def run(experiment: str, lab: Laboratory, cell: str, before: int) -> Outcome:
    """One job in a folder of its own, with the neighbours of its regime."""
    regime = cell.partition("/")[0]
    regime = regime if regime in neighbours.REGIMES else "quiet"
    with (
        tempfile.TemporaryDirectory(prefix="verdict-", dir=lab.work) as made,
        neighbours.regime(regime, before),
    ):
        return JOBS[experiment](lab, cell, before, Path(made).resolve())


def spread(levels: tuple[float, ...], before: int) -> dict[str, float]:
    """A level for each workload, so that after `len(levels)` jobs each had every level once."""
    return {name: levels[(at + before) % len(levels)] for at, name in enumerate(names())}


def heads(percents: Mapping[str, float], before: int) -> dict[str, str]:
    """The head of each workload: slower, or of the unchanged each other time with unused functions."""
    texts = sources(list(percents))
    edit = VARIANTS["unused" if before % 2 else "identical"]
    return {
        name: slowed(name, texts[name], percent) if percent else edit(texts[name], before)
        for name, percent in percents.items()
    }


def unchanged(lab: Laboratory, cell: str, before: int, folder: Path) -> Outcome:
    """A/A: every workload, the head edited in a way that changes nothing, in a folder of some name."""
    edit = VARIANTS[cell.partition("/")[2]]
    texts = {name: edit(text, before) for name, text in sources().items()}
    place = folder / ("project" if edit is identical else "p" * (1 + before * 7 % 40))
    project = two_commits(place, with_baseline(lab, folder), _beside(lab, folder, texts))
    return Outcome(tuple(ours.check(lab.python, project.folder)))


def slower(lab: Laboratory, _cell: str, before: int, folder: Path) -> Outcome:
    """Power: each workload slower by another level."""
    percents = spread(LEVELS, before)
    texts = _beside(lab, folder, heads(percents, 0))
    project = two_commits(folder / "project", with_baseline(lab, folder), texts)
    return Outcome(tuple(ours.check(lab.python, project.folder, percents)))


def with_baseline(lab: Laboratory, folder: Path) -> dict[str, str]:
    """The files of the base; its baseline is recorded once for each state of the gate and kept."""
    files = tree(sources())
    kept = lab.work / f"baseline-{lab.gate}"
    if not kept.exists():
        recorded = ours.recorded(lab.python, files, folder / "recorded")
        for old in lab.work.glob("baseline-*"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        for name in recorded.keys() - files.keys():
            write(kept / name, recorded[name])
    return {**files, **{file.name: file.read_text() for file in kept.iterdir()}}


def _beside(lab: Laboratory, folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """The files of a head: those of the base, with other workloads."""
    return {**with_baseline(lab, folder), **tree(texts)}


def by_pytest_benchmark(lab: Laboratory, _cell: str, before: int, folder: Path) -> Outcome:
    """pytest-benchmark's own comparison."""
    percents = spread(PEER_LEVELS, before)
    project = two_commits(folder / "head", tree(sources()), tree(heads(percents, before)))
    return Outcome(tuple(peers.pytest_benchmark(lab.peers_python, project, percents)))


def by_asv(lab: Laboratory, _cell: str, before: int, _folder: Path) -> Outcome:
    """asv's own comparison."""
    percents = spread(PEER_LEVELS, before)
    return Outcome(tuple(peers.asv(lab.peers_python, lab.work, heads(percents, before), percents)))


def by_benchmatrix(lab: Laboratory, _cell: str, before: int, folder: Path) -> Outcome:
    """benchmatrix's paired design, one workload a job: it takes minutes."""
    everything = names()
    name, turn = everything[before % len(everything)], before // len(everything)
    percent = PEER_LEVELS[(before + turn) % len(PEER_LEVELS)]
    text = heads({name: percent}, turn)[name]
    return Outcome(tuple(peers.benchmatrix(lab.peers_python, folder, name, percent, text)))


def by_rules(lab: Laboratory, _cell: str, before: int, folder: Path) -> Outcome:
    """The rules of criterion and tango on our own samples."""
    percents = spread(PEER_LEVELS, before)
    project = two_commits(folder / "head", tree(sources()), tree(heads(percents, before)))
    return Outcome(tuple(peers.sampled(lab.peers_python, project, percents, before)))


def layout(lab: Laboratory, cell: str, before: int, folder: Path) -> Outcome:
    """How far one edit, drawn anew, moves one workload."""
    name, _, edit = cell.partition("/")
    text = sources([name])[name]
    folders = folder / "base", folder / "head"
    for at, content in zip(folders, (text, EDITS[edit](text, before)), strict=True):
        for path, written in tree({name: content}).items():
            write(at / path, written)
    seen = sampling.shift(
        lab.peers_python, folders, f"{PACKAGE}.{name}", blocks=LAYOUT_BLOCKS, pairs=LAYOUT_PAIRS, seed=before * 1000
    )  # fmt: skip
    return Outcome(numbers={"shift": seen.mean, "error": seen.error})


def counts(lab: Laboratory, cell: str, _before: int, folder: Path) -> Outcome:
    """How many more instructions each injected slowdown of one workload is."""
    for path, written in tree(sources([cell])).items():
        write(folder / path, written)
    units = [slower_units(cell, level) for level in LEVELS]
    python, module = str(lab.peers_python), f"{PACKAGE}.{cell}"
    base, *more = counting.at_units(python, folder, module, units)
    levels = zip(LEVELS[1:], more, strict=True)
    return Outcome(numbers={f"{level:g}": one / base - 1 for level, one in levels})


def releases(lab: Laboratory, cell: str, _before: int, folder: Path) -> Outcome:
    """One pair of real releases."""
    pair = next(pair for pair in released.pairs() if pair.name == cell)
    found = released.judge(pair, list(lab.tool), lab.peers_python, lab.work, folder)
    return Outcome(tuple(found))


JOBS: dict[str, Job] = {
    "aa": unchanged,
    "power": slower,
    "pytest-benchmark": by_pytest_benchmark,
    "asv": by_asv,
    "benchmatrix": by_benchmatrix,
    "samples": by_rules,
    "layout": layout,
    "releases": releases,
    "counts": counts,
}
