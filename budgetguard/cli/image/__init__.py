"""The command `budgetguard image`. A subcommand is one module and one row of `SUBCOMMANDS`."""

from collections.abc import Mapping

import click

from budgetguard.cli import Commands

SUBCOMMANDS: Mapping[str, str] = {
    "inspect": "Tell from the header what a picture is, and whether it is taken.",
    "optimize": "Write the smallest file that comes up to a target.",
    "responsive": "Write all widths and formats of a picture, with its HTML.",
    "batch": "Optimise many pictures into a folder; goes on where it stopped.",
    "picture": "Print the HTML of what `responsive` has written.",
    "compare": "Score two pictures, and write a page with a slider.",
}

_IMAGE_EPILOG = """\
\b
Examples:
  budgetguard image inspect upload.jpg
  budgetguard image optimize photo.png --target 75 --width 1280
  budgetguard image responsive photo.jpg --into static/img --alt "A fox"
  budgetguard image batch photos --into static/img --target "120 kB"

A target is a SSIMULACRA2 score (75; 90 cannot be told from the original), bytes ("120 kB") or an
encoder's own quality ("quality 80").
"""


@click.group(
    cls=Commands,
    table=SUBCOMMANDS,
    package=__name__,
    needs={"PIL": "image", "numpy": "image"},
    epilog=_IMAGE_EPILOG,
)
def image() -> None:
    """Make pictures small at a chosen quality, and refuse hostile ones."""
