"""What caches do and cost, for Prometheus; needs the extra `prometheus`.

    from prometheus_client import REGISTRY
    REGISTRY.register(CacheCollector(articles=cache))

No label holds a key: they are the name of a cache, of a policy, of a place or tier.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from budgetguard.cache.cache import Cache
from budgetguard.cache.counts import Event, Health, PolicyStats

_EVENTS: Final[Mapping[Event, str]] = {
    Event.LOAD: "Values that were loaded.",
    Event.LOAD_ERROR: "Loads that failed.",
    Event.REVALIDATED: "Values past their life that were found to be still good.",
    Event.COALESCED: "Calls that shared another's load.",
    Event.STALE: "Calls that got a value past its life.",
    Event.NEGATIVE: "Calls that got a None or an error that was remembered.",
    Event.REFUSED: "Values that were not kept.",
    Event.FENCED: "Values that a newer load or an invalidation had overtaken.",
    Event.DAMAGED: "Entries that nobody could trust; each was a miss.",
    Event.UNPRICED: "Loads whose cost nobody knows.",
}
_PREFIX: Final = "budgetguard_cache_"


class CacheCollector(Collector):
    """Reads the counts of caches when it is scraped. One serves all caches of a process, by their names."""

    def __init__(self, **caches: Cache) -> None:
        self._caches = caches

    def describe(self) -> list[Metric]:
        """The metrics, without looking at a cache."""
        return [*_of_policies({}), *_of_health({})]

    def collect(self) -> Iterator[Metric]:
        """All counts as they are now; no tier is asked."""
        yield from _of_policies({name: cache.stats() for name, cache in self._caches.items()})
        yield from _of_health({name: cache.health() for name, cache in self._caches.items()})


def _of_policies(caches: Mapping[str, Mapping[str, PolicyStats]]) -> Iterator[Metric]:
    hits = _counter("hits", "Calls that were answered from a place.", "policy", "place")
    events = {event: _counter(event, text, "policy") for event, text in _EVENTS.items()}
    seconds = _counter("load_seconds", "Seconds that loads took.", "policy")
    spent = _counter("spent_usd", "US dollars that loads cost.", "policy")
    saved = _counter("saved_usd", "US dollars that hits and shared loads did not cost.", "policy")
    for cache, policies in caches.items():
        for policy, stats in policies.items():
            for place, number in stats.hits.items():
                hits.add_metric([cache, policy, place], number)
            for event, metric in events.items():
                metric.add_metric([cache, policy], stats.events.get(event, 0))
            seconds.add_metric([cache, policy], stats.load_s)
            spent.add_metric([cache, policy], float(stats.spent_usd))
            saved.add_metric([cache, policy], float(stats.saved_usd))
    yield from (hits, *events.values(), seconds, spent, saved)


def _of_health(caches: Mapping[str, Health]) -> Iterator[Metric]:
    entries = _gauge("memory_entries", "Entries in memory.")
    used = _gauge("memory_bytes", "Bytes that they take.")
    capacity = _gauge("memory_capacity_bytes", "Bytes that they may take.")
    up = _gauge("tier_up", "Whether a tier answers.", "tier")
    errors = _counter("tier_errors", "Calls of a tier that failed.", "tier")
    incidents = _counter("tier_incidents", "How often a tier went down.", "tier")
    for cache, health in caches.items():
        entries.add_metric([cache], health.entries)
        used.add_metric([cache], health.used_bytes)
        capacity.add_metric([cache], health.capacity_bytes)
        for tier in health.tiers:
            up.add_metric([cache, tier.name], float(tier.up))
            errors.add_metric([cache, tier.name], tier.errors)
            incidents.add_metric([cache, tier.name], tier.incidents)
    yield from (entries, used, capacity, up, errors, incidents)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}{name}", text, labels=["cache", *labels])


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=["cache", *labels])
