"""Base and head measured in turn + limit -> verdict. Pure; `judge.py` hands relative limits on time here."""

import shlex
from dataclasses import replace

from budgetguard.gate.model import Better, Compared, Limit
from budgetguard.gate.paired import Paired, decide
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.units import show_together

WITNESSED_FROM = 0.05
"""Below this room, counted work has to have moved too: unrelated lines alone shift some code so far."""
WITNESS_MOVES = 0.01
"""By how much. Counts repeat to a few parts in 10 000."""
_MORE_ROOM = "give the limit more room, or a quieter machine"


def judge_pairs(verdict: Verdict, limit: Limit, compared: Compared) -> Verdict:
    """Judge a limit against what both sides took in this run; `verdict` knows what is judged."""
    if compared.same:
        same = replace(verdict, measured=None, change=(0.0, 0.0, 0.0))
        return replace(same, outcome=Outcome.PASS, reason=compared.same)
    if compared.new:
        return replace(verdict, outcome=Outcome.NEW, reason=compared.new, measured=None)
    decision = _decision(compared, limit.metric.better)
    sign = 1 if limit.metric.better == "lower" else -1
    verdict = replace(
        verdict,
        measured=compared.head,
        baseline=compared.base,
        allowed=compared.base * (1 + sign * compared.room),
        change=(decision.low, decision.change, decision.high),
        visible=decision.visible,
    )
    return _decided(verdict, limit, compared, decision)


def _decided(verdict: Verdict, limit: Limit, compared: Compared, decision: Paired) -> Verdict:
    if compared.unsettled:
        return replace(
            verdict, outcome=Outcome.UNSETTLED, reason=compared.unsettled, hint=_MORE_ROOM
        )
    match decision.state:
        case "within":
            return replace(verdict, outcome=Outcome.PASS, reason=_interval(decision))
        case "over" if compared.room < WITNESSED_FROM:
            return _with_witness(verdict, limit, compared, decision)
        case "over":
            return _fail(verdict, limit, compared, decision)
        case _:
            seen = f"; the smallest change it could have seen: {decision.visible:+.1%}"
            reason = f"{decision.reason or _interval(decision)}{seen}"
            return replace(verdict, outcome=Outcome.UNSETTLED, reason=reason, hint=_MORE_ROOM)


def needs_witness(compared: Compared, better: Better) -> bool:
    """Whether a red is one that time alone may not tell."""
    if compared.room >= WITNESSED_FROM or not compared.values:
        return False
    return _decision(compared, better).state == "over"


def _decision(compared: Compared, better: Better) -> Paired:
    return decide(compared.values, compared.room, alpha=compared.risk, better=better)


def _with_witness(verdict: Verdict, limit: Limit, compared: Compared, decision: Paired) -> Verdict:
    """Time moved by less than the layout of unrelated code may move it: what was counted decides."""
    if compared.witness is not None and compared.witness >= 1 + WITNESS_MOVES:
        failed = _fail(verdict, limit, compared, decision)
        moved = f"{compared.witness - 1:+.1%}"
        return replace(failed, reason=f"{failed.reason}; {compared.witnessed} moved {moved} too")
    moved = (
        compared.witnessed
        if compared.witness is None
        else f"{compared.witnessed} moved by {compared.witness - 1:+.2%} only"
    )
    return replace(
        verdict,
        outcome=Outcome.UNSETTLED,
        reason=f"{_interval(decision)}, but no second witness: {moved}; "
        "unrelated lines alone can shift time by so much",
        hint="give the limit 5 % of room or more",
    )


def _fail(verdict: Verdict, limit: Limit, compared: Compared, decision: Paired) -> Verdict:
    head, base = show_together((compared.head, compared.base), verdict.unit)
    name = shlex.quote(verdict.budget)
    at = f" at {compared.commit}" if compared.commit else ""
    reason = f"{head}, {base}{at}: {_interval(decision)}, twice; allowed {_allowed(limit)}"
    return replace(
        verdict,
        outcome=Outcome.FAIL,
        reason=reason,
        hint=f"find the commit: budgetguard bisect {name} {compared.commit or 'GOOD'} HEAD",
    )


def _interval(decision: Paired) -> str:
    return f"{decision.change:+.1%} ({decision.low:+.1%} to {decision.high:+.1%})"


def _allowed(limit: Limit) -> str:
    return limit.text.partition("baseline")[2].strip() or "no change"
