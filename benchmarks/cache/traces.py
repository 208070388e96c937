"""Seeded sequences of requests, on which caches can be compared: what is asked for, its price and its size."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, cycle, islice

KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Item:
    """What a load of a key costs, and how large its value is."""

    cost_usd: float
    size: int


@dataclass(frozen=True, slots=True)
class Service:
    """A paid service: its share of the requests, and between what its prices and sizes lie."""

    share: float
    costs_usd: tuple[float, float]
    sizes: tuple[int, int]

    def item(self, draw: random.Random) -> Item:
        """One answer; each price and each size between the two is as likely as another."""
        return Item(draw.uniform(*self.costs_usd), draw.randint(*self.sizes))


SERVICES = (
    Service(0.4, (0.004, 0.06), (1_500, 8_000)),  # like OpenAI
    Service(0.3, (0.0008, 0.005), (20_000, 90_000)),  # like Firecrawl
    Service(0.3, (0.001, 0.01), (10_000, 40_000)),  # like a search's result page
)


def zipf(skew: float, requests: int, seed: int, keys: int = KEYS) -> list[int]:
    """Keys by their rank: the n-th is asked for in proportion to n ** -skew."""
    weights = list(accumulate(rank**-skew for rank in range(1, keys + 1)))
    return random.Random(seed).choices(range(keys), cum_weights=weights, k=requests)


def mixed(requests: int, seed: int) -> tuple[list[int], Sequence[Item]]:
    """Requests to all three services, Zipf 0.9 within each, and what each key costs and takes."""
    draw, each = random.Random(seed), KEYS // len(SERVICES)
    items = [service.item(draw) for service in SERVICES for _ in range(each)]
    shares = [service.share for service in SERVICES]
    chosen = draw.choices(range(len(SERVICES)), weights=shares, k=requests)
    ranks = zipf(0.9, requests, seed, keys=each)
    return [service * each + rank for service, rank in zip(chosen, ranks, strict=True)], items


def with_scans(skew: float, requests: int, seed: int) -> list[int]:
    """Zipf, but each third of the requests goes through keys that nobody asks for again, 2000 at a time."""
    return list(islice(_with_scans(zipf(skew, requests, seed)), requests))


def _with_scans(popular: Sequence[int]) -> Iterator[int]:
    fresh = KEYS
    for start in range(0, len(popular), 4000):
        yield from popular[start : start + 4000]
        yield from range(fresh, fresh + 2000)
        fresh += 2000


def shifting(requests: int, seed: int, times: int = 5) -> list[int]:
    """Zipf 1.0, in which other keys become the popular ones, so many times."""
    draw, shifted = random.Random(seed), []
    for part in range(times):
        names = list(range(KEYS))
        draw.shuffle(names)
        shifted += [names[rank] for rank in zipf(1.0, requests // times, seed + part)]
    return shifted


def loop(requests: int, keys: int) -> list[int]:
    """The same keys over and over again, in the same order."""
    return list(islice(cycle(range(keys)), requests))
