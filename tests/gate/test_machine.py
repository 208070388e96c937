"""Under which key values are comparable."""

import platform
import subprocess
import sys

from budgetguard.gate import machine


def test_the_key_names_implementation_minor_system_and_architecture():
    """`cpython-3.11-linux-x86_64`: not the patch version, whose change is judged."""
    parts = machine.key().split("-")
    assert parts[0] == sys.implementation.name
    assert parts[1].removesuffix("t") == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert parts[2:] == [sys.platform, platform.machine().lower()]
    assert platform.python_version() not in machine.key()


def test_the_key_is_the_same_in_every_process():
    """Neither the hash seed nor the environment changes it."""
    command = [sys.executable, "-c", "from budgetguard.gate import machine; print(machine.key())"]
    keys = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert keys == {f"{machine.key()}\n"}


def test_the_description_is_one_line_with_the_patch_version():
    """A report says what it was read on, to the patch."""
    assert platform.python_version() in machine.describe()
    assert "\n" not in machine.describe()
