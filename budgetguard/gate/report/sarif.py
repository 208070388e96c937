"""A report as SARIF 2.1.0, for what shows findings beside code, such as GitHub's code scanning.

A finding is a limit that is over or could not be measured and stands on a line: that line carries
the budget. What is red and has no line is a notification of the run. Rules are metrics.
"""

import hashlib
import json
from collections.abc import Sequence
from urllib.parse import quote

from budgetguard.gate.report.wording import measured_of_allowed, ranked, sentence, subject, visible
from budgetguard.gate.verdict import Outcome, Report, Verdict

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "%SRCROOT%"
"""GitHub's name for the root of the repository."""
_NOT_MEASURED = "not-measured"
_LONGEST = 2_000
_FINDINGS = frozenset({Outcome.FAIL, Outcome.ERROR})

Json = dict[str, object]


def render(report: Report) -> str:
    """The JSON text, pure ASCII."""
    worst = ranked(report.verdicts)
    found = [one for one in worst if one.outcome in _FINDINGS and one.where.line]
    placeless = [one for one in worst if one.red and one not in found]
    rules = list(dict.fromkeys(map(_rule_of, found)))
    run: Json = {
        "tool": {"driver": {**_driver(report), "rules": [_rule(name) for name in rules]}},
        "automationDetails": {"id": f"budgetguard/{_uri(report.folder)}"},
        "invocations": [_invocation(report, placeless)],
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The root of the repository"}},
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, rules, report.folder) for one in found],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _driver(report: Report) -> Json:
    name, _, version = report.tool.partition(" ")
    return {"name": visible(name or "budgetguard"), **({"version": version} if version else {})}


def _rule_of(verdict: Verdict) -> str:
    return visible(verdict.metric) or _NOT_MEASURED


def _rule(name: str) -> Json:
    about = "A budget could not be measured" if name == _NOT_MEASURED else f"Budget on {name}"
    return {
        "id": name,
        "shortDescription": {"text": about},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["performance"]},
    }


def _result(verdict: Verdict, rules: Sequence[str], folder: str) -> Json:
    rule = _rule_of(verdict)
    same = "\0".join((verdict.budget, verdict.limit, verdict.selector, rule))
    fingerprint = hashlib.sha256(same.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": "error" if verdict.red else "note",
        "message": {"text": _message(verdict)},
        "locations": [_location(verdict, folder)],
        "partialFingerprints": {"budget/v1": fingerprint},
    }


def _message(verdict: Verdict) -> str:
    numbers = measured_of_allowed(verdict)
    said = f"{verdict.budget} {subject(verdict)}: {sentence(verdict)}"
    lines = [said, numbers, *verdict.evidence, verdict.hint]
    return "\n".join(inert(line) for line in lines if line)[:_LONGEST]


def inert(text: str) -> str:
    """One line in which nothing is a link: `[text](target)` is one in SARIF's plain messages too."""
    return visible(text).replace("](", "] (")


def _location(verdict: Verdict, folder: str) -> Json:
    place: Json = {"uri": _uri(f"{folder}{verdict.where.file}"), "uriBaseId": _ROOT}
    return {
        "physicalLocation": {
            "artifactLocation": place,
            "region": {"startLine": verdict.where.line},
        }
    }


def _uri(path: str) -> str:
    """The path with the bytes that a file's name has; a report from elsewhere may hold other oddities."""
    forward = path.replace("\\", "/")
    try:
        return quote(forward.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return quote(forward.encode("utf-8", "backslashreplace"))


def _invocation(report: Report, placeless: Sequence[Verdict]) -> Json:
    told = [
        {
            "level": "error",
            "message": {"text": _message(verdict)},
            "descriptor": {"id": str(verdict.outcome)},
        }
        for verdict in placeless
    ]
    if not report.total and report.exit_code:
        told.append({"level": "error", "message": {"text": "nothing was measured"}})
    return {
        "executionSuccessful": report.exit_code != 4,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": told,
    }
