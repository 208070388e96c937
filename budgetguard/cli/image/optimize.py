"""`budgetguard image optimize`: the smallest file that comes up to a target."""

import json
from pathlib import Path

import click

from budgetguard.atomic import replace_bytes
from budgetguard.cli.image.options import (
    described,
    effort_option,
    file_argument,
    formats_of,
    json_option,
    plain,
    target_option,
    width_option,
)
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError
from budgetguard.image import isolation, optimizing
from budgetguard.image.encoders import SUFFIXES, Effort
from budgetguard.image.variant import Target

_OPTIMIZE_EPILOG = """\
\b
Examples:
  budgetguard image optimize photo.png                        # the best of AVIF, WebP, JPEG and PNG
  budgetguard image optimize photo.png --format webp,jpeg --target "120 kB"
  budgetguard image optimize upload.jpg --isolate -o safe.webp
"""


@click.command(epilog=_OPTIMIZE_EPILOG)
@file_argument("file")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Default: FILE's name, with the new ending.",
)
@click.option(
    "--format",
    "formats",
    default="auto",
    show_default=True,
    help="avif, webp, jpeg, png, several of them, or auto.",
)
@target_option
@width_option
@click.option(
    "--floor", type=click.FloatRange(0, 100), help="A score that the worst part has to have, too."
)
@effort_option
@click.option(
    "--isolate", is_flag=True, help="In a process of its own, for a picture of a stranger."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
def optimize(
    file: Path,
    *,
    output: Path | None,
    formats: str,
    target: Target,
    width: int | None,
    floor: float | None,
    effort: Effort,
    isolate: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Write the smallest encoding of FILE that comes up to a target.

    The quality is found by decoding and scoring what was encoded. Metadata is left out, places
    included, and the picture is turned as its EXIF says.
    """
    run = isolation.optimize_isolated if isolate else optimizing.optimize
    variant = run(
        file,
        formats=formats_of(formats, auto=True),
        target=target,
        width=width,
        floor=floor,
        effort=effort,
    )
    path = output or file.with_suffix(SUFFIXES[variant.format])
    if path.exists() and not force:
        raise UsageError(
            f"{path}: is there already; write elsewhere with -o, or over it with --force"
        )
    replace_bytes(path, variant.data)
    if as_json:
        say(json.dumps({"file": str(path), **plain(variant)}, indent=2))
    else:
        say(f"{path}: {described(variant)}")
        if variant.bytes > variant.source_bytes:
            say(
                style(
                    "larger than the source, which spent less on its quality; ask for less",
                    "yellow",
                )
            )
    return 0
