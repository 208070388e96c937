"""Build the wheel and try it in fresh environments: no extras, each extra, all; on every Python found.

The smallest try is `smoke.py`, run where the wheel is the only budgetguard there is. Where all extras
are installed, the tests of `SUITE` run against the wheel on the Pythons that `make test` did not use.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".matrix"
VERSIONS = ("3.11", "3.12", "3.13")
TIMEOUT_S = 1500
SUITE = (
    "tests/cache",
    "tests/database",
    "tests/gate",
    "tests/image",
    "tests/monitoring",
    "tests/cli",
    "tests/test_process.py",
)
"""What depends on the interpreter most; the plugin and end-to-end folders run under `make test`."""
LEFT_OUT = ("tests/gate/targets/test_command_duel.py",)
"""Minutes of measuring whole processes, the same on every Python."""


def main() -> int:
    """Run the matrix; the exit code is 1 when anything in it failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--python", action="append", help="only this version, such as 3.12")
    arguments.add_argument("--quick", action="store_true", help="without the suite")
    asked = arguments.parse_args()
    wheel = build()
    results = [
        result for version in asked.python or VERSIONS for result in on(version, wheel, asked.quick)
    ]
    failed = [name for name, passed in results if not passed]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    for name in failed:
        print(f"  failed: {name}")
    return 1 if failed else 0


def build() -> Path:
    """The wheel of this checkout, in a clean folder."""
    shutil.rmtree(WORK, ignore_errors=True)
    run([uv(), "build", "--quiet", "--wheel", "--out-dir", str(WORK), str(ROOT)], cwd=ROOT)
    return next(WORK.glob("*.whl"))


def on(version: str, wheel: Path, quick: bool) -> Iterator[tuple[str, bool]]:
    """Every combination of extras on one Python; a version that is not there is told and left out."""
    interpreter = find_python(version)
    if interpreter is None:
        print(f"python {version}: not found here, left out", flush=True)
        return
    for extras in ((), *((extra,) for extra in extras_of(ROOT)), ("all",)):
        name = f"python {version} [{','.join(extras)}]"
        python = environment(f"{version}-{'-'.join(extras) or 'bare'}", interpreter, wheel, extras)
        passed = attempt(name, [python, str(ROOT / "tests/packaging/smoke.py"), *extras])
        yield name, passed
        if extras == ("all",) and not quick and version != current():
            yield f"{name} suite", whole_suite(name, python)


def whole_suite(name: str, python: str) -> bool:
    """The tests of the repository against the installed wheel."""
    dev = [one for one in groups()["dev"] if not one.startswith("pytest-budgetguard")]
    app = ROOT / "examples" / "content_app"
    run(
        [uv(), "pip", "install", "--quiet", "--python", python, *dev, "--editable", str(app)],
        cwd=ROOT,
    )
    command = [python, "-P", "-m", "pytest", "-n", "2", "--dist", "worksteal", "-q"]
    ignored = [f"--ignore={file}" for file in LEFT_OUT]
    return attempt(f"{name} suite", [*command, "-p", "no:cacheprovider", *SUITE, *ignored], ROOT)


def environment(folder: str, interpreter: str, wheel: Path, extras: tuple[str, ...]) -> str:
    """A fresh environment with the wheel and its extras; returns its interpreter."""
    home = WORK / folder
    run([uv(), "venv", "--quiet", "--python", interpreter, str(home)], cwd=ROOT)
    python = str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    run([uv(), "pip", "install", "--quiet", "--python", python, wanted], cwd=ROOT)
    return python


def find_python(version: str) -> str | None:
    """An interpreter of this version: ours, one on the path, or one of pyenv's, tried by running it."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        sys.executable if version == current() else "",
        shutil.which(f"python{version}") or "",
    ]
    candidates += [str(folder / "bin" / "python") for folder in sorted(pyenv.glob(f"{version}.*"))]
    return next((one for one in candidates if one and speaks(one, version)), None)


def speaks(interpreter: str, version: str) -> bool:
    """Whether it runs and is of that version; a shim may do neither."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, timeout=30)
    except OSError:
        return False
    return told.stdout.strip() == version


def current() -> str:
    """The version that runs this script."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def extras_of(root: Path) -> list[str]:
    """Every extra but `all`."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [extra for extra in project["optional-dependencies"] if extra != "all"]


def groups() -> dict[str, list[str]]:
    """The dependency groups of the project."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def attempt(name: str, command: list[str], folder: Path = ROOT / "tests") -> bool:
    """Run one try and tell how it went; `-P` and the folder keep the checkout itself out of the way."""
    done = subprocess.run(command, cwd=folder, timeout=TIMEOUT_S)
    print(
        f"{name}: {'passed' if done.returncode == 0 else f'failed, exit {done.returncode}'}",
        flush=True,
    )
    return done.returncode == 0


def run(command: list[str], cwd: Path) -> None:
    """Run what has to work before anything can be tried."""
    subprocess.run(command, cwd=cwd, check=True, timeout=TIMEOUT_S)


def uv() -> str:
    """The uv beside our interpreter, or the one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        sys.exit("uv is missing: run this by `make matrix`")
    return found


if __name__ == "__main__":
    sys.exit(main())
