"""The target `bundle`, on real wheels and source archives, whole and hostile."""

import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile

import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Where
from budgetguard.gate.side import Side
from budgetguard.gate.targets import bundle
from budgetguard.gate.targets.bundle import archives, encoding

TEXT = b"".join(b"export const name%d = 'value %d';\n" % (i, i * 7919) for i in range(500))


def read(folder, entries, *limits):
    """One round of a budget, as {(selector, metric): reading}."""
    budget = Budget(
        name="app",
        target="bundle",
        limits=tuple(parse_limit(limit, bundle.METRICS) for limit in limits),
        where=Where("budgetguard.yml"),
        options=bundle.BundleOptions(tuple(entries)),
    )
    with bundle.BundleJob((budget,)).start(Side("head", folder, "python")) as probe:
        readings = probe.round([budget])
    return {(point.selector, point.metric): reading for point, reading in readings.items()}


def whole(folder, entry, limit="raw <= 1 GB"):
    """The one reading of the whole that a single limit asks for."""
    ((_, reading),) = read(folder, [entry], limit).items()
    return reading


def names(folder, *entries):
    """The parts of a bundle."""
    return sorted(name for name, _ in read(folder, entries, "* raw <= 1 GB") if name)


def wheel(path, members):
    """A zip with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)


def sdist(path, members):
    """A compressed tar with these members; a `TarInfo` is added as it stands."""
    with tarfile.open(path, "w:gz") as opened:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else b""
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("kind", ["app-1.0-py3-none-any.whl", "app-1.0.tar.gz"])
def test_of_an_archive_the_whole_is_the_download_and_the_parts_are_its_members(tmp_path, kind):
    """raw of the whole is the archive's own size; a member counts unpacked, or compressed by us."""
    members = {"app/__init__.py": TEXT, "app/data.bin": os.urandom(3000), "app/empty.py": b""}
    (tmp_path / "dist").mkdir()
    (wheel if kind.endswith("whl") else sdist)(tmp_path / "dist" / kind, members)
    size_bytes = (tmp_path / "dist" / kind).stat().st_size
    pattern = "dist/*" + (".whl" if kind.endswith("whl") else ".tar.gz")
    limits = ("raw <= 1 MB", "files <= 3", "app/* raw <= 1 MB", "*__init__.py gzip <= 1 MB")
    readings = read(tmp_path, [pattern], *limits)
    assert {key: reading.value for key, reading in readings.items()} == {
        ("", "raw"): size_bytes,
        ("", "files"): 3,
        ("app/__init__.py", "raw"): len(TEXT),
        ("app/data.bin", "raw"): 3000,
        ("app/empty.py", "raw"): 0,
        ("app/__init__.py", "gzip"): len(gzip.compress(TEXT, 9, mtime=0)),
    }
    assert any(line.startswith("app/data.bin  3 kB") for line in readings["", "raw"].evidence)


def test_members_are_told_apart_by_their_archive(tmp_path):
    """Where a budget has more than one archive, names begin with the archive's path."""
    wheel(tmp_path / "a.whl", {"m.py": b"1"})
    wheel(tmp_path / "b.whl", {"m.py": b"12"})
    (tmp_path / "c.js").write_bytes(b"x")
    assert names(tmp_path, "*.whl", "c.js") == ["a.whl/m.py", "b.whl/m.py", "c.js"]
    assert names(tmp_path, ".") == ["a.whl", "b.whl", "c.js"]
    assert read(tmp_path, ["*.whl", "c.js"], "files <= 9")["", "files"].value == 3


