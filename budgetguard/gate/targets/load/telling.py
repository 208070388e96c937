"""One load run for a person, as a table, and for a program, as plain data with its series over time."""

from collections.abc import Iterator, Sequence

from budgetguard.gate.meters.clock import QUANTILES
from budgetguard.gate.targets.load.interval import ABANDONED
from budgetguard.gate.targets.load.load_run import LoadRun
from budgetguard.gate.targets.load.seconds import Second, most_users
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.table import aligned
from budgetguard.units import Unit, show

_SHOWN = ("p50", "p95", "p99")
_HEADINGS = ("endpoint", "requests", "failed", "/s", *_SHOWN, "max")
_MOST_ROWS = 20
_WIDEST_NAME = 40


def summary(run: LoadRun) -> Iterator[str]:
    """The lines of a table: all requests, then each endpoint, the most asked one first."""
    window = run.window
    yield (
        f"{run.host} ({run.environment}): {show(window.length_s, Unit.SECONDS)} measured after "
        f"{show(run.warmup_s, Unit.SECONDS)} of warm-up, up to {most_users(run.seconds)} users, "
        f"{run.traffic.model} model"
    )
    ranked = sorted(run.window.by_request().items(), key=lambda pair: -pair[1].count)
    rows = [_HEADINGS, _row("all", window.tally(), window.length_s)]
    rows += [_row(name, tally, window.length_s) for name, tally in ranked[:_MOST_ROWS]]
    yield from aligned(rows)
    if len(ranked) > _MOST_ROWS:
        yield f"and {len(ranked) - _MOST_ROWS} more endpoints: --json"
    yield _generator(run)
    yield from filter(None, (*run.notes, run.ended_early))


def plain(run: LoadRun) -> dict[str, object]:
    """All that is known of a run; times are seconds, `at` is seconds since the run began."""
    window = run.window
    return {
        "environment": run.environment,
        "host": run.host,
        "model": run.traffic.model,
        "rate": run.traffic.rate or None,
        "seed": run.traffic.seed,
        "stages": [
            {"users": stage.users, "seconds": stage.seconds, "ramp_s": stage.ramp_s}
            for stage in run.traffic.stages
        ],
        "warmup_s": run.warmup_s,
        "measured_s": window.length_s,
        "users_reached": most_users(run.seconds),
        "error": run.error or None,
        "unsettled": (run.unsettled if not run.error else "") or None,
        "ended_early": run.ended_early or None,
        "notes": list(run.notes),
        "evidence": list(run.evidence),
        "total": {
            **_figures(window.tally(), window.length_s),
            "histogram": _histogram(window.tally()),
        },
        "endpoints": {
            name: _figures(tally, window.length_s)
            for name, tally in run.window.by_request().items()
        },
        "series": [_point(second) for second in run.seconds],
        "app": [
            {"at": round(one.at - run.began, 3), "cpu_s": one.cpu_s, "rss_bytes": one.rss_bytes}
            for one in run.usages
        ],
    }


def _row(name: str, tally: Tally, length_s: float) -> tuple[str, ...]:
    shown = name if len(name) <= _WIDEST_NAME else f"{name[: _WIDEST_NAME - 1]}…"
    times = [tally.quantile_s(QUANTILES[q]) for q in _SHOWN]
    return (
        shown,
        str(tally.count),
        str(tally.failed),
        f"{tally.count / length_s:.1f}" if length_s else "-",
        *(show(one, Unit.SECONDS, digits=3) for one in (*times, tally.max_s)),
    )


def _generator(run: LoadRun) -> str:
    lag = Tally.of(one.lag for one in run.window.seconds)
    cpu = max((one.cpu for one in run.window.seconds), default=0.0)
    rss = max((one.rss_bytes for one in run.window.seconds), default=0)
    return (
        f"generator: {show(lag.quantile_s(0.95), Unit.SECONDS, digits=2)} late (p95), "
        f"up to {cpu:.0%} of a core, {show(float(rss), Unit.BYTES, digits=3)}"
    )


def _figures(tally: Tally, length_s: float) -> dict[str, object]:
    return {
        "requests": tally.count,
        "failed": tally.failed,
        "rps": tally.count / length_s if length_s else 0.0,
        "mean": tally.mean_s,
        **{name: tally.quantile_s(q) for name, q in QUANTILES.items()},
        "max": tally.max_s,
        "errors": dict(tally.errors),
    }


def _histogram(tally: Tally) -> list[Sequence[float]]:
    return [[seconds, number] for seconds, number in sorted(tally.buckets.items())]


def _point(second: Second) -> dict[str, object]:
    whole = second.whole
    return {
        "at": second.at,
        "seconds": second.seconds,
        "users": second.users,
        "requests": whole.count,
        "failed": whole.failed,
        **{name: whole.quantile_s(QUANTILES[name]) for name in _SHOWN},
        "due": second.due,
        "waiting": second.waiting,
        "abandoned": second.tallies[ABANDONED].count if ABANDONED in second.tallies else 0,
        "generator_lag_p95": second.lag.quantile_s(0.95),
        "generator_cpu": second.cpu,
        "generator_rss_bytes": second.rss_bytes,
    }
