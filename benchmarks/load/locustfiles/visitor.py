"""Users that never think, and a file of the raw durations of what they asked for.

RAW_DURATIONS names the file: JSON with `raw_ms`, and with what locust itself says in `locust_ms`.
"""

import json
import os
from pathlib import Path

from locust import FastHttpUser, constant, events, task
from locust.env import Environment

QUANTILES = (0.5, 0.9, 0.95, 0.99)
RAW_MS: list[float] = []


class Visitor(FastHttpUser):
    """Asks again as soon as it has its answer."""

    wait_time = constant(0)

    @task
    def visit(self) -> None:
        """One request."""
        self.client.get("/")


def keep(response_time: float, **_: object) -> None:
    """Keep one raw duration."""
    RAW_MS.append(response_time)


def write(environment: Environment, **_: object) -> None:
    """Write all there is, once the run is over."""
    total = environment.stats.total
    said = {str(q): total.get_response_time_percentile(q) for q in QUANTILES}
    told = {"raw_ms": RAW_MS, "locust_ms": said}
    Path(os.environ["RAW_DURATIONS"]).write_text(json.dumps(told))


events.request.add_listener(keep)  # type: ignore[no-untyped-call]  # of locust
events.quitting.add_listener(write)  # type: ignore[no-untyped-call]  # of locust
