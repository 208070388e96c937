"""SSIMULACRA2, a perceptual score of a distorted picture beside its original, in numpy.

Jon Sneyers' metric (Cloudinary, 2022, tuned in 2023): errors of structure, added edges and lost edges at
six scales of the XYB colour space, weighed into one number. 100 is the same, 90 cannot be told apart, 70
is high and 50 medium quality. The constants are those of the reference implementation,
https://github.com/cloudinary/ssimulacra2 (BSD-3-Clause); what it weighs at next to nothing is left out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from budgetguard.image.errors import ImageError

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8]
"""Height x width x 3 (sRGB) or 4 (sRGB and alpha), 8 bits each."""

SCALES = 6
SMALLEST_PX = 8
"""A side under this has no scale of its own."""
_NEGLIGIBLE = 0.005
"""Weights under this move the score by less than 0.01 and would cost two thirds of the work."""
_C2 = np.float32(0.0009)
_BACKGROUNDS = (0.1, 0.9)
"""Greys, in linear light, behind what is transparent; the worse of both scores counts."""

_ABSORBANCE = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
_BIAS = 0.0037930732552754493

# per channel X, Y, B and scale: structure, added edges and lost edges as a mean, then as a norm of 4
_WEIGHTS = np.fromstring(
    """
    0.0 0.0007376606707406586 0.0 0.0 0.0007793481682867309 0.0
    0.0 0.0004371155730107379 0.0 1.1041726426657346 0.00066284834129271 0.00015231632783718752
    0.0 0.0016406437456599754 0.0 1.8422455520539298 11.441172603757666 0.0
    0.0007989109436015163 0.000176816438078653 0.0 1.8787594979546387 10.94906990605142 0.0
    0.0007289346991508072 0.9677937080626833 0.0
    0.00014003424285435884 0.9981766977854967 0.00031949755934435053
    0.0004550992113792063 0.0 0.0 0.0013648766163243398 0.0 0.0
    0.0 0.0 0.0 7.466890328078848 0.0 17.445833984131262
    0.0006235601634041466 0.0 0.0 6.683678146179332 0.00037724407979611296 1.027889937768264
    225.20515300849274 0.0 0.0 19.213238186143016 0.0011401524586618361 0.001237755635509985
    176.39317598450694 0.0 0.0 24.43300999870476 0.28520802612117757 0.0004485436923833408
    0.0 0.0 0.0 34.77906344483772 44.835625328877896 0.0
    0.0 0.0 0.0 0.0 0.0 0.0
    0.0 0.0008680556573291698 0.0 0.0 0.0 0.0
    0.0 0.0005313191874358747 0.0 0.00016533814161379112 0.0 0.0
    0.0 0.0 0.0 0.0004179171803251336 0.0017290828234722833 0.0
    0.0020827005846636437 0.0 0.0 8.826982764996862 23.19243343998926 0.0
    95.1080498811086 0.9863978034400682 0.9834382792465353
    0.0012286405048278493 171.2667255897307 0.9807858872435379
    0.0 0.0 0.0 0.0005130064588990679 0.0 0.00010854057858411537
    """,
    sep=" ",
)


class _Weights(NamedTuple):
    """What is looked at in one channel of one scale; 0 is not computed."""

    structure: float
    added: float
    lost: float
    structure_4: float
    added_4: float
    lost_4: float


def ssimulacra2(original: Pixels, distorted: Pixels) -> float:
    """The score, at most 100 and without a floor; `Reference` is quicker for many of one original.

    Raises `ImageError` for pictures of other sizes, forms or types than each other's.
    """
    return Reference(original).score(distorted)


class Reference:
    """An original, prepared once: what is computed of it alone is kept, about 60 bytes a pixel."""

    def __init__(self, original: Pixels) -> None:
        _check(original)
        self._pixels = original
        scales = _scales_of(original.shape[0], original.shape[1])
        self._weights = _weights_of(scales)
        self._opaque = original.shape[2] == 3

    def score(self, distorted: Pixels) -> float:
        """How near `distorted` comes to the original, 100 at most; the same pixels score 100."""
        _check(distorted)
        if distorted.shape[:2] != self._pixels.shape[:2]:
            raise ImageError(
                f"a picture of {distorted.shape[1]} x {distorted.shape[0]} px cannot be scored against "
                f"one of {self._pixels.shape[1]} x {self._pixels.shape[0]} px"
            )
        if self._opaque and distorted.shape[2] == 3:
            return self._against(self._pyramid, distorted, _BACKGROUNDS[0])
        return min(
            self._against(_Pyramid(self._pixels, grey, self._weights), distorted, grey)
            for grey in _BACKGROUNDS
        )

    @cached_property
    def _pyramid(self) -> "_Pyramid":
        return _Pyramid(self._pixels, _BACKGROUNDS[0], self._weights)

    def _against(self, pyramid: "_Pyramid", distorted: Pixels, grey: float) -> float:
        error = 0.0
        for kept, planes in zip(
            pyramid.levels, _levels(distorted, grey, self._weights), strict=True
        ):
            for (original, weights), plane in zip(kept, planes, strict=True):
                if original is not None and plane is not None:
                    error += _error(original, plane, weights)
        return _as_score(error)


@dataclass(frozen=True, slots=True)
class _Original:
    """One channel of one scale of the original, with its blurs."""

    plane: Plane
    mean: Plane
    variance: Plane | None
    edge: Plane | None
    """One more than how far each pixel is from the mean around it."""


class _Pyramid:
    """Every channel of every scale that any weight asks for."""

    def __init__(self, pixels: Pixels, grey: float, weights: list[list[_Weights]]) -> None:
        self.levels = [
            [
                (None if plane is None else _original(plane, one), one)
                for plane, one in zip(planes, wanted, strict=True)
            ]
            for planes, wanted in zip(_levels(pixels, grey, weights), weights, strict=True)
        ]


def _original(plane: Plane, weights: _Weights) -> _Original:
    mean = _blurred(plane)
    variance = _blurred(plane * plane) - mean * mean if _has_structure(weights) else None
    edge = 1 + np.abs(plane - mean) if _has_edges(weights) else None
    return _Original(plane, mean, variance, edge)


def _error(original: _Original, plane: Plane, weights: _Weights) -> float:
    """The weighed errors of one channel of one scale."""
    mean = _blurred(plane)
    total = 0.0
    if original.variance is not None:
        wrong = _structure(original, plane, mean)
        total += _norms(wrong, weights.structure, weights.structure_4)
    if original.edge is not None:
        change = (1 + np.abs(plane - mean)) / original.edge - 1
        total += _norms(np.maximum(change, 0), weights.added, weights.added_4)
        total += _norms(np.maximum(-change, 0), weights.lost, weights.lost_4)
    return total


def _structure(original: _Original, plane: Plane, mean: Plane) -> Plane:
    """One less the SSIM, whose luminance term is without its denominator."""
    assert original.variance is not None  # noqa: S101  # for the type checker: the caller asked
    covariance = _blurred(original.plane * plane) - original.mean * mean
    variances = original.variance + (_blurred(plane * plane) - mean * mean)
    likeness = 1 - (original.mean - mean) ** 2
    wrong = 1 - likeness * ((2 * covariance + _C2) / (variances + _C2))
    wrong[wrong < 0] = 0
    return wrong


def _norms(errors: Plane, mean_weight: float, norm_weight: float) -> float:
    total = 0.0
    if mean_weight:
        total += mean_weight * float(errors.mean(dtype=np.float64))
    if norm_weight:
        squares = np.multiply(errors, errors, out=errors)
        total += norm_weight * float(np.mean(squares * squares, dtype=np.float64)) ** 0.25
    return total


def _as_score(error: float) -> float:
    error *= 0.9562382616834844
    error = (
        2.326765642916932 * error
        - 0.020884521182843837 * error**2
        + 6.248496625763138e-05 * error**3
    )
    return 100 - 10 * float(error**0.6276336467831387) if error > 0 else 100.0


def _check(pixels: Pixels) -> None:
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8:
        raise ImageError(
            f"an array of {pixels.dtype} and {pixels.shape} cannot be scored; expected uint8 of "
            "(height, width, 3 or 4)"
        )
    if min(pixels.shape[:2]) < SMALLEST_PX:
        raise ImageError(
            f"a picture of {pixels.shape[1]} x {pixels.shape[0]} px is too small to be scored; "
            f"expected {SMALLEST_PX} px a side"
        )


def _scales_of(height: int, width: int) -> int:
    """How many of the six scales there are: the last may have sides under 8 pixels, as in the reference."""
    scales, side = 1, min(height, width)
    while scales < SCALES and side >= SMALLEST_PX:
        scales, side = scales + 1, (side + 1) // 2
    return scales


def _weights_of(scales: int) -> list[list[_Weights]]:
    """Scale by scale the three channels; fewer scales move up in the table, as in the reference."""
    table = _WEIGHTS[: 3 * scales * 6].reshape(3, scales, 6)
    table = np.where(table < _NEGLIGIBLE, 0.0, table)
    return [[_Weights(*map(float, table[c, scale])) for c in range(3)] for scale in range(scales)]


def _has_structure(weights: _Weights) -> bool:
    return bool(weights.structure or weights.structure_4)


def _has_edges(weights: _Weights) -> bool:
    return any((weights.added, weights.added_4, weights.lost, weights.lost_4))


def _levels(
    pixels: Pixels, grey: float, weights: list[list[_Weights]]
) -> "list[list[Plane | None]]":
    """The channels X, Y and B of each scale, where anything is weighed of them."""
    linear = _linear(pixels, grey)
    levels = []
    for number, wanted in enumerate(weights):
        if number:
            linear = [_halved(plane) for plane in linear]
        levels.append(_xyb(linear, [any(one) for one in wanted]))
    return levels


def _linear(pixels: Pixels, grey: float) -> list[Plane]:
    """Red, green and blue as linear light, over `grey` where there is alpha.

    Alpha blends what is encoded, as the reference does; there `grey` is of the encoded scale, too.
    """
    if pixels.shape[2] == 3:
        return [_LINEAR[pixels[..., channel]] for channel in range(3)]
    alpha = pixels[..., 3] / np.float32(255)
    behind = (1 - alpha) * np.float32(grey)
    blended = [alpha * (pixels[..., channel] / np.float32(255)) + behind for channel in range(3)]
    return [_decoded(plane) for plane in blended]


def _decoded(encoded: NDArray[np.floating]) -> Plane:
    """Linear light of what sRGB encodes as 0 to 1."""
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


_LINEAR = _decoded(np.arange(256) / 255)


def _halved(plane: Plane) -> Plane:
    """The mean of two by two pixels; an odd edge is repeated."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    halved = plane[0::2, 0::2] + plane[0::2, 1::2]
    halved += plane[1::2, 0::2]
    halved += plane[1::2, 1::2]
    halved *= np.float32(0.25)
    return halved


