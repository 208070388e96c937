"""The fewest bytes that come up to a target, in each kind, for each kind of picture."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from budgetguard.errors import UsageError
from budgetguard.image import Target, inspect, optimize, optimize_isolated, ssimulacra2
from budgetguard.image.errors import (
    ImageError,
    ImageTooLarge,
    OutputTooLarge,
    TargetUnreachable,
    TimeLimit,
)
from budgetguard.image.limits import Limits

from .made import many_scans, photo, png, saved, screenshot

LOSSY = ["jpeg", "webp", "avif"]


@pytest.fixture(scope="module")
def source():
    return saved(photo(320, 240), "PNG")


def opened(variant):
    return Image.open(io.BytesIO(variant.data))


@pytest.mark.parametrize("kind", LOSSY)
@pytest.mark.parametrize("target", [60, 75, 88])
def test_it_comes_up_to_its_score(source, kind, target):
    """The score it tells is that of its bytes, at the target and hardly above it."""
    variant = optimize(source, format=kind, target=Target.score(target))
    original, found = Image.open(io.BytesIO(source)), opened(variant)
    assert variant.score == pytest.approx(
        ssimulacra2(np.asarray(original), np.asarray(found.convert("RGB")))
    )
    assert target <= variant.score < target + 3
    assert found.format == kind.upper()
    assert (variant.width_px, variant.height_px) == found.size == (320, 240)


@pytest.mark.parametrize("kind", LOSSY)
def test_it_stays_within_its_bytes(source, kind):
    """And leaves few of them."""
    variant = optimize(source, format=kind, target=Target.bytes(12_000))
    assert 10_000 < variant.bytes <= 12_000
    assert variant.score is not None


@pytest.mark.parametrize("kind", LOSSY)
def test_a_fixed_quality_is_that_quality(source, kind):
    """One encode, and it is scored all the same."""
    variant = optimize(source, format=kind, target=Target.quality(50))
    assert (variant.quality, variant.encodes) == (50, 1)
    assert variant.score


def test_a_jpeg_is_progressive(source):
    """It is seen early, and smaller."""
    assert inspect(optimize(source, format="jpeg").data).scans > 1


def test_auto_takes_the_smallest(source):
    """Of all formats that come up to the target."""
    best = optimize(source)
    assert best.bytes == min(
        optimize(source, format=one).bytes for one in ("avif", "webp", "jpeg", "png")
    )
    assert optimize(source, formats=["jpeg", "png"]).format == "jpeg"


def test_auto_within_bytes_takes_what_looks_best(source):
    """Of all formats; the smallest would be a poor picture."""
    within = Target.bytes(10_000)
    best = optimize(source, target=within)
    scores = [optimize(source, format=one, target=within).score for one in LOSSY]
    assert (best.score, best.bytes <= 10_000) == (max(scores), True)


def test_what_is_drawn_may_be_smaller_without_loss():
    """A screenshot is tried without loss; nothing of it is blurred then."""
    source = saved(screenshot(), "PNG")
    variant = optimize(source, formats=["webp", "png"], target=Target.score(90))
    assert variant.score == 100
    assert variant.bytes < len(source)


def test_the_worst_part_has_a_floor(source):
    """A higher quality than the average asks for, where one part is worse than it may be."""
    free = optimize(source, format="jpeg", target=Target.score(60))
    floored = optimize(source, format="jpeg", target=Target.score(60), floor=66)
    assert free.worst_tile is None
    assert floored.worst_tile >= 66
    assert floored.quality > free.quality


def test_transparency_is_kept():
    """By the formats that have it; a JPEG has not, and says so."""
    image = photo(160, 120).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((160, 120)))
    source = saved(image, "PNG")
    for kind in ("webp", "avif", "png"):
        variant = optimize(source, format=kind)
        low, high = opened(variant).convert("RGBA").getextrema()[3]
        assert low < 3
        assert high > 252
        assert variant.score >= 75
    with pytest.raises(ImageError, match="no transparency"):
        optimize(source, format="jpeg")
    assert optimize(source).format != "jpeg"


def test_an_animation_stays_one():
    """With its frames and times, within its target by its worst sampled frame."""
    frames = [photo(80, 60, seed) for seed in range(4)]
    source = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0)
    variant = optimize(source, format="webp", target=Target.score(60))
    assert opened(variant).n_frames == 4
    assert variant.score >= 60
    assert variant.bytes < len(source)
    with pytest.raises(ImageError, match="no animation"):
        optimize(source, format="jpeg")


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_nothing_but_pixels_comes_out(kind):
    """No EXIF, place, comment or profile, no text, and nothing that was appended to the file."""
    exif = Image.Exif()
    exif[0x010E] = "secret words"
    exif.get_ifd(0x8825)[1] = "N"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.html", "<script>alert(1)</script>")
    appended = b"<script>secret words</script>" + archive.getvalue()
    source = saved(photo(), "JPEG", exif=exif, comment=b"secret words", quality=95) + appended
    assert "gps" in inspect(source).metadata
    variant = optimize(source, format=kind)
    assert inspect(variant.data).metadata == ()
    for trace in (b"secret", b"<script", b"PK\x03\x04", b"evil"):
        assert trace not in variant.data


def test_it_is_no_larger_than_its_source():
    """What was made with less quality than is asked for is not blown up; its score is told."""
    source = saved(photo(), "JPEG", quality=8)
    variant = optimize(source, format="jpeg", target=Target.score(95))
    assert variant.bytes <= len(source)
    assert variant.score < 95


def test_a_width_makes_it_smaller_and_never_larger(source):
    """The form is kept, to the pixel."""
    small = optimize(source, format="webp", width=100)
    assert opened(small).size == (100, 75)
    assert opened(optimize(source, format="webp", width=5000)).size == (320, 240)


def test_an_icon_of_a_few_pixels_is_optimised():
    """Smaller than a score needs it to be."""
    variant = optimize(saved(Image.new("RGB", (3, 2), "red"), "PNG"))
    assert opened(variant).size == (3, 2)


def test_what_cannot_be_reached_brings_the_nearest(source):
    """The error holds the best there is, and says how near it comes."""
    with pytest.raises(TargetUnreachable, match=r"webp does not come up to 40 bytes") as told:
        optimize(source, format="webp", target=Target.bytes(40))
    assert told.value.best.bytes > 40
    with pytest.raises(TargetUnreachable, match="score 99"):
        optimize(source, format="avif", target=Target.score(99.9))


def test_a_picture_that_is_all_colour_has_a_webp_without_loss():
    """A lossy one keeps every fourth colour, and would not come up to the target."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    stripes[::3] ^= np.random.default_rng(1).integers(0, 60, (22, 64, 3), np.uint8)
    variant = optimize(
        saved(Image.fromarray(stripes), "PNG"), format="webp", target=Target.score(80)
    )
    assert (variant.quality, variant.score) == (None, 100)


