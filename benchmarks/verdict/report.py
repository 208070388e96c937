"""The tables of docs/benchmarks.md from what was measured; nothing is measured here."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.verdict.intervals import lower_bound, of_job, upper_bound
from benchmarks.verdict.released import Pair, pairs
from benchmarks.verdict.results import OURS, Judged, Record

JOB = 50
FLOOR = (1, 2, 3, 5)
TOLD_ERRORS = 6
OWN = ("aa", "power")
CONTESTS = (*OWN, "pytest-benchmark", "asv", "benchmatrix", "samples")


@dataclass(frozen=True, slots=True)
class Seen:
    """One verdict and the job it came from."""

    judged: Judged
    record: Record


def tables(records: Sequence[Record]) -> list[str]:
    """All tables, as lines of Markdown; an experiment without results has none."""
    own = [one for one in seen(records, OWN) if one.judged.rule == OURS]
    parts = [
        ("False reds on unchanged code", false_reds(own)),
        ("Slowdowns that were injected", power(own)),
        ("The same code through the peers", contest(seen(records, CONTESTS))),
        ("What unrelated edits move", floor(records)),
        ("Real releases", released(seen(records, ("releases",)))),
        ("Injected slowdowns, counted", counted(records)),
        ("Jobs that failed", failures(records)),
    ]
    lines = [sources(records), ""]
    for title, rows in parts:
        lines += [f"### {title}", "", *rows, ""] if rows else []
    return lines


def sources(records: Sequence[Record]) -> str:
    """How many jobs, when, on which machines and with which states of the gate."""
    gates = Counter(one.gate for one in records)
    told = ", ".join(f"{gate} ({count} jobs)" for gate, count in gates.most_common())
    days = sorted(one.at[:10] for one in records) or ["-"]
    machines = "; ".join(sorted({one.machine for one in records}))
    took_h = sum(one.took_s for one in records) / 3600
    return f"{len(records)} jobs, {took_h:.1f} h, {days[0]} to {days[-1]}; {machines}; states of the gate: {told}"


def seen(records: Iterable[Record], experiments: Sequence[str]) -> list[Seen]:
    """Every verdict of these experiments, in the order in which they were reached."""
    wanted = [record for record in records if record.experiment in experiments]
    return [Seen(judged, record) for record in wanted for judged in record.verdicts]


def false_reds(own: Sequence[Seen]) -> list[str]:
    """Ours on code that does nothing else, by the neighbours and by what the head's commit did."""
    same = [one for one in own if one.judged.percent == 0]
    if not same:
        return []
    groups: dict[str, list[Seen]] = {"**all**": same}
    for key in (regime, variant):
        for one in same:
            groups.setdefault(key(one), []).append(one)
    heads = [
        "head",
        "verdicts",
        "red",
        "share",
        "at most (95 %)",
        f"job of {JOB}, at most",
        f"{JOB} in a row with a red",
    ]
    heads += ["UNSETTLED", "not measured", "s per verdict"]
    return table(heads, ([name, *_false_row(group)] for name, group in groups.items()))


def _false_row(group: Sequence[Seen]) -> list[str]:
    judged = _decided(group)
    red = sum(one.judged.outcome == "red" for one in judged)
    most = upper_bound(red, len(judged))
    return [
        str(len(judged)),
        str(red),
        share(red, len(judged)),
        f"{most:.2%}",
        f"{of_job(most, JOB):.1%}",
        in_a_row(judged),
        share(_count(judged, "open"), len(judged)),
        str(len(group) - len(judged)),
        seconds(group),
    ]


def in_a_row(group: Sequence[Seen]) -> str:
    """How many runs of `JOB` verdicts, as they came, held a red one."""
    whole = [group[at : at + JOB] for at in range(0, len(group) - JOB + 1, JOB)]
    return f"{sum(_count(part, 'red') > 0 for part in whole)} of {len(whole)}"


