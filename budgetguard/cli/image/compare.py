"""`budgetguard image compare`: the score of two pictures, and a page with a slider."""

import json
from pathlib import Path

import click
import numpy as np

from budgetguard.atomic import replace_text
from budgetguard.cli.image.options import file_argument, json_option
from budgetguard.cli.screen import say
from budgetguard.image.comparing import page
from budgetguard.image.decoding import Picture, decode
from budgetguard.image.optimizing import scaled
from budgetguard.image.ssimulacra2 import ssimulacra2
from budgetguard.units import Unit, show

_COMPARE_EPILOG = """\
\b
Examples:
  budgetguard image compare photo.png photo.avif -o compare.html
  budgetguard image compare photo.jpg photo-640.webp      # the first is made as small as the second
"""


@click.command(epilog=_COMPARE_EPILOG)
@file_argument("original")
@file_argument("other")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a page with a slider.")
@json_option
def compare(original: Path, other: Path, *, output: Path | None, as_json: bool) -> int:
    """Score OTHER against ORIGINAL, which is made as small as OTHER where it is larger."""
    first, second = decode(original), decode(other)
    mode = "RGBA" if first.has_alpha or second.has_alpha else "RGB"
    shown = first.still if first.size == second.size else scaled(first.still, second.size)
    one, two = shown.convert(mode), second.still.convert(mode)
    score = ssimulacra2(np.asarray(one), np.asarray(two))
    if output:
        names = (_about(original, first), _about(other, second))
        replace_text(output, page((names[0], one), (names[1], two), score))
    if as_json:
        sizes = {"original_bytes": first.source.bytes, "other_bytes": second.source.bytes}
        say(
            json.dumps({"score": score, **sizes, "page": str(output) if output else None}, indent=2)
        )
    else:
        say(f"score {score:.1f}: {_about(other, second)} beside {_about(original, first)}")
        if output:
            say(f"{output}: both, with a slider")
    return 0


def _about(file: Path, picture: Picture) -> str:
    return f"{file.name} ({show(picture.source.bytes, Unit.BYTES)})"
