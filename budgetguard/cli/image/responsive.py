"""`budgetguard image responsive`: all widths and formats of a picture, with its HTML."""

import json
from pathlib import Path
from typing import get_args

import click

from budgetguard.atomic import replace_text
from budgetguard.cli.image.options import (
    effort_option,
    file_argument,
    formats_of,
    json_option,
    target_option,
)
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError
from budgetguard.image.encoders import Effort
from budgetguard.image.placeholders import Kind
from budgetguard.image.responsive import FORMATS, WIDTHS, ImageSet
from budgetguard.image.responsive import responsive as all_widths
from budgetguard.image.variant import Target
from budgetguard.table import aligned
from budgetguard.units import Unit, show

_RESPONSIVE_EPILOG = """\
\b
Examples:
  budgetguard image responsive photo.jpg --into static/img --alt "A fox" --prefix /static/img/
  budgetguard image responsive logo.png --into out --widths 160,320 --formats webp,png

NAME.json beside the files is the manifest, of which `budgetguard image picture` makes HTML again.
"""


@click.command(epilog=_RESPONSIVE_EPILOG)
@file_argument("file")
@click.option(
    "--into", required=True, type=click.Path(path_type=Path), help="The folder to write to."
)
@click.option("--widths", default=",".join(map(str, WIDTHS)), show_default=True, help="In pixels.")
@click.option(
    "--formats", default=",".join(FORMATS), show_default=True, help="The best liked first."
)
@target_option
@click.option(
    "--placeholder", "kind", type=click.Choice(get_args(Kind)), default="lqip", show_default=True
)
@effort_option
@click.option("--alt", default="", help="What the picture shows, for those who do not see it.")
@click.option("--sizes", default="100vw", show_default=True, help="How wide it is shown, as CSS.")
@click.option("--prefix", default="", help="What stands before file names in URLs.")
@json_option
def responsive(
    file: Path,
    *,
    into: Path,
    widths: str,
    formats: str,
    target: Target,
    kind: Kind,
    effort: Effort,
    alt: str,
    sizes: str,
    prefix: str,
    as_json: bool,
) -> int:
    """Write all widths of FILE in all formats into a folder, and print its <picture>.

    A width beyond the picture's own is left out. Names hold a digest of their content, so that they may
    be cached for good.
    """
    found = all_widths(
        file,
        widths=_widths(widths),
        formats=formats_of(formats),
        target=target,
        kind=kind,
        effort=effort,
    )
    found.write(into)
    manifest = into / f"{found.name}.json"
    replace_text(manifest, json.dumps(found.manifest(), indent=2) + "\n")
    if as_json:
        say(json.dumps(found.manifest(), indent=2))
        return 0
    for line in aligned(_rows(found)):
        say(line)
    say(style(f"{len(found.variants)} files and {manifest}", "dim"))
    say("")
    say(found.markup.picture(alt=alt, sizes=sizes, prefix=prefix))
    return 0


def _widths(text: str) -> list[int]:
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise UsageError(f"--widths {text!r}: expected whole numbers such as 320,640") from None


def _rows(found: ImageSet) -> list[list[str]]:
    rows = [["width", *found.markup.formats]]
    for width in sorted({variant.width_px for variant in found.variants}):
        cells = {
            one.format: show(one.bytes, Unit.BYTES)
            for one in found.variants
            if one.width_px == width
        }
        rows.append([str(width), *(cells.get(one, "") for one in found.markup.formats)])
    return rows
