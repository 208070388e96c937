"""The flow: config -> targets -> rounds -> verdicts -> report."""

import datetime as dt
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from budgetguard import __version__
from budgetguard.errors import BaselineError, MeasureError, UsageError
from budgetguard.gate import machine
from budgetguard.gate.baseline import parse_baseline, read_baseline
from budgetguard.gate.committed import text_at
from budgetguard.gate.compare import DEFAULT, Comparing, compare, waiting
from budgetguard.gate.config import Config
from budgetguard.gate.confirm import CONFIRMING_SEEDS, doubted, lower
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import nearest
from budgetguard.gate.model import Baseline, Budget, Point, Reading, Readings, Request
from budgetguard.gate.sampling import sample
from budgetguard.gate.settle import Scope, Settled, settle
from budgetguard.gate.shard import SESSION, Shard
from budgetguard.gate.side import Side
from budgetguard.gate.sides import git
from budgetguard.gate.targets import TARGETS, Job
from budgetguard.gate.verdict import Report, Verdict

_SHA_LENGTHS = (40, 64)


@dataclass(frozen=True, slots=True)
class Measured:
    """What `measure` found and read."""

    budgets: tuple[Budget, ...]
    readings: Readings


def check(
    config: Config, request: Request, *, strict: bool = False, how: Comparing = DEFAULT
) -> Report:
    """Measure what `request` asks for and judge it. Raises `UsageError` for a name that nothing has."""
    started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
    baseline = _own(_baseline(config, how.against), request.shard)
    measured = measure(config, request)
    by = yardstick(config, baseline)
    unmatched: tuple[Verdict, ...] = ()
    if request.shard:
        measured, unmatched = _divided(config, request.shard, measured, by)
    else:
        check_names(request, [*measured.budgets, *config.budgets])
    settled = settle(measured.budgets, measured.readings, by, scope(request))
    measured, settled = _confirmed(config, request, by, measured, settled)
    sound = [one for one in measured.budgets if Point(one.name, "", "") not in measured.readings]
    compared = compare(config, request, waiting(sound, request), by, how)
    if compared.readings:
        settled = settle(measured.budgets, measured.readings, by, scope(request), compared.readings)
    prefix, commit = _place(config.folder)
    return Report(
        verdicts=settled.verdicts,
        left=settled.left,
        notes=(*notes(baseline, measured.budgets, request), *compared.notes),
        whole=request.whole and request.shard is None,
        strict=strict,
        machine=machine.describe(),
        tool=f"budgetguard {__version__}",
        started=started.isoformat(timespec="seconds"),
        duration_s=time.perf_counter() - clock,
        folder=prefix,
        commit=commit,
        asked=_asked(request, how),
        shard=request.shard,
        unmatched=unmatched,
    )


def _place(folder: Path) -> tuple[str, str]:
    """Where in the repository a folder is, and the commit of the work tree; empty outside of one."""
    try:
        told = git.ask(folder, "rev-parse", "--show-prefix", "HEAD").text.split("\n")
    except git.BaseError:  # no git here
        return "", ""
    prefix, commit = (*told, "", "")[:2]
    return prefix, commit if len(commit) in _SHA_LENGTHS else ""


def _asked(request: Request, how: Comparing) -> str:
    """What narrows the run, as options."""
    words = [f"--only {request.only}" if request.only else "", "--exact" if request.exact else ""]
    words += [f"--against {how.against}" if how.against else ""]
    return " ".join(word for word in words if word)


def _own(baseline: Baseline, shard: Shard | None) -> Baseline:
    """What a shard has to answer for: nothing of the others can vanish here."""
    if shard is None:
        return baseline
    entries = {
        point: values for point, values in baseline.entries.items() if shard.holds(point.budget)
    }
    return replace(baseline, entries=entries)


def _divided(
    config: Config, shard: Shard, measured: Measured, by: Yardstick
) -> tuple[Measured, tuple[Verdict, ...]]:
    """What is a shard's own of what its session told, and the groups that no test of it is in."""
    groups = {budget.name for budget in config.budgets if budget.target == "test"}
    empty = [budget for budget in measured.budgets if budget.name in groups]
    own = [
        budget
        for budget in measured.budgets
        if budget.name not in groups and (shard.holds(budget.name) or budget.name == SESSION)
    ]
    unmatched = settle(empty, measured.readings, by, Scope()).verdicts
    return Measured(tuple(own), measured.readings), unmatched


