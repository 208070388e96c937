"""Fresh environments for the laboratory, kept in its work folder, and processes run in them."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.start_up import ROOT, build_wheel, environment, uv

LIBRARIES = ("jinja2==3.1.6", "pillow==13.0.0", "pyyaml==6.0.3", "sqlalchemy==2.1.9")
PYTEST = ("pytest==9.2.0", "pytest-benchmark==5.3.1")
PEERS = ("asv==0.6.6", "benchmatrix==1.2.1", "pip")
MAKE_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended by itself."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str | Path],
    cwd: Path,
    timeout_s: float,
    *,
    allowed: Sequence[int] = (0,),
    more: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command; with all it started it is killed at `timeout_s`.

    Raises `RuntimeError` for another exit code than those allowed, and `subprocess.TimeoutExpired`.
    """
    kept = {key: value for key, value in environment().items() if key != "PYTHONHASHSEED"}
    with subprocess.Popen(
        list(map(str, argv)),
        cwd=cwd,
        env={**kept, **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    if child.returncode not in allowed:
        told = f"{out[-700:]}\n{err[-700:]}".strip()
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit code {child.returncode}\n{told}")
    return Ended(child.returncode, out, err)


def ours(work: Path, *, editable: bool) -> tuple[Path, tuple[str, ...]]:
    """The interpreter with budgetguard and the workloads' libraries, and what was installed of ours.

    It is the wheel of this checkout, so that edits do not reach a run that goes on for hours.
    """
    digest = state("budgetguard", "pytest_plugin")
    tool = ("--editable", str(ROOT)) if editable else (str(_wheel(work / f"wheel-{digest}")),)
    return made(work, "ours", (*tool, *LIBRARIES, *PYTEST)), tool


def peers(work: Path) -> Path:
    """The interpreter with the peers, and without anything of ours."""
    return made(work, "peers", (*PEERS, *LIBRARIES, *PYTEST))


def made(work: Path, kind: str, wanted: Sequence[str]) -> Path:
    """The interpreter of an environment with what is wanted; one that exists is taken, older ones go."""
    text = "\n".join([sys.version, *wanted])
    folder = work / "environments" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not (folder / "ready").exists():
        for old in folder.parent.glob(f"{kind}-*"):
            shutil.rmtree(old, ignore_errors=True)
        create(folder, wanted)
        (folder / "ready").touch()
    return folder / "bin" / "python"


def create(folder: Path, wanted: Sequence[str]) -> Path:
    """A fresh environment; returns its interpreter."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    run([uv(), "venv", "--quiet", "--python", sys.executable, folder], ROOT, MAKE_TIMEOUT_S)
    python = folder / "bin" / "python"
    install: list[str | Path] = [
        uv(),
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        python,
    ]
    run([*install, *wanted], ROOT, MAKE_TIMEOUT_S)
    return python


def state(*folders: str) -> str:
    """A short name for the text of all Python files below these folders of the checkout."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:8]


def _wheel(folder: Path) -> Path:
    for old in folder.parent.glob("wheel-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    found = next(folder.glob("*.whl"), None)
    return found or build_wheel(folder)
