"""The target `bundle`, on real files and folders."""

import gzip
import json
import os
import socket
import sys
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Point, Request, Where
from budgetguard.gate.section import Node, Problems, Section
from budgetguard.gate.side import Side
from budgetguard.gate.targets import bundle
from budgetguard.gate.targets.base import Target
from budgetguard.gate.targets.bundle import finding

AS_TARGET: Target = bundle
TEXT = b"".join(b"export const name%d = 'value %d';\n" % (i, i * 7919) for i in range(500))


def parsed(folder, entries):
    """The options and problems of a budget with these entries."""
    listed = [Node(entry, 3) for entry in entries] if isinstance(entries, list) else entries
    problems = Problems("budgetguard.yml")
    node = Node({"bundle": Node(listed, 2)}, 1)
    options = bundle.parse(Section(node, "budgets.app", problems, folder))
    return options, problems.found


def read(folder, entries, *limits):
    """One round of a budget, as {(selector, metric): reading}."""
    options, problems = parsed(folder, entries)
    assert problems == []
    budget = Budget(
        name="app",
        target="bundle",
        limits=tuple(parse_limit(limit, bundle.metrics(options)) for limit in limits),
        where=Where("budgetguard.yml"),
        options=options,
    )
    (job,) = bundle.plan([budget], Request(), folder)
    with job.start(Side("head", folder, sys.executable)) as probe:
        readings = probe.round(list(probe.budgets()))
    assert all(point.budget == "app" for point in readings)
    json.dumps([list(point) for point in readings], ensure_ascii=False).encode()  # as reports do
    return {(point.selector, point.metric): reading for point, reading in readings.items()}


def whole(folder, entries, limit="raw <= 1 GB"):
    """The one reading of the whole that a single limit asks for."""
    readings = read(folder, entries, limit)
    ((_, reading),) = readings.items()
    return reading


def names(folder, entries):
    """The parts of a bundle."""
    return sorted(name for name, _ in read(folder, entries, "* raw <= 1 GB") if name)


