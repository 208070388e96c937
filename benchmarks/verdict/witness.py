"""The counts that stand in `releases/pairs.toml`: what makes a change between releases a known one.

    python -m benchmarks.verdict.witness mistune 3.0.2 3.1.0 --python 3.11 --monitor python3.12

For each release one line: instructions of one call of its benchmark by valgrind under one Python, and
bytecodes by `sys.monitoring` under another, 3.12 or newer. Both are exact but for a per mille.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.start_up import uv
from benchmarks.verdict import counting
from benchmarks.verdict.projects import PACKAGE, write
from benchmarks.verdict.released import FOLDER

INSTALL_TIMEOUT_S = 300.0


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("package", help="as on PyPI; its benchmark stands in releases/")
    reader.add_argument("versions", nargs="+")
    reader.add_argument(
        "--python", default=sys.executable, help="for instructions (default: this one)"
    )
    reader.add_argument("--monitor", default="", help="a Python of 3.12 or newer, for bytecodes")
    asked = reader.parse_args()
    for version in asked.versions:
        told = [f"instructions {count(asked.package, version, asked.python, monitored=False):.0f}"]
        if asked.monitor:
            told.append(f"bytecodes {count(asked.package, version, asked.monitor, monitored=True)}")
        print(asked.package, version, *told, flush=True)


def count(package: str, version: str, python: str, *, monitored: bool) -> float:
    """One kind of count of one release, installed for this interpreter into a folder of its own."""
    module = package.replace("-", "_")
    with tempfile.TemporaryDirectory(prefix="witness-") as made:
        folder = Path(made)
        install = [uv(), "pip", "install", "--quiet", "--python", python, "--target", made]
        subprocess.run([*install, f"{package}=={version}"], check=True, timeout=INSTALL_TIMEOUT_S)
        write(folder / PACKAGE / "__init__.py", "")
        write(folder / PACKAGE / f"{module}.py", (FOLDER / f"{module}.py").read_text())
        counted = counting.bytecodes if monitored else counting.per_call
        return counted(python, folder, f"{PACKAGE}.{module}")


if __name__ == "__main__":
    main()
