"""Pictures at a chosen quality for the fewest bytes, safe against hostile files.

    from budgetguard.image import Target, optimize, responsive

    variant = optimize("photo.jpg", target=Target.score(75), width=1280)   # .data, .format, .score, .etag
    pictures = responsive("photo.jpg", widths=(320, 640, 1280))            # .picture(alt="…"), .write(folder)

Whatever comes out was decoded whole and encoded anew; `inspect` tells from the header what is refused.
"""

from budgetguard.image.batch import Batch, BatchReport, Done
from budgetguard.image.decoding import Picture, decode
from budgetguard.image.errors import (
    CorruptImage,
    ImageError,
    ImageTooLarge,
    OutputTooLarge,
    RefusedImage,
    TargetUnreachable,
    TimeLimit,
    TooManyFrames,
    TooManyScans,
    TruncatedImage,
    UnsafePath,
    UnsupportedFormat,
)
from budgetguard.image.inspection import SourceInfo, inspect
from budgetguard.image.isolation import optimize_isolated
from budgetguard.image.limits import Limits
from budgetguard.image.optimizing import optimize
from budgetguard.image.placeholders import Placeholder, placeholder
from budgetguard.image.responsive import ImageSet, responsive
from budgetguard.image.ssimulacra2 import Reference, ssimulacra2
from budgetguard.image.variant import Target, Variant

__all__ = [
    "Batch",
    "BatchReport",
    "CorruptImage",
    "Done",
    "ImageError",
    "ImageSet",
    "ImageTooLarge",
    "Limits",
    "OutputTooLarge",
    "Picture",
    "Placeholder",
    "Reference",
    "RefusedImage",
    "SourceInfo",
    "Target",
    "TargetUnreachable",
    "TimeLimit",
    "TooManyFrames",
    "TooManyScans",
    "TruncatedImage",
    "UnsafePath",
    "UnsupportedFormat",
    "Variant",
    "decode",
    "inspect",
    "optimize",
    "optimize_isolated",
    "placeholder",
    "responsive",
    "ssimulacra2",
]
