"""Paths as a person wants to read them."""

from pathlib import Path


def shown(file: str | Path) -> str:
    """Relative to the working directory where it lies below it, with forward slashes; else as it is."""
    path = Path(file)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)