def _confirmed(
    config: Config, request: Request, by: Yardstick, measured: Measured, settled: Settled
) -> tuple[Measured, Settled]:
    """A red that another session might not see is measured in two further ones."""
    for seed in CONFIRMING_SEEDS:
        names = doubted(settled.verdicts, measured.budgets)
        if not names:
            break
        try:
            again = measure(config, replace(request, names=names, seed=seed, exact=True))
        except MeasureError:
            break  # the reds stand as they are
        measured = Measured(
            measured.budgets, lower(measured.readings, again.readings, measured.budgets)
        )
        settled = settle(measured.budgets, measured.readings, by, scope(request))
    return measured, settled


def _baseline(config: Config, against: str) -> Baseline:
    """The stored values: with `against` those of that commit, so that no change loosens its own yardstick."""
    if against:
        text = text_at(config.baseline_file, against)
        file = Path(f"{against}:{config.baseline_file.name}")
        baseline = Baseline(exists=False) if text is None else parse_baseline(text, file)
    else:
        file = config.baseline_file
        baseline = read_baseline(file)
        _check_committed(config, baseline)
    check_targets(file, baseline)
    return baseline


def check_targets(file: Path, baseline: Baseline) -> None:
    """Refuse an entry of a target that is not measured here: nobody would miss it."""
    for point, values in baseline.entries.items():
        strange = sorted({stored.target for stored in values.values()} - TARGETS.keys())
        if strange:
            raise BaselineError(
                f"{file}: the target of {point.budget} is {strange[0]!r}, which budgetguard "
                f"{__version__} does not know; expected {', '.join(TARGETS)}. Upgrade: pip install "
                f"-U pytest-budgetguard; or restore the file: git checkout -- {file.name}"
            )


def measure(config: Config, request: Request, side: Side | None = None) -> Measured:
    """Read every budget that `request` wants, target by target, of the work tree or of another side."""
    side = side or Side("head", config.folder, sys.executable)
    by = yardstick(config, Baseline())
    request = replace(request, config=side.folder / config.file.name)
    budgets: dict[str, Budget] = {}
    readings: dict[Point, Reading] = {}
    for job in _jobs(config, request):
        with job.start(side) as probe:
            found = [budget.measuring(exact=request.exact) for budget in probe.budgets()]
            readings |= sample(probe, found, by)
            budgets |= {budget.name: budget for budget in found}
    return Measured(tuple(budgets.values()), readings)


def _jobs(config: Config, request: Request) -> Iterator[Job]:
    for name, target in TARGETS.items():
        if request.only not in ("", name):
            continue
        own = [budget for budget in config.budgets if budget.target == name]
        wanted = own if name == "test" else [budget for budget in own if request.wants(budget)]
        yield from target.plan(wanted, request, config.folder)


def _check_committed(config: Config, baseline: Baseline) -> None:
    """A first run has no baseline; a project that has committed one has lost it."""
    file = config.baseline_file
    if not baseline.exists and _committed(file):
        raise BaselineError(
            f"{file.name} is committed but not here; restore it: git checkout -- {file.name}"
        )


def _committed(file: Path) -> bool:
    try:
        return text_at(file, "HEAD") is not None
    except UsageError:  # no repository, or one without a commit
        return False


def yardstick(config: Config, baseline: Baseline) -> Yardstick:
    """What this configuration and baseline judge by, today and on this machine."""
    return Yardstick(
        entries=baseline.entries,
        key=machine.key(),
        accepted=config.accepted,
        today=dt.datetime.now(dt.UTC).date(),
    )


def scope(request: Request) -> Scope:
    """Whose completeness a run of this request can judge."""
    targets = frozenset([request.only] if request.only else TARGETS)
    return Scope(targets=targets, whole=request.whole, exact=request.exact)


def notes(baseline: Baseline, budgets: Sequence[Budget], request: Request) -> Iterator[str]:
    """What a person should know beside the verdicts."""
    recorded = {point.budget for point in baseline.entries}
    new = sorted(budget.name for budget in budgets if budget.limits and budget.name not in recorded)
    if new and request.whole:
        some = new[0] if len(new) == 1 else f"{len(new)} budgets"
        yield f"not recorded yet, so nobody would miss it: {some}; record: budgetguard baseline update"


def check_names(request: Request, budgets: Sequence[Budget]) -> None:
    """Raise `UsageError` for a name that no budget is called."""
    for name in request.names:
        if not any(budget.called(name) for budget in budgets):
            known = {budget.name for budget in budgets}
            raise UsageError(f"no budget is called {name!r}{nearest(name, known)}")
