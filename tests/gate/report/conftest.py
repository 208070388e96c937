"""Verdicts on one limit of a bundle, as every report is given them."""

from budgetguard.gate.model import Where
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.units import Unit


def verdict(outcome=Outcome.PASS, **fields):
    known = {
        "budget": "app",
        "target": "bundle",
        "limit": "gzip <= 150 kB",
        "metric": "gzip",
        "unit": Unit.BYTES,
        "where": Where("budgetguard.yml", 4, "budgets.app"),
    }
    return Verdict(outcome=outcome, **{**known, **fields})


def over(outcome=Outcome.FAIL, **fields):
    """The same with the numbers and the sentence of one that is over its limit, whatever its outcome."""
    known = {"measured": 154_300, "allowed": 150_000, "reason": "154.3 kB is over 150 kB"}
    return verdict(outcome, **{**known, **fields})