def test_limits_hold_for_results_and_time(source):
    """Pixels that come out, and the CPU that all of it takes."""
    with pytest.raises(OutputTooLarge, match="76,800 pixels"):
        optimize(source, limits=Limits(max_output_pixels=76_799))
    with pytest.raises(TimeLimit, match="of CPU for one picture"):
        optimize(source, limits=Limits(cpu_s=0.001))


@pytest.mark.parametrize("text", ["0", "101", "quality 0", "quality 101", "5 s", "x", "-1", "75 %"])
def test_what_is_no_target_is_refused(text):
    """With what is expected."""
    with pytest.raises(UsageError):
        Target.parse(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("75", Target.score(75)),
        ("score 62.5", Target.score(62.5)),
        ("quality 80", Target.quality(80)),
        ("120 kB", Target.bytes(120_000)),
        ("1 MiB", Target.bytes(2**20)),
    ],
)
def test_a_target_is_written_in_words(text, target):
    """A score, a quality or bytes."""
    assert Target.parse(text) == target


def test_in_a_process_of_its_own_it_is_the_same(source, tmp_path):
    """From bytes and from a file."""
    file = tmp_path / "photo.png"
    file.write_bytes(source)
    here = optimize(source, format="webp", width=200, target=Target.score(70))
    for one in (source, file):
        there = optimize_isolated(one, format="webp", width=200, target=Target.score(70))
        assert there.data == here.data
        assert (there.score, there.quality) == (here.score, here.quality)


def test_a_process_of_its_own_tells_what_is_wrong(source, tmp_path):
    """What is refused, what cannot be reached, and what takes too much, with the file's name."""
    file = tmp_path / "upload.png"
    file.write_bytes(png(64, 64, body=b"no pixels"))
    with pytest.raises(ImageError, match=r"upload\.png"):
        optimize_isolated(file)
    with pytest.raises(ImageTooLarge):
        optimize_isolated(png(50_000, 50_000))
    with pytest.raises(ImageError, match="does not come up to 40 bytes"):
        optimize_isolated(source, format="webp", target=Target.bytes(40))
    with pytest.raises(TimeLimit):
        optimize_isolated(source, limits=Limits(cpu_s=0.001))
    with pytest.raises(ImageError, match=r"memory|ended the process"):
        optimize_isolated(source, memory_bytes=1_000_000)


@pytest.mark.skipif("sys.platform == 'win32'", reason="no limits there")
def test_a_bomb_within_the_limits_is_ended_by_the_system():
    """Thousands of scans are decoded in one call of C, which only the system can end."""
    bomb = many_scans(3000, side=3000)
    with pytest.raises(TimeLimit, match="was ended"):
        optimize_isolated(bomb, limits=Limits(cpu_s=1, max_scans=10_000))
