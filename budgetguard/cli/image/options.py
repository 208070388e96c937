"""Options and figures that the commands of `budgetguard image` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from budgetguard.errors import BudgetguardError, UsageError
from budgetguard.image.encoders import Effort, Format
from budgetguard.image.variant import Target, Variant
from budgetguard.units import Unit, parse_quantity, show

F = TypeVar("F", bound=Callable[..., Any])


class TargetType(click.ParamType[Target]):
    """75, "120 kB" or "quality 80"."""

    name = "target"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Target:
        """Raises click's own error, so that the option is named."""
        if isinstance(value, Target):
            return value
        try:
            return Target.parse(str(value))
        except BudgetguardError as error:
            self.fail(str(error), param, ctx)


class BytesType(click.ParamType[int]):
    """A size such as 512 MiB."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Raises click's own error, so that the option is named."""
        try:
            quantity = parse_quantity(str(value))
        except BudgetguardError as error:
            self.fail(str(error), param, ctx)
        if quantity.unit is not Unit.BYTES:
            self.fail(f'expected a size such as "512 MiB"; got {value!r}', param, ctx)
        return int(quantity.value)


def target_option(command: F) -> F:
    """`--target`."""
    return click.option(
        "--target",
        type=TargetType(),
        default="75",
        show_default=True,
        help='A score (75), bytes ("120 kB") or an encoder\'s quality ("quality 80").',
    )(command)


def effort_option(command: F) -> F:
    """`--effort`."""
    return click.option(
        "--effort",
        type=click.Choice(get_args(Effort)),
        default="balanced",
        show_default=True,
        help="How long encoders look for fewer bytes.",
    )(command)


def formats_option(command: F) -> F:
    """`--format`."""
    return click.option(
        "--format",
        "formats",
        default="auto",
        show_default=True,
        help="avif, webp, jpeg, png, several of them, or auto.",
    )(command)


def width_option(command: F) -> F:
    """`--width`."""
    return click.option(
        "--width", type=click.IntRange(min=1), help="In pixels, at most; never enlarged."
    )(command)


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def file_argument(name: str) -> Callable[[F], F]:
    """A file that is read; its absence is told by whoever opens it."""
    return click.argument(name, type=click.Path(path_type=Path))


def formats_of(text: str, *, auto: bool = False) -> list[Format]:
    """`avif,webp,jpeg`; raises `UsageError` for a name that is no format."""
    names = [name.strip().lower().replace("jpg", "jpeg") for name in text.split(",")]
    if auto and names == ["auto"]:
        return list(get_args(Format))
    for name in names:
        if name not in get_args(Format):
            known = ", ".join(get_args(Format))
            raise UsageError(
                f"{name!r} is no format; expected {known}{', or auto' if auto else ''}"
            )
    return cast("list[Format]", names)


def described(variant: Variant) -> str:
    """One line of figures."""
    parts = [
        f"{variant.width_px} x {variant.height_px}",
        show(variant.bytes, Unit.BYTES),
        _of_source(variant),
        "lossless" if variant.quality is None else f"quality {variant.quality}",
        f"score {variant.score:.1f}" if variant.score is not None else "",
        f"worst part {variant.worst_tile:.1f}" if variant.worst_tile is not None else "",
        f"{variant.encodes} encode{'s' if variant.encodes > 1 else ''}",
        f"{show(variant.cpu_s, Unit.SECONDS)} CPU",
    ]
    return " · ".join(part for part in parts if part)


def _of_source(variant: Variant) -> str:
    return f"{variant.bytes / variant.source_bytes:.0%} of the source"


def plain(variant: Variant) -> dict[str, object]:
    """All of it but the pixels, for JSON."""
    return {
        "format": variant.format,
        "width_px": variant.width_px,
        "height_px": variant.height_px,
        "bytes": variant.bytes,
        "source_bytes": variant.source_bytes,
        "quality": variant.quality,
        "score": variant.score,
        "worst_tile": variant.worst_tile,
        "encodes": variant.encodes,
        "cpu_s": variant.cpu_s,
        "etag": variant.etag,
    }
