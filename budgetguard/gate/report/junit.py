"""A report as JUnit XML, for what shows test results: GitLab, Jenkins, Azure and their like.

One suite, and a case per limit. Red is a failure (over budget) or an error (not measured); what is
undecided, allowed or not enforced is skipped with its reason, so that no viewer takes it for held.
"""

import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator

from budgetguard.gate.report.wording import cells, sentence, subject, visible
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict

_LONGEST_MESSAGE = 1_000
_FAILURE, _ERROR, _SKIPPED = "failure", "error", "skipped"
_RED = {Outcome.FAIL: _FAILURE, Outcome.ERROR: _ERROR, Outcome.VANISHED: _ERROR}
_OPEN = (Outcome.UNSETTLED, Outcome.NEW)


def render(report: Report) -> str:
    """The XML text; names that GitLab would take for the same case are numbered."""
    cases = [_case(verdict, report.folder, strict=report.strict) for verdict in report.verdicts]
    cases += [_left(one, strict=report.strict) for one in report.left]
    cases += _unmeasured(report, cases)
    _number(cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(_count(cases, _FAILURE)),
        "errors": str(_count(cases, _ERROR)),
        "skipped": str(_count(cases, _SKIPPED)),
        "time": f"{report.duration_s:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "budgetguard", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": "budgetguard", **counts})
    if report.started:
        suite.set("timestamp", allowed(report.started))
    suite.append(_properties(report))
    suite.extend(cases)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def allowed(text: str) -> str:
    """One line of what XML 1.0 can hold: other characters as escapes, those without meaning gone."""
    return "".join(one for one in visible(text) if unicodedata.category(one) != "Cn")


def _case(verdict: Verdict, folder: str, *, strict: bool) -> ET.Element:
    group, name = _names(verdict.budget, verdict.target, subject(verdict))
    case = ET.Element("testcase", {"classname": group, "name": name})
    if verdict.where.file:
        case.set("file", allowed(f"{folder}{verdict.where.file}"))
    if verdict.where.line is not None:
        case.set("line", str(verdict.where.line))
    case.set("time", "0")
    kind = _kind(verdict, strict=strict)
    if kind:
        message = allowed(sentence(verdict))[:_LONGEST_MESSAGE]
        told = ET.SubElement(case, kind, {"type": str(verdict.outcome), "message": message})
        told.text = "\n".join(map(allowed, _lines(verdict)))
    return case


def _kind(verdict: Verdict, *, strict: bool) -> str:
    if verdict.outcome is Outcome.PASS:
        return ""
    if not verdict.enforced:
        return _SKIPPED
    if strict and verdict.outcome in _OPEN:
        return _FAILURE
    return _RED.get(verdict.outcome, _SKIPPED)


def _left(left: LeftToCheck, *, strict: bool) -> ET.Element:
    group, name = _names(left.budget, "budget", left.limit)
    case = ET.Element("testcase", {"classname": group, "name": name, "time": "0"})
    message = allowed(f"left to check: {left.reason}")[:_LONGEST_MESSAGE]
    kind = _FAILURE if strict else _SKIPPED
    ET.SubElement(case, kind, {"type": "LEFT", "message": message})
    return case


def _unmeasured(report: Report, cases: list[ET.Element]) -> Iterator[ET.Element]:
    """A run that measured nothing is red, and a suite without a red case is green."""
    if report.exit_code == 4 and not _count(cases, _ERROR):
        case = ET.Element("testcase", {"classname": "budgetguard", "name": "run", "time": "0"})
        ET.SubElement(case, _ERROR, {"type": "ERROR", "message": "nothing was measured"})
        yield case


def _names(budget: str, target: str, what: str) -> tuple[str, str]:
    """As pytest names a test: the dotted module, then the test; else the target, then the budget."""
    file, _, test = budget.partition("::")
    if not test:
        return allowed(target), allowed(f"{budget} {what}".strip())
    path, bracket, parameters = test.partition("[")
    *classes, last = path.split("::")
    module = file.removesuffix(".py").replace("/", ".")
    shown = f"{last}{bracket}{parameters} {what}".strip()
    return allowed(".".join([module, *classes])), allowed(shown)


def _lines(verdict: Verdict) -> Iterator[str]:
    yield sentence(verdict)
    numbers = zip(("measured", "allowed", "baseline"), cells(verdict), strict=True)
    told = " · ".join(f"{name} {value}" for name, value in numbers if value)
    yield from filter(None, [told, *verdict.evidence])
    yield from [f"→ {verdict.hint}"] if verdict.hint else []
    yield from [str(verdict.where)] if verdict.where.file else []
    yield from [verdict.note] if verdict.note else []


def _properties(report: Report) -> ET.Element:
    told = {
        "tool": report.tool,
        "machine": report.machine,
        "commit": report.commit,
        "shard": str(report.shard) if report.shard else "",
        "exit_code": str(report.exit_code),
        "guarded": f"{report.guarded} of {report.total}",
    }
    properties = ET.Element("properties")
    for name, value in told.items():
        if value:
            ET.SubElement(properties, "property", {"name": name, "value": allowed(value)})
    return properties


def _count(cases: list[ET.Element], kind: str) -> int:
    return sum(case.find(kind) is not None for case in cases)


def _number(cases: list[ET.Element]) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for case in cases:
        name = (case.get("classname", ""), case.get("name", ""))
        seen[name] += 1
        if seen[name] > 1:
            case.set("name", f"{name[1]} #{seen[name]}")