def power(own: Sequence[Seen]) -> list[str]:
    """How many slowdowns ours found, together and in the workload where it found the fewest."""
    levels: defaultdict[float, list[Seen]] = defaultdict(list)
    for one in own:
        if one.judged.percent > 0:
            levels[one.judged.percent].append(one)
    heads = [
        "true slowdown",
        "verdicts",
        "red",
        "at least (95 %)",
        "UNSETTLED",
        "green",
        "not measured",
        "worst workload",
        "s per verdict",
    ]
    return table(heads, ([f"{level:g} %", *_power_row(levels[level])] for level in sorted(levels)))


def _power_row(group: Sequence[Seen]) -> list[str]:
    judged = _decided(group)
    red, count = _count(judged, "red"), len(judged)
    worst, found = _worst(judged)
    return [
        str(count),
        share(red, count),
        f"{lower_bound(red, count):.1%}",
        share(_count(judged, "open"), count),
        share(_count(judged, "green"), count),
        str(len(group) - count),
        f"{worst}: {found}" if worst else "",
        seconds(group),
    ]


def _worst(group: Sequence[Seen]) -> tuple[str, str]:
    """The workload with the smallest share of reds."""
    by: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in group:
        by[one.judged.subject].append(one)
    if not by:
        return "", ""
    name = min(by, key=lambda subject: _count(by[subject], "red") / len(by[subject]))
    return name, f"{_count(by[name], 'red')} of {len(by[name])}"


def contest(everything: Sequence[Seen]) -> list[str]:
    """One row a rule: false reds, detection, seconds. Rules are in the order of their false reds."""
    rules: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in everything:
        rules[one.judged.rule].append(one)
    heads = [
        "rule",
        "unchanged",
        "false red",
        "at most (95 %)",
        f"job of {JOB} red",
        "quiet",
        "hog",
        "bursty",
    ]
    heads += ["open", "found of 10 %", "found of 20 %", "no verdict", "s per verdict"]
    rows = sorted(rules.items(), key=lambda pair: (pair[0] != OURS, _false_share(pair[1])))
    return table(heads, ([name, *_contest_row(group)] for name, group in rows))


def _contest_row(group: Sequence[Seen]) -> list[str]:
    judged = _decided(group)
    same = [one for one in judged if one.judged.percent == 0]
    red = _count(same, "red")
    return [
        str(len(same)),
        share(red, len(same)),
        f"{upper_bound(red, len(same)):.2%}",
        f"{of_job(red / len(same), JOB):.0%}" if same else "",
        *(
            _red_of([one for one in same if regime(one) == name])
            for name in ("quiet", "hog", "bursty")
        ),
        share(_count(same, "open"), len(same)),
        *(
            _red_of([one for one in judged if one.judged.percent == level], of=True)
            for level in (10, 20)
        ),
        str(len(group) - len(judged)),
        seconds(group),
    ]


def floor(records: Sequence[Record]) -> list[str]:
    """How far edits that change nothing moved each workload, and how exactly that is known."""
    by: defaultdict[tuple[str, bool], list[Record]] = defaultdict(list)
    for one in records:
        if one.experiment == "layout" and not one.error:
            workload, _, edit = one.cell.partition("/")
            for key in ((workload, edit == "identical"), ("**all**", edit == "identical")):
                by[key].append(one)
    heads = [
        "workload",
        "edits",
        "median shift",
        "lowest",
        "highest",
        "SD",
        "SD of the same text",
        "standard error",
        *(f"beyond {at} %" for at in FLOOR),
    ]
    return table(heads, (_floor_row(name, by) for name in sorted({name for name, _ in by})))


def _floor_row(name: str, by: dict[tuple[str, bool], list[Record]]) -> list[str]:
    edited, control = by.get((name, False), []), by.get((name, True), [])
    shifts = [one.numbers["shift"] for one in edited]
    errors = [one.numbers["error"] for one in edited]
    if not shifts:
        return [name, "0", *[""] * (6 + len(FLOOR))]
    return [
        name,
        str(len(shifts)),
        f"{statistics.median(shifts):+.2%}",
        f"{min(shifts):+.1%}",
        f"{max(shifts):+.1%}",
        deviation(shifts),
        deviation([one.numbers["shift"] for one in control]),
        f"{statistics.median(errors):.2%}",
        *(share(sum(abs(math.expm1(s)) > at / 100 for s in shifts), len(shifts)) for at in FLOOR),
    ]