def write(folder, *paths, content=b"x"):
    """Files with this content below a folder."""
    for path in paths:
        target = Path(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def test_the_whole_is_the_sum_of_files_compressed_one_by_one(tmp_path):
    """raw, gzip, brotli, zstd and files of two files, equal to what the encoders give."""
    write(tmp_path, "dist/a.js", content=TEXT)
    write(tmp_path, "dist/b.js", content=TEXT[:700])
    limits = [f"{name} <= 1 MB" for name in ("raw", "gzip", "brotli", "zstd")]
    readings = read(tmp_path, "dist/*.js", *limits, "files <= 2")
    values = {metric: reading.value for (_, metric), reading in readings.items()}
    contents = (TEXT, TEXT[:700])
    assert values == {
        "raw": len(TEXT) + 700,
        "gzip": sum(len(gzip.compress(text, 9, mtime=0)) for text in contents),
        "brotli": sum(len(brotli.compress(text, quality=11)) for text in contents),
        "zstd": sum(
            len(c.compress(t) + c.flush())
            for t in contents
            for c in [zstandard.ZstdCompressor(level=19).compressobj(size=len(t))]
        ),
        "files": 2,
    }
    made = {metric: reading.made_with for (_, metric), reading in readings.items()}
    assert made["gzip"] == f"zlib {zlib.ZLIB_RUNTIME_VERSION} level 9"
    assert made["brotli"] == f"brotli {brotli.__version__} quality 11"
    assert made["zstd"].startswith("zstd 1.")
    assert made["raw"] == made["files"] == ""


def test_evidence_names_the_largest_files(tmp_path):
    """At most five files, the largest first, with their share of the whole."""
    for size in range(1, 8):
        write(tmp_path, f"dist/{size}.js", content=b"x" * size * 1000)
    write(tmp_path, f"dist/{'d' * 200}/9.js", content=b"x" * 72_000)
    evidence = whole(tmp_path, "dist").evidence
    assert len(evidence) == 5
    assert evidence[0].startswith("…ddd")
    assert evidence[0].endswith("/9.js  72 kB (72 %)")
    assert evidence[1] == "dist/7.js  7 kB (7 %)"
    assert all(len(line) < 100 for line in evidence)


def test_each_part_a_selector_means_has_its_own_reading(tmp_path):
    """Hashed names are matched by a glob, and only the metric that was asked for is read."""
    write(tmp_path, "dist/index-a1.js", "dist/index-b2.js", content=TEXT)
    write(tmp_path, "dist/vendor-c3.js")
    readings = read(tmp_path, "dist", "dist/index-*.js gzip <= 20 kB", "raw <= 1 MB")
    assert set(readings) == {
        ("dist/index-a1.js", "gzip"),
        ("dist/index-b2.js", "gzip"),
        ("", "raw"),
    }
    one = read(tmp_path, "dist", "dist/vendor-c3.js files <= 1", "nothing* raw <= 1 kB")
    assert {key: reading.value for key, reading in one.items()} == {
        ("dist/vendor-c3.js", "files"): 1
    }


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ("a", ["a/.hidden", "a/b/c/deep.js", "a/b/mid.js", "a/top.js"]),
        ("./a/../a/b/", ["a/b/c/deep.js", "a/b/mid.js"]),
        ("a/*", ["a/top.js"]),
        ("a/.*", ["a/.hidden"]),
        ("a/**", ["a/b/c/deep.js", "a/b/mid.js", "a/top.js"]),
        ("**/*.js", ["a/b/c/deep.js", "a/b/mid.js", "a/top.js", "p/[slug].js"]),
        ("a/**/**/**/deep.js", ["a/b/c/deep.js"]),
        ("a/*/*.js", ["a/b/mid.js"]),
        ("a/?op.[jt]s", ["a/top.js"]),
        ("*/[[]slug].js", ["p/[slug].js"]),
        ("p/[slug].js", ["p/[slug].js"]),
        (["a/top.js", "a/*.js", "a/./top.js"], ["a/top.js"]),
        (["p", "a/b/mid.js"], ["a/b/mid.js", "p/[slug].js"]),
    ],
)
def test_entries_are_files_folders_and_globs(tmp_path, entries, found):
    """Every kind of entry finds its files, each once; an existing name wins over a glob."""
    write(tmp_path, "a/top.js", "a/.hidden", "a/b/mid.js", "a/b/c/deep.js", "p/[slug].js")
    assert names(tmp_path, entries) == found


def test_a_path_may_leave_the_folder_and_an_absolute_one_is_noted(tmp_path):
    """`..` is allowed; an absolute path is measured and its trouble noted."""
    write(tmp_path, "shared/x.js")
    (tmp_path / "project").mkdir()
    assert names(tmp_path / "project", "../shared") == ["../shared/x.js"]
    reading = whole(tmp_path / "project", f"{tmp_path}/shared/*.js")
    assert reading.value == 1
    assert "every checkout measures this same place" in reading.note


def test_an_entry_that_matches_nothing_is_an_error_of_its_own(tmp_path):
    """A missing build is never 0 bytes; every empty entry is named with the next step."""
    write(tmp_path, "dist/app.js")
    (tmp_path / "empty").mkdir()
    readings = read(tmp_path, ["dist/*.css", "dist/app.js", "empty", "gone.js"], "raw <= 1 kB")
    ((key, reading),) = readings.items()
    assert key == ("", "")
    for entry in ("dist/*.css", "empty", "gone.js"):
        assert f"`{entry}` matches no file under {tmp_path}; build it first, or fix the path" in (
            reading.error
        )
    assert "dist/app.js" not in reading.error
    assert "one entry for each" in whole(tmp_path, "dist/*.{js,css}").error
    assert "`dist**`" not in whole(tmp_path, "*").error
    assert "`**` goes below folders too" in whole(tmp_path, "*").error


def test_entries_that_cannot_be_paths_are_problems(tmp_path):
    """A NUL character, nothing, or a mapping is told where it stands."""
    for entries in ("a\0b", [], [""], {"a": Node("b")}):
        _, problems = parsed(tmp_path, entries)
        assert len(problems) == 1
        assert problems[0].startswith("budgetguard.yml:2 budgets.app.bundle: expected ")


