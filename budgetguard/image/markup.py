"""The HTML of one picture in many widths and formats; all text from outside is escaped."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, get_args

from budgetguard.errors import UsageError
from budgetguard.image.encoders import MEDIA_TYPES, Format
from budgetguard.image.placeholders import KINDS, Placeholder

# what may stand in a style
_COLOR = re.compile("#[0-9a-f]{6}")
_MINIATURE = re.compile("data:image/webp;base64,[A-Za-z0-9+/=]+")


class Entry(NamedTuple):
    """One file that a browser may choose."""

    file: str
    format: Format
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Markup:
    """`entries` go format by format, the best liked first, each from narrow to wide."""

    entries: tuple[Entry, ...]
    placeholder: Placeholder

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> "Markup":
        """That of `ImageSet.manifest()`, read from JSON. Raises `UsageError` for anything else."""
        try:
            entries = tuple(map(_entry, manifest["variants"]))
            behind = manifest["placeholder"]
            kind, text, color = (str(behind[key]) for key in ("kind", "text", "color"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"no manifest of `image responsive`: {error!r}") from None
        if (
            not entries
            or kind not in KINDS
            or not _COLOR.fullmatch(color)
            or (kind == "lqip" and not _MINIATURE.fullmatch(text))
        ):
            raise UsageError(
                "no manifest of `image responsive`: variants or placeholder are not of it"
            )
        return cls(entries, Placeholder(cast("Any", kind), text, color))

    @property
    def formats(self) -> tuple[Format, ...]:
        """Those there are files of, the best liked first."""
        return tuple(dict.fromkeys(entry.format for entry in self.entries))

    def srcset(self, format: Format, prefix: str = "") -> str:  # noqa: A002  # the word of the domain
        """`a-320.….avif 320w, a-640.….avif 640w`, with `prefix` before each name."""
        return ", ".join(
            f"{prefix}{entry.file} {entry.width_px}w"
            for entry in self.entries
            if entry.format == format
        )

    def picture(
        self,
        *,
        alt: str,
        sizes: str = "100vw",
        prefix: str = "",
        lazy: bool = True,
        css_class: str = "",
    ) -> str:
        """A `<picture>` with its sources, its size and its placeholder behind it.

        `lazy=False` is for what is seen first: it is loaded at once and before others.
        """
        *better, last = self.formats
        sources = [
            "  <source"
            + _attributes(type=MEDIA_TYPES[one], srcset=self.srcset(one, prefix), sizes=sizes)
            + ">"
            for one in better
        ]
        widest = self.entries[-1]
        image = _attributes(
            src=prefix + widest.file,
            srcset=self.srcset(last, prefix),
            sizes=sizes,
            width=str(widest.width_px),
            height=str(widest.height_px),
            alt=alt,
            **({"class": css_class} if css_class else {}),
            loading="lazy" if lazy else "eager",
            decoding="async",
            fetchpriority="" if lazy else "high",
            style=self._behind(last),
        )
        return "\n".join(["<picture>", *sources, f"  <img{image}>", "</picture>"])

    def preload_link(self, *, sizes: str = "100vw", prefix: str = "") -> str:
        """A `<link>` that lets a browser begin with the first format before it has seen the `<picture>`."""
        first = self.formats[0]
        told = _attributes(
            rel="preload",
            **{"as": "image"},
            type=MEDIA_TYPES[first],
            imagesrcset=self.srcset(first, prefix),
            imagesizes=sizes,
            fetchpriority="high",
        )
        return f"<link{told}>"

    def _behind(self, last: Format) -> str:
        """CSS of what is seen until the picture has come; behind a transparent one it would stay."""
        if last != "jpeg":  # no JPEG, for it is transparent
            return ""
        color, text = self.placeholder.color, self.placeholder.text
        if self.placeholder.kind != "lqip":
            return f"background:{color}"
        return f"background:{color} url({text}) center/cover no-repeat"


def _entry(told: Mapping[str, Any]) -> Entry:
    file, kind = str(told["file"]), str(told["format"])
    if kind not in get_args(Format):
        raise ValueError(kind)
    return Entry(file, cast("Format", kind), int(told["width_px"]), int(told["height_px"]))


def _attributes(**values: str) -> str:
    """HTML attributes, each escaped; one without a value is left out, save `alt`."""
    return "".join(
        f' {name}="{html.escape(value)}"'
        for name, value in values.items()
        if value or name == "alt"
    )
