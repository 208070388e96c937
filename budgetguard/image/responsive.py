"""One picture in many widths and formats, with its placeholder, its HTML and its manifest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budgetguard.atomic import replace_bytes
from budgetguard.errors import UsageError
from budgetguard.image.decoding import Picture, decode
from budgetguard.image.encoders import SUFFIXES, Effort, Format, can_hold
from budgetguard.image.errors import ImageError, UnsafePath
from budgetguard.image.inspection import Source, SourceInfo
from budgetguard.image.limits import LIMITS, Limits
from budgetguard.image.markup import Entry, Markup
from budgetguard.image.optimizing import DEFAULT, Clock, Wish, best_of, resized, scaled
from budgetguard.image.placeholders import Kind, Placeholder, placeholder
from budgetguard.image.variant import Target, Variant

WIDTHS = (320, 480, 640, 768, 960, 1280, 1600, 1920)
FORMATS: tuple[Format, ...] = ("avif", "webp", "jpeg")
_FIRST_PX = 640
"""The width whose qualities the others begin with: small enough to be cheap, large enough to be alike."""
_CASCADE = 1.5
"""A width is made of a larger one that is at least so many times as wide, else of the source."""
_NAME = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Everything that a page needs of one picture."""

    name: str
    """What the files begin with."""
    variants: tuple[Variant, ...]
    """Format by format as they were asked for, each from narrow to wide."""
    placeholder: Placeholder
    source: SourceInfo

    @property
    def cpu_s(self) -> float:
        """Of all variants."""
        return sum(variant.cpu_s for variant in self.variants)

    def file_name(self, variant: Variant) -> str:
        """`name-640.3f2a9c1b.avif`: another content has another name, so that caches may keep it for good."""
        return f"{self.name}-{variant.width_px}.{variant.sha256[:8]}{SUFFIXES[variant.format]}"

    @property
    def markup(self) -> Markup:
        """Its HTML: `.picture(alt=…)`, `.srcset(format)` and `.preload_link()`."""
        entries = tuple(
            Entry(self.file_name(one), one.format, one.width_px, one.height_px)
            for one in self.variants
        )
        return Markup(entries, self.placeholder)

    def manifest(self) -> dict[str, Any]:
        """All of it but the pixels, for JSON."""
        return {
            "name": self.name,
            "source": {
                "sha256": self.source.sha256,
                "format": self.source.format,
                "width_px": self.source.width_px,
                "height_px": self.source.height_px,
                "bytes": self.source.bytes,
            },
            "placeholder": {
                "kind": self.placeholder.kind,
                "text": self.placeholder.text,
                "color": self.placeholder.color,
            },
            "variants": [
                {
                    "file": self.file_name(variant),
                    "format": variant.format,
                    "media_type": variant.media_type,
                    "width_px": variant.width_px,
                    "height_px": variant.height_px,
                    "bytes": variant.bytes,
                    "quality": variant.quality,
                    "score": variant.score,
                    "etag": variant.etag,
                }
                for variant in self.variants
            ],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write every variant into `folder`, each file whole or not at all; returns their paths.

        Raises `OSError`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for variant in self.variants:
            file = within(folder, self.file_name(variant))
            replace_bytes(file, variant.data)
            written.append(file)
        return written


def responsive(  # noqa: PLR0913  # each is one wish of a caller, by its name
    source: Source,
    *,
    name: str = "",
    widths: Sequence[int] = WIDTHS,
    formats: Sequence[Format] = FORMATS,
    target: Target = DEFAULT,
    kind: Kind = "lqip",
    effort: Effort = "balanced",
    limits: Limits = LIMITS,
) -> ImageSet:
    """Every width of a picture in every format that can hold it, each at the lowest quality that suffices.

    Widths beyond the source's are left out, and its own stands for them. A PNG takes the place of a JPEG
    for what is transparent. `limits.cpu_s` holds for each variant. Raises what `optimize` raises.
    """
    picture = decode(source, limits=limits)
    wish = Wish(target=target, effort=effort, limits=limits)
    held = _held(picture, formats)
    pictures = ladder(picture, widths, limits)
    variants = tuple(variant for one in held for variant in _of_format(pictures, one, wish))
    return ImageSet(
        name=safe_name(name or _stem(source)),
        variants=variants,
        placeholder=placeholder(pictures[0].still, kind),
        source=picture.source,
    )


def _of_format(pictures: Sequence[Picture], one: Format, wish: Wish) -> list[Variant]:
    """One format in all widths: the first found tells the others where to begin."""
    order = sorted(pictures, key=lambda picture: abs(picture.size[0] - _FIRST_PX))
    found: list[Variant] = []
    for picture in order:
        start = found[0].quality if found else None
        found.append(best_of(picture, [one], replace(wish, start=start), Clock(wish.limits.cpu_s)))
    return sorted(found, key=lambda variant: variant.width_px)


def ladder(picture: Picture, widths: Sequence[int], limits: Limits = LIMITS) -> list[Picture]:
    """The picture in all widths up to its own, from narrow to wide, each made of a wider one.

    Raises `UsageError` for a width below 1.
    """
    if not widths or min(widths) < 1:
        raise UsageError(f"widths of {list(widths)} px; expected at least one, of 1 px or more")
    full = picture.size[0]
    made = [resized(picture, full, limits)]
    for width in sorted({min(width, full) for width in widths}, reverse=True):
        if width < full:
            made.append(_made_of(made, width))
    narrow_first = made[::-1]
    return narrow_first if max(widths) >= full else narrow_first[:-1]


def _made_of(made: Sequence[Picture], width: int) -> Picture:
    """From the narrowest that is wide enough to lose nothing by it."""
    wide_enough = [one for one in made if one.size[0] >= width * _CASCADE]
    larger = wide_enough[-1] if wide_enough else made[0]
    full_width, full_height = made[0].size
    size = (width, max(round(full_height * width / full_width), 1))
    return replace(larger, frames=tuple(scaled(frame, size) for frame in larger.frames))


def _held(picture: Picture, formats: Sequence[Format]) -> list[Format]:
    """Those that can hold the picture, a PNG in the place of a JPEG that cannot."""
    wanted = ["png" if one == "jpeg" and picture.has_alpha else one for one in formats]
    held: list[Format] = [one for one in dict.fromkeys(wanted) if not can_hold(one, picture)]
    if not held:
        raise ImageError(f"none of {', '.join(formats)} can hold it; ask for webp")
    return held


def safe_name(name: str) -> str:
    """A name that stays one in any folder, URL and shell. Raises `UnsafePath` where nothing is left."""
    safe = _NAME.sub("-", name).strip("-.")[:_LONGEST_NAME]
    if not safe:
        raise UnsafePath(f"{name!r} is no name for a file; expected letters or digits")
    return safe


def within(folder: Path, name: str) -> Path:
    """`folder/name`, which has to lie directly in it, links followed. Raises `UnsafePath`."""
    file = folder / name
    if file.is_symlink() or file.resolve().parent != folder.resolve():
        raise UnsafePath(f"{file} leads out of {folder}")
    return file


def _stem(source: Source) -> str:
    return "picture" if isinstance(source, bytes) else Path(source).stem