def test_link_loops_end_and_links_to_files_count(tmp_path):
    """A folder link is followed where an entry names it, never below; a file link counts by name."""
    write(tmp_path, "real/a.js", content=b"12345")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "copy.js").symlink_to("a.js")
    (tmp_path / "dist").symlink_to("real")
    assert names(tmp_path, "real") == ["real/a.js", "real/copy.js"]
    assert names(tmp_path, "real/**") == names(tmp_path, "real")
    assert names(tmp_path, "**/*.js") == names(tmp_path, "real")
    assert names(tmp_path, "dist") == ["dist/a.js", "dist/copy.js"]
    assert names(tmp_path, "real/*/a.js") == ["real/loop/a.js"]
    assert whole(tmp_path, "real").value == 10


@pytest.mark.parametrize("target", ["nowhere.js", "self.js"])
def test_a_link_that_leads_nowhere_is_an_error(tmp_path, target):
    """A broken link, or one to itself, is not left out silently."""
    write(tmp_path, "dist/a.js")
    (tmp_path / "dist" / "self.js").symlink_to(target)
    assert "dist/self.js: " in whole(tmp_path, "dist").error


def test_special_files_are_errors_and_never_block(tmp_path, monkeypatch):
    """A pipe, a socket or a device is named; nothing waits for its content."""
    write(tmp_path, "dist/a.js")
    os.mkfifo(tmp_path / "dist" / "pipe.js")
    assert "dist/pipe.js: is a named pipe" in whole(tmp_path, "dist", "gzip <= 1 kB").error
    assert "/dev/zero: is a device" in whole(tmp_path, "/dev/zero", "gzip <= 1 kB").error
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the address of a socket is short
        server.bind("sock")
        assert "sock: is a socket" in whole(tmp_path, "sock").error


def test_a_file_that_became_a_pipe_never_blocks(tmp_path):
    """What is replaced between finding and reading is refused."""
    write(tmp_path, "a.js")
    (found,) = finding.find(["a.js"], tmp_path).files
    (tmp_path / "a.js").unlink()
    os.mkfifo(tmp_path / "a.js")
    with pytest.raises(finding.MeasureError, match="no regular file any more"):
        with bundle.reading.open_regular(found):
            pass


def test_a_file_that_vanishes_or_changes_is_an_error_of_its_own(tmp_path):
    """Found but gone, or of another length: named, and the other files keep their readings."""
    write(tmp_path, "a.js", "b.js", "c.js", content=TEXT)
    found = finding.find(["*.js"], tmp_path)
    (tmp_path / "a.js").unlink()
    (tmp_path / "b.js").write_bytes(TEXT + b"more")
    options, _ = parsed(tmp_path, "*.js")
    limits = tuple(parse_limit(f"{s}zstd <= 1 MB", bundle.METRICS) for s in ("", "? ", "*.js "))
    budget = Budget(name="app", target="bundle", limits=limits, where=Where(""), options=options)
    readings = bundle.read(budget, found)
    assert "a.js: vanished while it was measured" in readings[Point("app", "a.js", "zstd")].error
    assert f"b.js: is not the {len(TEXT)} bytes" in readings[Point("app", "b.js", "zstd")].error
    assert readings[Point("app", "c.js", "zstd")].value > 0
    reading = readings[Point("app", "", "zstd")]
    assert reading.error.startswith("a.js: ")
    assert reading.evidence[0].startswith("b.js: ")


