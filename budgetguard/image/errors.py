"""What can be wrong with a picture. Each says what, where, got, expected and the next step.

ImageError                root; a MeasureError, so that a command ends with 4
├── RefusedImage          the source is not taken
│   ├── UnsupportedFormat     no JPEG, PNG, WebP, GIF or AVIF, whatever its name says
│   ├── ImageTooLarge         bytes, pixels or a side over its limit, read from the header alone
│   ├── TooManyFrames         of an animation
│   ├── TooManyScans          of a progressive JPEG, each of which costs a pass over all pixels
│   ├── TruncatedImage        it ends before its pixels do
│   └── CorruptImage          it cannot be decoded
├── OutputTooLarge        what is asked for has more pixels than a result may have
├── TargetUnreachable     no quality comes up to the target; `best` is the nearest
├── TimeLimit             it took more CPU than it may
└── UnsafePath            a name that leaves its folder
"""

from typing import TYPE_CHECKING

from budgetguard.errors import MeasureError

if TYPE_CHECKING:
    from budgetguard.image.variant import Variant


class ImageError(MeasureError):
    """The root of the tree."""


class RefusedImage(ImageError):
    """The source is not taken; nothing of it reaches an output."""


class UnsupportedFormat(RefusedImage):
    """The first bytes are not those of a format that is allowed."""


class ImageTooLarge(RefusedImage):
    """Bytes, pixels or a side are over their limit."""


class TooManyFrames(RefusedImage):
    """An animation of more frames than its limit."""


class TooManyScans(RefusedImage):
    """A progressive JPEG of more scans than its limit."""


class TruncatedImage(RefusedImage):
    """The file ends before its pixels do."""


class CorruptImage(RefusedImage):
    """The file is of its format by its first bytes only."""


class OutputTooLarge(ImageError):
    """A result would have more pixels than it may, or than its format can hold."""


class TimeLimit(ImageError):
    """A picture took more CPU than it may."""


class UnsafePath(ImageError):
    """A name that would leave the folder it belongs to."""


class TargetUnreachable(ImageError):
    """No quality of the format comes up to the target; `best` is the nearest that there is."""

    def __init__(self, message: str, best: "Variant") -> None:
        super().__init__(message)
        self.best = best
