"""Clocks by which processes of one machine agree how long something lives."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Clocks:
    """`now` runs on while the machine sleeps, however its wall clock is set; each boot begins it anew."""

    boot: str
    now: Callable[[], float]
    wall: Callable[[], float] = time.time


def system_clocks() -> Clocks:
    """Those of this machine; where it does not tell one boot from another, the wall clock alone."""
    try:
        boot = _BOOT_ID.read_text().strip()
        return Clocks(boot, lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, AttributeError):
        return Clocks("", time.time)
