"""What a run of the Action came to."""

from dataclasses import dataclass

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
_WORST_FIRST = (130, 2, 1, 4, 3, 0)
_NEVER_FORGIVEN = (2, 130)
LOOSER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A report, or why there is none, and what was found beside it."""

    code: int
    report: Report | None = None
    problem: str = ""
    loosened: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of the verdicts and of what is looser, the first of 130, 2, 1, 4, 3, 0."""
        codes = {self.code, LOOSER if self.loosened else 0}
        return next((code for code in _WORST_FIRST if code in codes), 4)

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
