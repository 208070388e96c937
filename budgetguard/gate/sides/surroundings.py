"""The environment of a program on one side, without the ways that lead to the other side."""

import os
from collections.abc import Mapping
from pathlib import Path

from budgetguard.gate.side import Side


def environment(
    settings: Mapping[str, str],
    cwd: str,
    side: Side,
    seed: int | None = None,
    other: Side | None = None,
) -> dict[str, str]:
    """Ours, with the interpreter's folder first in PATH and the `settings` of the configuration.

    `cwd` is the program's, from the folder of the side. Where it is compared with an `other` side,
    whatever of our own environment points into that one's checkout points to the same place of this
    one: PATH, PYTHONPATH, PWD and VIRTUAL_ENV. A PATH that the configuration sets is taken as it
    stands.
    """
    env = dict(os.environ)
    if other is not None:
        env["PATH"] = _moved(env.get("PATH", os.defpath), side, other)
        _settle_in(env, cwd, side)
    env["PATH"] = _joined(str(Path(side.python).parent), env.get("PATH", os.defpath))
    if seed is not None:
        env["PYTHONHASHSEED"] = str(seed % (1 << 32))
    env.update(settings)
    if other is not None and "PYTHONPATH" in env:
        env["PYTHONPATH"] = _moved(env["PYTHONPATH"], side, other)
    return side.first_on_path(env)


def with_first(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with one more folder in front of PYTHONPATH."""
    return {**env, "PYTHONPATH": _joined(str(folder), env.get("PYTHONPATH", ""))}


def below(path: Path, folder: Path | None) -> bool:
    """Whether a path lies in a folder, symbolic links followed."""
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def virtual(side: Side) -> Path | None:
    """The top of the virtual environment of a side's interpreter, if it has one."""
    top = Path(side.python).parent.parent
    return top if (top / "pyvenv.cfg").is_file() else None


def _settle_in(env: dict[str, str], cwd: str, side: Side) -> None:
    """What a shell and an activated environment would set in this place."""
    env["PWD"] = str(side.folder / cwd)  # make's $(PWD) would lead to our own folder
    env.pop("OLDPWD", None)
    if "VIRTUAL_ENV" in env:
        env.pop("VIRTUAL_ENV")
        if (top := virtual(side)) is not None:
            env["VIRTUAL_ENV"] = str(top)


def _moved(path: str, side: Side, other: Side) -> str:
    """A search path without the other side's virtual environment and checkout."""
    away = virtual(other)
    if away is not None and away == virtual(side):
        away = None
    parts = []
    for part in path.split(os.pathsep):
        if not part or below(Path(part), away):
            continue
        if not Path(part).is_absolute() or not below(Path(part), other.root):
            parts.append(part)
        elif other.root is not None and side.root is not None:
            parts.append(str(side.root / Path(part).resolve().relative_to(other.root.resolve())))
    return os.pathsep.join(parts)


def _joined(*parts: str) -> str:
    """A search path of what is not empty: an empty part would be the current folder."""
    return os.pathsep.join(part for part in parts if part)
