"""What a load budget can limit."""

from collections.abc import Mapping

from budgetguard.gate.meters.clock import QUANTILES
from budgetguard.gate.model import Better, Metric, Rule
from budgetguard.units import Unit


def _metric(
    name: str,
    unit: Unit,
    about: str,
    *,
    better: Better = "lower",
    relative: bool = True,
    quantile: float | None = None,
) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        about=about,
        better=better,
        exact=False,
        rule=Rule.TWICE,
        quantile=quantile,
        relative=relative,
    )


_OF_ENDPOINTS = (
    *(
        _metric(name, Unit.SECONDS, f"{name[1:]} of 100 requests take at most this", quantile=share)
        for name, share in QUANTILES.items()
    ),
    _metric("mean", Unit.SECONDS, "mean time of a request"),
    _metric("max", Unit.SECONDS, "the slowest request"),
    _metric("failures", Unit.RATIO, "requests that failed, of all"),
    _metric("rps", Unit.PER_SECOND, "requests that ended, in a second", better="higher"),
)
_OF_THE_WHOLE = (
    _metric("users_reached", Unit.COUNT, "most users at a time", better="higher", relative=False),
    _metric(
        "breaking_point",
        Unit.COUNT,
        "users of the last step before 5 % of requests failed or p95 was 4 times that of the first step",
        better="higher",
        relative=False,
    ),
    _metric(
        "recovery",
        Unit.SECONDS,
        "from the end of the largest stage until p95 is back within 20 % of what it was before it",
        relative=False,
    ),
    _metric("p95_growth", Unit.RATIO, "by how much p95 grows over the run", relative=False),
    _metric(
        "server_rss_growth",
        Unit.BYTES,
        "by how much the app's memory grows over the run",
        relative=False,
    ),
    _metric("server_cpu", Unit.SECONDS, "CPU time of the app for a request"),
    _metric(
        "server_peak_rss", Unit.BYTES, "highest sum of resident memory over the app's processes"
    ),
)
METRICS: Mapping[str, Metric] = {one.name: one for one in (*_OF_ENDPOINTS, *_OF_THE_WHOLE)}
BY_ENDPOINT = frozenset(one.name for one in _OF_ENDPOINTS)
"""The metrics that each endpoint has too, for limits with a selector."""
SERVER = frozenset({"server_rss_growth", "server_cpu", "server_peak_rss"})
"""The metrics that only an app started by `serve:` has."""
