"""What machine and interpreter this is, and the key under which its values are comparable."""

import platform
import sys


def key() -> str:
    """Implementation, Python minor version, system and architecture: `cpython-3.11-linux-x86_64`.

    Not the patch version, the processor or the dependencies: their change is what is judged.
    """
    implementation = sys.implementation.name
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    free_threaded = "t" if not getattr(sys, "_is_gil_enabled", lambda: True)() else ""
    return f"{implementation}-{version}{free_threaded}-{sys.platform}-{platform.machine().lower()}"


def describe() -> str:
    """One line for a report."""
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{interpreter} on {platform.system()} {platform.machine()}"
