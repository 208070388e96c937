"""Where things lie in memory: at the same addresses on both sides of a block, at others in the next.

Addresses decide what shares a cache line or a slot of the branch predictor. Drawn anew for each process
they made up half of what blocks of the same code differed by.
"""

import functools
import os
import platform
import shutil
import subprocess

PROBE_S = 5.0


@functools.cache
def fixed() -> tuple[str, ...]:
    """What to start a program by so that its addresses are not drawn; empty where that is not to be had.

    Only Linux has it, and a container may forbid it.
    """
    setarch = shutil.which("setarch")
    if os.name == "nt" or setarch is None:
        return ()
    prefix = (setarch, platform.machine(), "-R")
    try:
        probe = subprocess.run([*prefix, "true"], capture_output=True, timeout=PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return () if probe.returncode else prefix