def test_names_in_archives_are_only_names(tmp_path):
    """Path traversal, links, devices and folders: nothing is followed, nothing is written."""
    wheel(tmp_path / "a.whl", {"../../evil.py": b"1", "/etc/passwd": b"1", "d/": b"", "n\nl": b"1"})
    assert names(tmp_path, "a.whl") == ["../../evil.py", "/etc/passwd", "n\\nl"]
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("device")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    sdist(tmp_path / "a.tgz", {"../x.py": b"1", "link": link, "device": device})
    assert names(tmp_path, "a.tgz") == ["../x.py"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz", "a.whl"]


def _flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_broken_archives_are_errors(tmp_path):
    """Empty, cut, changed or no archive at all: named, and never a part of the truth."""
    (tmp_path / "no.whl").write_bytes(b"this is no zip")
    (tmp_path / "empty.tar.gz").write_bytes(b"")
    wheel(tmp_path / "cut.whl", {"a.py": TEXT})
    (tmp_path / "cut.whl").write_bytes((tmp_path / "cut.whl").read_bytes()[:-30])
    sdist(tmp_path / "cut.tgz", {"a.py": os.urandom(9000), "b.py": os.urandom(9000)})
    (tmp_path / "cut.tgz").write_bytes((tmp_path / "cut.tgz").read_bytes()[:9500])
    sdist(tmp_path / "sum.tgz", {"a.py": TEXT})
    _flip(tmp_path / "sum.tgz", -6)
    tar = io.BytesIO()
    sdist(tmp_path / "mid.tgz", {"a.py": b"1" * 512, "b.py": b"2" * 512})
    tar = bytearray(gzip.decompress((tmp_path / "mid.tgz").read_bytes()))
    tar[1024:1100] = b"\xff" * 76
    (tmp_path / "mid.tgz").write_bytes(gzip.compress(tar))
    for name in ("no.whl", "empty.tar.gz", "cut.whl", "cut.tgz", "sum.tgz", "mid.tgz"):
        told = whole(tmp_path, name).error
        assert f"{name}: cannot be read as an archive (" in told, name
        assert "build it again" in told


def test_a_damaged_or_locked_member_is_an_error_of_its_own(tmp_path):
    """A checksum that does not fit, or a password: that part has the error, the others do not."""
    wheel(tmp_path / "a.whl", {"good.py": TEXT, "bad.py": TEXT, "locked.py": b"x" * 99})
    with zipfile.ZipFile(tmp_path / "a.whl") as opened:
        bad, locked = opened.getinfo("bad.py"), opened.getinfo("locked.py")
    _flip(tmp_path / "a.whl", bad.header_offset + 30 + len("bad.py") + bad.compress_size // 2)
    data = bytearray((tmp_path / "a.whl").read_bytes())
    data[locked.header_offset + 6] |= 1
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    (tmp_path / "a.whl").write_bytes(data)
    readings = read(tmp_path, ["a.whl"], "*.py raw <= 1 MB", "raw <= 1 MB")
    assert readings["good.py", "raw"].value == len(TEXT)
    assert "bad.py: cannot be read as an archive (" in readings["bad.py", "raw"].error
    assert "locked.py: " in readings["locked.py", "raw"].error
    assert "password" in readings["locked.py", "raw"].error
    assert not readings["", "raw"].error


def test_archives_that_unpack_without_bound_are_refused(tmp_path, monkeypatch):
    """A member or a sum beyond the bound, too many members, a name twice: refused before unpacking."""
    monkeypatch.setattr(archives, "LARGEST_MEMBER_BYTES", 100_000)
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE_BYTES", 150_000)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5)
    wheel(tmp_path / "bomb.whl", {"zeros": b"\0" * 100_001})
    wheel(tmp_path / "sum.whl", {"a": b"\0" * 90_000, "b": b"\0" * 90_000})
    wheel(tmp_path / "many.whl", {str(i): b"" for i in range(6)})
    with zipfile.ZipFile(tmp_path / "2.whl", "w") as opened:
        opened.writestr("twice", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            opened.writestr("twice", b"2")
    assert "zeros unpacks to over 1 GiB" in whole(tmp_path, "bomb.whl").error
    assert "all to over 4 GiB" in whole(tmp_path, "sum.whl").error
    assert "holds over 5 files" in whole(tmp_path, "many.whl").error
    assert "holds twice twice" in whole(tmp_path, "2.whl").error


def test_a_header_of_gigabytes_is_not_read_into_memory(tmp_path):
    """A tar whose extended header, or whose member, claims gigabytes is refused at once."""
    for kind, name in ((tarfile.XHDTYPE, "pax.tgz"), (tarfile.REGTYPE, "size.tgz")):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 6 << 30
        with gzip.open(tmp_path / name, "wb") as stream:
            stream.write(info.tobuf(tarfile.GNU_FORMAT))
            stream.write(b"\0" * (100 << 20))
        tracemalloc.start()
        try:
            assert f"{name}: " in whole(tmp_path, name).error
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()


def test_the_slow_encoders_have_their_bound_in_archives_too(tmp_path, monkeypatch):
    """A member that is too large for brotli says so, and its raw size is read."""
    monkeypatch.setattr(bundle.reading, "SLOW_ENCODER_BYTES", 1000)
    wheel(tmp_path / "a.whl", {"big.py": TEXT})
    readings = read(tmp_path, ["a.whl"], "big.py brotli <= 1 MB", "big.py raw <= 1 MB")
    assert "limit raw or gzip" in readings["big.py", "brotli"].error
    assert readings["big.py", "raw"].value == len(TEXT)
    assert encoding.SLOW_ENCODER_BYTES == 64_000_000
