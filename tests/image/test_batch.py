"""Many pictures: bounded, collected, and gone on with."""

import threading
import time

import pytest

from budgetguard.image import Batch, Target, optimize
from budgetguard.image.batch import BYTES_PER_PIXEL
from budgetguard.image.errors import ImageError, UnsafePath
from budgetguard.image.folder import LEDGER, ImageFolder, below, pictures_in

from .made import photo, png, saved

SMALL = saved(photo(64, 48), "PNG")


def test_errors_are_collected_and_results_are_in_order():
    """One that is refused does not stop the others; whatever is no picture's fault does."""
    sources = [SMALL, b"nonsense", saved(photo(32, 32), "PNG"), png(50_000, 50_000)]
    seen = []
    report = Batch(workers=2).run(sources, len, on_done=seen.append)
    assert [one.result for one in report.done] == [len(SMALL), None, len(sources[2]), None]
    assert [type(one.error).__name__ for one in report.errors] == [
        "UnsupportedFormat",
        "ImageTooLarge",
    ]
    assert sorted(map(id, seen)) == sorted(map(id, report.done))
    assert not report.cancelled
    with pytest.raises(ZeroDivisionError):
        Batch(workers=2).run([SMALL] * 5, lambda one: 1 / 0)


@pytest.mark.parametrize(("share", "most"), [(1.5, 1), (2.5, 2), (9.0, 4)])
def test_no_more_run_than_the_memory_holds(share, most):
    """By their pixels, and never more than workers."""
    lock, now, highest = threading.Lock(), 0, 0

    def work(_):
        nonlocal now, highest
        with lock:
            now += 1
            highest = max(highest, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    need = 8 * 2**20 + len(SMALL) + BYTES_PER_PIXEL * 64 * 48
    report = Batch(workers=4, memory_bytes=int(need * share)).run([SMALL] * 12, work)
    assert len(report.done) == 12
    assert highest == most


def test_one_that_is_larger_than_all_memory_is_an_error():
    """It would never be its turn."""
    report = Batch(memory_bytes=2**20).run([SMALL], lambda one: 1)
    assert "allow more memory" in str(report.errors[0].error)


def test_after_a_cancel_none_is_begun():
    """Those under way are waited for."""
    stop = threading.Event()
    report = Batch(workers=1).run(
        [SMALL] * 9, lambda one: 1, on_done=lambda _: stop.set(), cancel=stop
    )
    assert (len(report.done), report.cancelled) == (1, True)


def test_threads_optimise_as_one_does():
    """The same bytes, whatever runs beside it."""
    sources = [saved(photo(96, 64, seed), "PNG") for seed in range(4)]

    def work(source):
        return optimize(source, format="webp", target=Target.score(60))

    together = Batch(workers=4).run(sources, work).results
    assert [one.data for one in together] == [work(source).data for source in sources]


def test_what_is_done_is_known(tmp_path):
    """By the source's content, the wish and the file that is there, whole."""
    source = tmp_path / "a.png"
    source.write_bytes(SMALL)
    out = tmp_path / "out"
    variant = optimize(source, format="webp", target=Target.score(60))
    folder = ImageFolder(out, "wish")
    assert not folder.has("a", source)
    file = folder.keep("a", "x" * 64, variant)
    assert not ImageFolder(out, "wish").has("a", source)
    import hashlib

    folder.keep("a", hashlib.sha256(SMALL).hexdigest(), variant)
    assert file == out / "a.webp"
    assert ImageFolder(out, "wish").has("a", source)
    assert not ImageFolder(out, "another wish").has("a", source)
    file.write_bytes(variant.data[:-1])
    assert not ImageFolder(out, "wish").has("a", source)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 1, "made": {"a": 7}}', b"\xff"]
)
def test_a_broken_ledger_makes_everything_anew(tmp_path, content):
    """Nothing of it is trusted, and nothing of the folder is lost."""
    (tmp_path / LEDGER).write_bytes(content)
    source = tmp_path / "a.png"
    source.write_bytes(SMALL)
    folder = ImageFolder(tmp_path / "", "wish")
    assert not folder.has("a", source)
    folder.keep("a", "x" * 64, optimize(source, format="png"))


def test_no_result_leaves_the_folder(tmp_path):
    """Not by a name with dots, not by a link."""
    for name in ("../a.webp", "/etc/a.webp", "."):
        with pytest.raises(UnsafePath):
            below(tmp_path, name)
    (tmp_path / "sub").symlink_to("/etc")
    with pytest.raises(UnsafePath):
        below(tmp_path, "sub/a.webp")


def test_names_of_results_are_apart(tmp_path):
    """a.jpg and a.png keep their endings; links out of a folder and results are passed over."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "b.PNG", "sub/a.gif", "notes.txt", "out/c.webp"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(SMALL)
    outside = tmp_path / "secret.png"
    outside.write_bytes(SMALL)
    (folder / "link.png").symlink_to(outside)
    found = pictures_in([folder], folder / "out")
    assert sorted(found) == ["a.jpg", "a.png", "b", "sub/a"]
    with pytest.raises(ImageError, match="two of the files have this name"):
        pictures_in([folder / "a.jpg", folder / "a.jpg"], tmp_path)
    with pytest.raises(ImageError, match="no such file or folder"):
        pictures_in([tmp_path / "none"], tmp_path)