def released(group: Sequence[Seen]) -> list[str]:
    """Every pair of releases with what was known of it and the verdicts it got."""
    by: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in group:
        by[one.judged.subject].append(one.judged)
    heads = [
        "release",
        "instructions",
        "bytecodes",
        "expected",
        "red",
        "green",
        "UNSETTLED",
        "not measured",
        "told change",
        "right",
    ]
    return table(heads, (_release_row(pair, by[pair.name]) for pair in pairs() if pair.name in by))


def _release_row(pair: Pair, found: Sequence[Judged]) -> list[str]:
    counts = Counter(one.outcome for one in found)
    changes = [one.change[1] for one in found if len(one.change) == 3]
    right = counts[pair.expected] == len(found)
    lost = len(found) - counts["red"] - counts["green"] - counts["open"]
    return [
        pair.name,
        *(f"{change:+.1%}" for change in pair.changes),
        pair.expected,
        *(str(counts[name]) for name in ("red", "green", "open")),
        str(lost),
        f"{statistics.median(changes):+.1%}" if changes else "",
        "yes" if right else "no",
    ]


def counted(records: Sequence[Record]) -> list[str]:
    """By how much the instructions of each workload rise at each injected slowdown."""
    by = {one.cell: one.numbers for one in records if one.experiment == "counts" and not one.error}
    levels = sorted({level for numbers in by.values() for level in numbers}, key=float)
    rows = ([name, *(f"{by[name][at]:+.2%}" for at in levels)] for name in sorted(by))
    return table(["workload", *(f"{level} %" for level in levels)], rows)


def failures(records: Sequence[Record]) -> list[str]:
    """How many jobs failed, and the latest reasons."""
    failed = [one for one in records if one.error]
    lines = [f"{len(failed)} of {len(records)} jobs.", ""] if failed else []
    latest = {
        f"{one.experiment}: {' '.join(one.error.split())[:160]}": None for one in reversed(failed)
    }
    return [*lines, *(f"- {text}" for text in list(latest)[:TOLD_ERRORS])]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; nothing where it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines] if lines else []


def regime(one: Seen) -> str:
    """The neighbours that were there."""
    return one.record.regime


def variant(one: Seen) -> str:
    """What the head's commit did to code that it left as it was."""
    return one.record.cell.partition("/")[2] or "among slower ones"


def share(hits: int, tries: int) -> str:
    """A count as a share; nothing of nothing is an empty cell."""
    if not tries:
        return ""
    return f"{hits / tries:.1%}" if hits else "0"


def seconds(group: Sequence[Seen]) -> str:
    """The median time of a verdict and the longest."""
    took = [one.judged.seconds for one in group]
    return f"{statistics.median(took):.1f}, most {max(took):.0f}" if took else ""


def deviation(values: Sequence[float]) -> str:
    """The standard deviation as a percentage, of two values and more."""
    return f"{statistics.stdev(values):.2%}" if len(values) > 1 else ""


def _decided(group: Sequence[Seen]) -> list[Seen]:
    """Those that were measured, whatever came out."""
    return [one for one in group if one.judged.outcome in ("red", "green", "open")]


def _count(group: Iterable[Seen], outcome: str) -> int:
    return sum(one.judged.outcome == outcome for one in group)


def _false_share(group: Sequence[Seen]) -> float:
    same = [one for one in _decided(group) if one.judged.percent == 0]
    return _count(same, "red") / len(same) if same else 1.0


def _red_of(group: Sequence[Seen], *, of: bool = False) -> str:
    red = _count(group, "red")
    return f"{share(red, len(group))} of {len(group)}" if of and group else share(red, len(group))