def _xyb(linear: list[Plane], wanted: list[bool]) -> "list[Plane | None]":
    """The three channels, moved and scaled to be between 0 and 1."""
    if not any(wanted):
        return [None, None, None]
    long, middle = _response(linear, 0), _response(linear, 1)
    y = (long + middle) * np.float32(0.5)
    x = (long - middle) * np.float32(7) + np.float32(0.42) if wanted[0] else None
    b = _response(linear, 2) - y + np.float32(0.55) if wanted[2] else None
    return [x, y + np.float32(0.01) if wanted[1] else None, b]


def _response(linear: list[Plane], cone: int) -> Plane:
    red, green, blue = _ABSORBANCE[cone]
    mixed = linear[0] * np.float32(red)
    mixed += linear[1] * np.float32(green)
    mixed += linear[2] * np.float32(blue)
    mixed += np.float32(_BIAS)
    np.cbrt(mixed, out=mixed)
    mixed -= np.float32(_BIAS ** (1 / 3))
    return mixed


def _kernel(sigma: float, radius: int) -> tuple[np.float32, ...]:
    """The reference's Gaussian from its middle outwards: a sum of three cosines that end at `radius`.

    Charalampidis, Recursive Implementation of the Gaussian Filter Using Truncated Cosine Functions
    (IEEE Transactions on Signal Processing, 2016); the numbers are those of its equations.
    """
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    signs = np.array([1, -1, 1])
    p = signs / np.tan(omega / 2)  # 37
    r = signs * p**2 / np.sin(omega)  # 44
    rho = np.exp(-(sigma**2) * omega**2 / 2) / radius  # 50
    d_13, d_35, d_51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))
    zeta = np.array([d_35 / d_13, d_51 / d_13, 1.0])  # 52
    beta = np.linalg.solve(
        np.array([p, r, zeta]), np.array([1.0, radius**2 - sigma**2, float(zeta @ rho)])
    )  # 55
    taps = [float(beta @ np.cos(omega * distance)) for distance in range(radius)]
    return tuple(map(np.float32, taps))


_KERNEL = _kernel(1.5, 5)
_REACH = len(_KERNEL) - 1


def _blurred(plane: Plane) -> Plane:
    """A Gaussian of 1.5 pixels; what lies outside the picture is 0."""
    height, width = plane.shape
    rows = np.zeros((height + 2 * _REACH, width), np.float32)
    rows[_REACH:-_REACH] = plane
    columns = np.zeros((height, width + 2 * _REACH), np.float32)
    _weighed([rows[at : at + height] for at in range(2 * _REACH + 1)], columns[:, _REACH:-_REACH])
    blurred = np.empty_like(plane)
    _weighed([columns[:, at : at + width] for at in range(2 * _REACH + 1)], blurred)
    return blurred


def _weighed(shifted: list[Plane], into: Plane) -> None:
    """The sum of views that are one pixel further each, by the kernel."""
    np.multiply(shifted[_REACH], _KERNEL[0], out=into)
    pair = np.empty(into.shape, np.float32)
    for distance in range(1, _REACH + 1):
        np.add(shifted[_REACH - distance], shifted[_REACH + distance], out=pair)
        pair *= _KERNEL[distance]
        into += pair
