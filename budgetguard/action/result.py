"""What a run of the Action came to."""

from dataclasses import dataclass, replace

from budgetguard.gate.verdict import Outcome, Report

REPORT_NAME, SUMMARY_NAME = "report.json", "summary.md"
STATUS = {
    0: "within-budget",
    1: "over-budget",
    2: "unusable",
    3: "unsettled",
    4: "not-measured",
    130: "interrupted",
}
"""The output `status` by exit code."""
LOOSER_TITLE = "looser than before, and nobody accepted it"
_WORST_FIRST = (130, 2, 1, 4, 3, 0)
_NEVER_FORGIVEN = (2, 130)
_LOOSER, _BROKEN = 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A report, or why there is none, and what was found beside it."""

    code: int
    report: Report | None = None
    problem: str = ""
    loosened: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of the command, its report and what is looser, the first of 130, 2, 1, 4, 3, 0.

        A code that no command of ours ends with, such as that of a killed process, counts as 4.
        """
        codes = {self.code if self.code in STATUS else _BROKEN}
        if self.report:
            codes.add(self.report.exit_code)
        if self.loosened:
            codes.add(_LOOSER)
        return next(code for code in _WORST_FIRST if code in codes)

    @property
    def status(self) -> str:
        """The exit code as a word."""
        return STATUS[self.exit_code]

    @property
    def over(self) -> int:
        """How many limits are over."""
        verdicts = self.report.verdicts if self.report else ()
        return sum(one.enforced and one.outcome is Outcome.FAIL for one in verdicts)

    @property
    def guarded(self) -> str:
        """Such as `11 of 14`."""
        return f"{self.report.guarded} of {self.report.total}" if self.report else "0 of 0"

    def gate(self, *, enforce: bool) -> int:
        """What the step ends with; what cannot be used stops it also where nothing is enforced."""
        return self.exit_code if enforce or self.exit_code in _NEVER_FORGIVEN else 0


def with_loosened(report: Report, loosened: tuple[str, ...]) -> Report:
    """The report that tells what is looser in its notes, for who reads its file alone."""
    told = (f"{LOOSER_TITLE}: {text}" for text in loosened)
    return replace(report, notes=(*report.notes, *told))


def told_by(report: Report) -> Result:
    """The result that a report from another job tells, with what is looser out of its notes."""
    title = f"{LOOSER_TITLE}: "
    loosened = tuple(one.removeprefix(title) for one in report.notes if one.startswith(title))
    plain = replace(report, notes=tuple(one for one in report.notes if not one.startswith(title)))
    return Result(code=report.exit_code, report=plain, loosened=loosened)
