"""Paths as a person wants to read them."""

from pathlib import Path


def shown(file: str | Path) -> str:
    """Relative to the working directory where it lies below it, with forward slashes; else as it is."""
    path = Path(file)
    try:
        here = Path.cwd()
    except OSError:  # somebody has removed it
        return str(path)
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
