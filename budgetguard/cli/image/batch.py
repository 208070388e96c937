"""`budgetguard image batch`: many pictures into a folder; what is done is not done again."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import click

from budgetguard.cli import INTERRUPTED
from budgetguard.cli.image.options import (
    BytesType,
    described,
    effort_option,
    formats_of,
    json_option,
    plain,
    target_option,
    width_option,
)
from budgetguard.cli.project import watched
from budgetguard.cli.screen import say, style
from budgetguard.image import isolation, optimizing
from budgetguard.image.batch import Batch, BatchReport, Done
from budgetguard.image.encoders import Effort
from budgetguard.image.errors import ImageError
from budgetguard.image.folder import ImageFolder, pictures_in
from budgetguard.image.inspection import Source, inspect
from budgetguard.image.variant import Target, Variant
from budgetguard.units import Unit, show

_BATCH_EPILOG = """\
\b
Examples:
  budgetguard image batch photos --into static/img
  budgetguard image batch uploads/*.jpg --into safe --isolate --format webp --width 1600

\b
Exit codes:
  0    all of it is there
  1    some pictures were refused or could not reach the target
  130  interrupted; what was done is kept, and the next run goes on from there
"""
_FAILED = 1


@click.command(epilog=_BATCH_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into", required=True, type=click.Path(path_type=Path), help="The folder to write to."
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
@effort_option
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Pictures at a time (default: one per processor)."
)
@click.option(
    "--memory",
    type=BytesType(),
    default="1 GiB",
    show_default=True,
    help="What pictures may take together.",
)
@click.option(
    "--isolate", is_flag=True, help="Each in a process of its own, for pictures of strangers."
)
@json_option
def batch(
    paths: tuple[Path, ...],
    *,
    into: Path,
    formats: str,
    target: Target,
    width: int | None,
    effort: Effort,
    jobs: int | None,
    memory: int,
    isolate: bool,
    as_json: bool,
) -> int:
    """Optimise PATHS, files or folders, into a folder.

    A picture whose result is there already is passed over. Each result is written whole or not at all.
    """
    wishes = {
        "formats": formats_of(formats, auto=True),
        "target": target,
        "width": width,
        "effort": effort,
    }
    folder = ImageFolder(into, json.dumps({**wishes, "target": str(target)}))
    names = {file: name for name, file in pictures_in(paths, into).items()}
    waiting = [file for file, name in names.items() if not _is_done(folder, name, file)]
    into.mkdir(parents=True, exist_ok=True)
    run = isolation.optimize_isolated if isolate else optimizing.optimize
    many = Batch(memory_bytes=memory) if jobs is None else Batch(workers=jobs, memory_bytes=memory)

    def work(file: Source) -> Variant:
        variant = run(file, **wishes)  # type: ignore[arg-type]  # each by its name
        path = Path(str(file))
        folder.keep(names[path], inspect(path).sha256, variant)
        return variant

    def all_of_them(progress: Callable[[str], None]) -> BatchReport[Variant]:
        done = count(1)

        def tell(one: Done[Variant]) -> None:
            progress(f"{next(done)} of {len(waiting)}: {one.source!s}")
            if not as_json:
                _tell(one)

        return many.run(waiting, work, on_done=tell)

    try:
        report = watched(all_of_them)
    except KeyboardInterrupt:
        click.echo("interrupted; what was done is kept, run it again to go on", err=True)
        return INTERRUPTED
    passed = len(names) - len(waiting)
    if as_json:
        say(
            json.dumps(
                {"passed_over": passed, "done": [_plain(one) for one in report.done]}, indent=2
            )
        )
    else:
        say(_summed(report, passed))
    return _FAILED if report.errors else 0


def _is_done(folder: ImageFolder, name: str, file: Path) -> bool:
    try:
        return folder.has(name, file)
    except ImageError:
        return False  # it is told with the others


def _tell(one: Done[Variant]) -> None:
    if one.result is None:
        say(f"{style('✗', 'red')} {one.error}")
    else:
        say(f"{style('✓', 'green')} {one.source!s}: {one.result.format} · {described(one.result)}")


def _plain(one: Done[Variant]) -> dict[str, object]:
    if one.result is None:
        return {
            "source": str(one.source),
            "error": type(one.error).__name__,
            "reason": str(one.error),
        }
    return {"source": str(one.source), **plain(one.result)}


def _summed(report: BatchReport[Variant], passed: int) -> str:
    before = sum(variant.source_bytes for variant in report.results)
    after = sum(variant.bytes for variant in report.results)
    parts = [
        f"{len(report.results)} made" if report.results else "nothing to do",
        f"{show(before, Unit.BYTES)} → {show(after, Unit.BYTES)}" if before else "",
        f"{len(report.errors)} failed" if report.errors else "",
        f"{passed} there already" if passed else "",
        show(report.wall_s, Unit.SECONDS, digits=2),
    ]
    return " · ".join(part for part in parts if part)