@pytest.mark.skipif(os.name == "nt", reason="there are no modes to take away")
def test_what_may_not_be_read_is_an_error():
    """An unreadable file or folder is named, with the next step; root looks as nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, "dist/a.js", "dist/closed/b.js")
        (folder / "dist" / "a.js").chmod(0)
        (folder / "dist" / "closed").chmod(0)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            alone = whole(folder, "dist/a.js", "gzip <= 1 kB").error
            closed = [whole(folder, entry).error for entry in ("dist", "dist/**/b.js")]
            below = whole(folder, "dist/closed/b.js").error
        finally:
            if root:
                os.seteuid(0)
            (folder / "dist" / "closed").chmod(0o755)
    assert alone.startswith("dist/a.js: cannot be read: Permission denied; allow reading it")
    assert all(": cannot be read: Permission denied" in told for told in [*closed, below])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_strange_names_are_shown_escaped_on_one_line(tmp_path):
    """Line breaks, bytes that are not UTF-8, escapes and backslashes cannot harm a report."""
    for name in (
        b"new\nline.js",
        b"caf\xe9.js",
        b"\x1b[31mred.js",
        b"back\\slash.js",
        "ü b.js".encode(),
    ):
        write(tmp_path, os.fsdecode(b"dist/" + name))
    assert names(tmp_path, "dist") == [
        "dist/\\x1b[31mred.js",
        "dist/back\\\\slash.js",
        "dist/caf\\xe9.js",
        "dist/new\\nline.js",
        "dist/ü b.js",
    ]
    evidence = whole(tmp_path, "dist").evidence
    assert all(line.isprintable() for line in evidence)
    assert whole(tmp_path, "dist/caf?.js").value == 1


def test_a_three_gigabyte_file_is_measured_at_once(tmp_path, monkeypatch):
    """raw of a sparse file needs no reading; brotli and zstd are refused with the reason."""
    opened = []
    real = os.open
    with (tmp_path / "big.bin").open("wb") as stream:
        stream.truncate(3_000_000_000)
    monkeypatch.setattr(os, "open", lambda *args: opened.append(args[0]) or real(*args))
    readings = read(tmp_path, "big.bin", "raw <= 4 GB", "brotli <= 1 GB", "zstd <= 1 GB")
    assert opened == []
    assert readings["", "raw"].value == 3_000_000_000
    for metric in ("brotli", "zstd"):
        told = readings["", metric].error
        assert f"big.bin: is 3 GB, and {metric} is read up to 64 MB per file" in told


def test_compression_needs_no_more_memory_for_larger_files(tmp_path):
    """A file is read in pieces, whatever its size."""
    with (tmp_path / "big.bin").open("wb") as stream:
        stream.truncate(150_000_000)
    tracemalloc.start()
    try:
        reading = whole(tmp_path, "big.bin", "gzip <= 1 MB")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < reading.value < 1_000_000
    assert peak_bytes < 8 << 20


def test_only_the_encoders_that_limits_ask_for_are_needed(tmp_path, monkeypatch):
    """Without brotli installed, a brotli limit names the pip command and gzip is still read."""
    write(tmp_path, "a.js", content=TEXT)
    monkeypatch.setitem(sys.modules, "brotli", None)
    readings = read(tmp_path, "a.js", "gzip <= 1 MB", "brotli <= 1 MB", "a.js brotli <= 1 MB")
    assert readings["", "gzip"].value > 0
    for selector in ("", "a.js"):
        assert "pip install 'pytest-budgetguard[bundle]'" in readings[selector, "brotli"].error


def test_wide_bundles_are_found_in_one_walk(tmp_path):
    """Each folder is listed once for a glob and once for a folder: no work grows with the square."""
    write(tmp_path, *(f"dist/{i % 20}/{i}.js" for i in range(2000)))
    scanned = []
    real = os.scandir

    def counted(path):
        scanned.append(path)
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", counted)
        assert whole(tmp_path, "dist", "files <= 2000").value == 2000
        assert whole(tmp_path, "dist/**/*.js", "raw <= 1 MB").value == 2000
    assert len(scanned) <= 21 + 2 * 21


def test_a_bundle_has_a_bound(tmp_path, monkeypatch):
    """An entry such as / ends with an error instead of a walk without end."""
    monkeypatch.setattr(finding, "MOST_FILES", 3)
    write(tmp_path, *(f"dist/{i}.js" for i in range(5)))
    assert "`dist` matches over 3 files" in whole(tmp_path, "dist").error
