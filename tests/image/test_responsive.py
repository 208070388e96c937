"""One picture in many widths: what is written, what HTML says, and what a manifest keeps."""

import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from budgetguard.errors import UsageError
from budgetguard.image import Target, decode, inspect, responsive, ssimulacra2
from budgetguard.image.errors import ImageError, UnsafePath
from budgetguard.image.markup import Markup
from budgetguard.image.responsive import ladder, safe_name, within

from .made import photo, saved

LOW = Target.score(55)


@pytest.fixture(scope="module")
def source():
    return saved(photo(400, 300), "PNG")


@pytest.fixture(scope="module")
def found(source):
    return responsive(source, name="fox", widths=(320, 100, 200, 640), target=LOW)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_every_width_is_there_in_every_format(found):
    """From narrow to wide, the source's own for what lies beyond it; each comes up to the target."""
    sizes = {one.format: [] for one in found.variants}
    for one in found.variants:
        sizes[one.format].append((one.width_px, one.height_px))
        assert one.score >= 55
        with Image.open(io.BytesIO(one.data)) as image:
            assert image.size == (one.width_px, one.height_px)
    assert list(sizes) == ["avif", "webp", "jpeg"]
    assert set(map(tuple, sizes.values())) == {((100, 75), (200, 150), (320, 240), (400, 300))}


def test_a_width_of_a_width_is_as_good_as_one_of_the_source(source):
    """The cascade saves most of the resizing, and nobody sees it."""
    import numpy as np

    picture = decode(source)
    for one in ladder(picture, (50, 100, 200)):
        direct = picture.still.resize(one.size, Image.Resampling.LANCZOS)
        assert ssimulacra2(np.asarray(direct), np.asarray(one.still)) > 90


def test_the_html_names_every_file(found, tmp_path):
    """What is in it is what was written, with its size; text from outside stays text."""
    written = {file.name for file in found.write(tmp_path)}
    html = found.markup.picture(alt='"><script>', sizes='50vw"', prefix="/img/", css_class="wide")
    assert "<script" not in html
    tags = Tags(html).found
    assert [tag for tag, _ in tags] == ["picture", "source", "source", "img"]
    named = set()
    for tag, told in tags[1:]:
        for part in told["srcset"].split(", "):
            url, width = part.split()
            assert url.startswith("/img/")
            named.add(url.removeprefix("/img/"))
            assert inspect(tmp_path / url.removeprefix("/img/")).width_px == int(width[:-1])
        assert told["sizes"] == '50vw"'
        if tag == "source":
            assert told["type"] in ("image/avif", "image/webp")
    assert named == written
    img = tags[-1][1]
    assert (img["width"], img["height"], img["alt"]) == ("400", "300", '"><script>')
    assert (img["loading"], img["decoding"], img["class"]) == ("lazy", "async", "wide")
    assert img["style"].startswith("background:#")


def test_what_is_seen_first_is_loaded_first(found):
    """No lazy loading, a high priority and a link for the head."""
    img = Tags(found.markup.picture(alt="", lazy=False)).found[-1][1]
    assert (img["loading"], img["fetchpriority"], img["alt"]) == ("eager", "high", "")
    [(tag, link)] = Tags(found.markup.preload_link(sizes="50vw")).found
    assert (tag, link["rel"], link["as"], link["type"]) == (
        "link",
        "preload",
        "image",
        "image/avif",
    )
    assert link["imagesrcset"].count(".avif") == 4


def test_the_manifest_makes_the_same_html(found):
    """Through JSON and back."""
    manifest = json.loads(json.dumps(found.manifest()))
    assert Markup.of_manifest(manifest).picture(alt="x") == found.markup.picture(alt="x")
    assert manifest["variants"][0]["etag"] == found.variants[0].etag


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told.clear(),
        lambda told: told.update(variants=[]),
        lambda told: told.update(variants=7),
        lambda told: told["variants"][0].update(format="exe"),
        lambda told: told["placeholder"].update(color="red;background:url(//evil)"),
        lambda told: told["placeholder"].update(text="data:image/webp;base64,AA);x:url(//evil"),
        lambda told: told["placeholder"].update(kind="script"),
    ],
)
def test_what_is_no_manifest_makes_no_html(found, spoil):
    """Neither a missing part nor one that would leave its place in a style."""
    manifest = json.loads(json.dumps(found.manifest()))
    spoil(manifest)
    with pytest.raises(UsageError, match="no manifest"):
        Markup.of_manifest(manifest)


def test_what_is_transparent_has_a_png_and_no_background():
    """A JPEG cannot hold it, and a placeholder would be seen through it for good."""
    image = photo(120, 90).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((120, 90)))
    found = responsive(saved(image, "PNG"), widths=(60,), target=LOW)
    assert found.markup.formats == ("avif", "webp", "png")
    assert "style" not in found.markup.picture(alt="x")


def test_names_follow_contents(source):
    """Another content has another name; the same has the same, so that a cache may keep it for good."""
    one, same = (
        responsive(source, name="a b/ü", widths=(60,), formats=["avif"], target=LOW) for _ in "12"
    )
    other = responsive(
        source, name="a b/ü", widths=(60,), formats=["avif"], target=Target.score(70)
    )
    names = [each.file_name(each.variants[0]) for each in (one, same, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("a-b-60.")


@pytest.mark.parametrize("name", ["", "..", "/", "...", "***"])
def test_a_name_of_nothing_is_refused(name):
    """Letters or digits have to be left of it."""
    with pytest.raises(UnsafePath):
        safe_name(name)


def test_no_path_leaves_its_folder(tmp_path):
    """Neither by dots nor by a link that somebody has laid."""
    assert safe_name("../../etc/passwd") == "etc-passwd"
    for name in ("../out.webp", "a/b.webp", "/etc/x.webp"):
        with pytest.raises(UnsafePath):
            within(tmp_path, name)
    (tmp_path / "link.webp").symlink_to(Path("/etc/hostname"))
    with pytest.raises(UnsafePath):
        within(tmp_path, "link.webp")


def test_no_width_and_no_format_are_told(source):
    """Before anything is encoded."""
    with pytest.raises(UsageError, match="expected at least one"):
        responsive(source, widths=())
    frames = [photo(40, 30, seed) for seed in range(3)]
    animated = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40)
    with pytest.raises(ImageError, match="none of jpeg can hold it"):
        responsive(animated, formats=["jpeg"])
