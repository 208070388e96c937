"""A report for programs: every field of every verdict, numbers in canonical units.

Bytes, seconds, ratio (0.05 is 5 %), count and per second. Fields may be added under one `schema`;
none changes its meaning. `schema.py` publishes the form, `reading.py` reads it back.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from budgetguard.gate.shard import Shard
from budgetguard.gate.verdict import Outcome, Report, Verdict

SCHEMA = 1


def render(report: Report) -> str:
    """The JSON text, pure ASCII, so that no name can break its encoding."""
    return json.dumps(plain(report), indent=2, allow_nan=False) + "\n"


def plain(report: Report) -> dict[str, object]:
    """The report as plain data, for a document that holds more."""
    outcomes = Counter(verdict.outcome for verdict in report.verdicts)
    return {
        "schema": SCHEMA,
        "tool": report.tool,
        "machine": report.machine,
        "commit": report.commit,
        "folder": report.folder,
        "asked": report.asked,
        "started": report.started,
        "duration_s": report.duration_s,
        "whole": report.whole,
        "strict": report.strict,
        "shard": _shard(report.shard, report.unmatched) if report.shard else None,
        "exit_code": report.exit_code,
        "summary": {
            "limits": report.total,
            "guarded": report.guarded,
            "red": sum(verdict.red for verdict in report.verdicts),
            "left": len(report.left),
            "outcomes": {str(outcome): outcomes[outcome] for outcome in Outcome},
        },
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
        "left": [asdict(left) for left in report.left],
        "notes": list(report.notes),
    }


def _shard(shard: Shard, unmatched: Sequence[Verdict]) -> dict[str, object]:
    return {
        "number": shard.number,
        "of": shard.of,
        "unmatched": [_verdict(verdict) for verdict in unmatched],
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    fields: dict[str, object] = asdict(verdict)
    for name in ("measured", "allowed", "baseline", "visible"):
        fields[name] = _finite(fields[name])
    if verdict.change:
        fields["change"] = [_finite(one) for one in verdict.change]
    return {**fields, "red": verdict.red}


def _finite(value: object) -> object:
    """JSON has no infinity, and what is not a number is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
