"""A change of the wall clock by two hours moves no life, in any tier; the process really sees it."""

import json
import subprocess
import sys

import pytest

from tests import wall_clock

CHILD = """
import json, sys, time
from pathlib import Path
from budgetguard.cache import Place, Policy, open_cache

url, clock, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
places = frozenset(Place) - ({Place.MEMORY} if url else set())
policy = Policy(name="p", ttl_s=2, jitter=0, early=0, places=places)
cache = open_cache(*([url] if url else []), secret="0123456789abcdef")
cache.put("k", "v", policy=policy)
began, wall = time.monotonic(), time.time()
while time.monotonic() - began < 0.5:
    assert cache.entry("k", policy=policy) is not None
clock.write_text(f"{seconds:+d}")
seen = time.time() - wall
while (entry := cache.entry("k", policy=policy)) and not entry.stale and time.monotonic() - began < 20:
    pass
print(json.dumps({"lived": time.monotonic() - began, "seen": seen}))
"""


@pytest.mark.parametrize("seconds", [7200, -7200])
@pytest.mark.parametrize("tier", ["memory", "sqlite", "redis", "postgresql"])
def test_a_life_goes_by_no_wall_clock(tier, seconds, request, tmp_path):
    """2 s are 2 s: a value does not go at once, and not later than it was given."""
    loaded = wall_clock.library()
    if loaded is None:
        pytest.skip("needs libfaketime; run: pip install libfaketime")
    url = {
        "memory": lambda: "",
        "sqlite": lambda: f"sqlite:///{tmp_path}/cache.db",
        "redis": lambda: request.getfixturevalue("redis_url"),
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
    }[tier]()
    clock = tmp_path / "clock"
    clock.write_text("+0")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, url, str(clock), str(seconds)],
        env=wall_clock.environment(clock, loaded),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert abs(found["seen"] - seconds) < 60
    assert 1.9 < found["lived"] < 5
