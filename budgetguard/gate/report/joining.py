"""The reports of all shards joined to one verdict. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from budgetguard.errors import UsageError
from budgetguard.gate.report.wording import visible
from budgetguard.gate.shard import SESSION, Shard
from budgetguard.gate.verdict import LeftToCheck, Report, Verdict

_SHOWN = 8


def join(reports: Mapping[str, Report]) -> Report:
    """One report of those that files hold, by the name of the file; raises `UsageError`.

    They have to be all shards of one run: the same commit, version, number of shards and options.
    The duration is that of the longest, as jobs run beside each other.
    """
    shards = {name: _shard(name, report) for name, report in reports.items()}
    for what, said in (
        ("shards", {name: f"{shard.of} shards" for name, shard in shards.items()}),
        ("versions", {name: report.tool for name, report in reports.items()}),
        ("commits", {name: report.commit or "no commit" for name, report in reports.items()}),
        ("folders", {name: report.folder or "the root" for name, report in reports.items()}),
        ("options", {name: report.asked or "no option" for name, report in reports.items()}),
    ):
        _check_same(what, said)
    _check_complete(shards)
    in_order = sorted(reports, key=lambda name: shards[name].number)
    ordered = [reports[name] for name in in_order]
    for name in in_order:
        _check_own(name, reports[name], shards[name])
    first = ordered[0]
    return Report(
        verdicts=(*(one for report in ordered for one in report.verdicts), *_unmatched(ordered)),
        left=tuple(one for report in ordered for one in report.left),
        notes=_once(note for report in ordered for note in report.notes),
        whole=True,
        strict=any(report.strict for report in ordered),
        machine=" + ".join(_once(report.machine for report in ordered)),
        tool=first.tool,
        started=min(report.started for report in ordered),
        duration_s=max(report.duration_s for report in ordered),
        commit=first.commit,
        folder=first.folder,
        asked=first.asked,
    )


def _shard(name: str, report: Report) -> Shard:
    if report.shard is None:
        raise UsageError(
            f"{name}: is no report of a shard; expected what `budgetguard check --shard I/N "
            f"--report {name}` writes"
        )
    return report.shard


def _check_same(what: str, said: Mapping[str, str]) -> None:
    if len(set(said.values())) > 1:
        lines = [f"  {name}: {visible(text)}" for name, text in said.items()]
        told = "\n".join(lines[:_SHOWN])
        raise UsageError(
            f"reports of different {what} are no parts of one run:\n{told}\n"
            f"merge the reports of one run only"
        )


def _check_complete(shards: Mapping[str, Shard]) -> None:
    found: dict[int, str] = {}
    for name, shard in shards.items():
        other = found.setdefault(shard.number, name)
        if other != name:
            raise UsageError(f"{other} and {name} are both of shard {shard}; give each once")
    of = next(iter(shards.values())).of
    missing = [number for number in range(1, of + 1) if number not in found]
    if missing:
        shown = ", ".join(f"{number}/{of}" for number in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise UsageError(
            f"the report of shard {shown}{more} is missing; what it holds was not judged. "
            f"Give the reports of all {of} shards, of jobs that failed too"
        )


def _check_own(name: str, report: Report, shard: Shard) -> None:
    """A budget that another shard answers for would be counted twice, or in the place of its own."""
    judged: Sequence[Verdict | LeftToCheck] = (*report.verdicts, *report.left)
    for one in judged:
        if one.budget != SESSION and not shard.holds(one.budget):
            raise UsageError(
                f"{name}: {visible(one.budget)} is not of shard {shard}; the report was "
                f"changed, or two were mixed"
            )


def _unmatched(reports: Sequence[Report]) -> list[Verdict]:
    """The groups that no shard has a test of."""
    first, *others = reports
    named = [{verdict.budget for verdict in report.unmatched} for report in others]
    return [
        verdict for verdict in first.unmatched if all(verdict.budget in names for names in named)
    ]


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
