"""`budgetguard image inspect`: what a header tells, and what is refused for it."""

import dataclasses
import json
from pathlib import Path

import click

from budgetguard.cli.image.options import json_option
from budgetguard.cli.screen import say, style
from budgetguard.image import inspection
from budgetguard.image.errors import ImageError
from budgetguard.image.inspection import SourceInfo
from budgetguard.units import Unit, show

_INSPECT_EPILOG = """\
\b
Examples:
  budgetguard image inspect upload.jpg
  budgetguard image inspect uploads/*.jpg --json

\b
Exit codes:
  0    all are taken
  1    at least one is refused
"""
_REFUSED = 1


@click.command(epilog=_INSPECT_EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def inspect(files: tuple[Path, ...], *, as_json: bool) -> int:
    """Tell from their headers what FILES are, and whether they are taken.

    No pixel is decoded. A file is what its first bytes are, whatever it is called.
    """
    told: list[dict[str, object]] = []
    refused = False
    for file in files:
        try:
            info = inspection.inspect(file)
        except ImageError as error:
            refused = True
            told.append({"file": str(file), "refused": type(error).__name__, "reason": str(error)})
            if not as_json:
                say(f"{style('✗', 'red')} {error}  {style(type(error).__name__, 'dim')}")
        else:
            told.append({"file": str(file), **dataclasses.asdict(info)})
            if not as_json:
                say(f"{style('✓', 'green')} {file}: {_described(info)}")
    if as_json:
        say(json.dumps(told, indent=2))
    return _REFUSED if refused else 0


def _described(info: SourceInfo) -> str:
    parts = [
        info.format,
        f"{info.width_px} x {info.height_px} px",
        f"{info.frames} frames" if info.frames > 1 else "",
        f"{info.scans} scans" if info.scans > 1 else "",
        info.mode,
        show(info.bytes, Unit.BYTES),
        f"with {', '.join(info.metadata)}" if info.metadata else "no metadata",
    ]
    return " · ".join(part for part in parts if part)
