"""`budgetguard image picture`: the HTML of what `responsive` has written."""

import json
from pathlib import Path

import click

from budgetguard.cli.image.options import file_argument
from budgetguard.cli.screen import say
from budgetguard.errors import UsageError
from budgetguard.image.markup import Markup

_LARGEST_BYTES = 4_000_000
_PICTURE_EPILOG = """\
\b
Examples:
  budgetguard image picture static/img/photo.json --alt "A fox" --prefix /static/img/
  budgetguard image picture static/img/photo.json --alt "A fox" --first --preload
"""


@click.command(epilog=_PICTURE_EPILOG)
@file_argument("manifest")
@click.option("--alt", required=True, help="What the picture shows; empty for decoration.")
@click.option("--sizes", default="100vw", show_default=True, help="How wide it is shown, as CSS.")
@click.option("--prefix", default="", help="What stands before file names in URLs.")
@click.option("--class", "css_class", default="", help="A CSS class of the <img>.")
@click.option("--first", is_flag=True, help="It is seen first: load it at once, before others.")
@click.option("--preload", is_flag=True, help="Print the <link> for the <head> as well.")
def picture(
    manifest: Path,
    *,
    alt: str,
    sizes: str,
    prefix: str,
    css_class: str,
    first: bool,
    preload: bool,
) -> int:
    """Print the <picture> of a MANIFEST that `budgetguard image responsive` has written."""
    markup = Markup.of_manifest(_read(manifest))
    if preload:
        say(markup.preload_link(sizes=sizes, prefix=prefix))
    say(markup.picture(alt=alt, sizes=sizes, prefix=prefix, lazy=not first, css_class=css_class))
    return 0


def _read(manifest: Path) -> dict[str, object]:
    try:
        if manifest.stat().st_size > _LARGEST_BYTES:
            raise UsageError(f"{manifest}: too large for a manifest")
        told = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{manifest}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{manifest}: no JSON: {error}") from None
    if not isinstance(told, dict):
        raise UsageError(f"{manifest}: no manifest of `image responsive`; expected an object")
    return told
