"""Files replaced whole or not at all."""

import subprocess
import sys
import tempfile
from pathlib import Path

from budgetguard.atomic import replace_text

WRITE = "import sys; from pathlib import Path; from budgetguard.atomic import replace_text\n"


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WRITE + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_writes_and_leaves_nothing_else(tmp_path):
    """The new content is there, and no other file is."""
    replace_text(tmp_path / "a.json", "é\n")

    assert (tmp_path / "a.json").read_bytes() == "é\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_full_disk_leaves_the_old_file(tmp_path):
    """Where the new content does not fit, the old file stays whole and nothing is left behind."""
    file = tmp_path / "a.json"
    file.write_text("old")
    finished = run(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: replace_text(Path(sys.argv[1]), 'x' * 100_000)\n"
        "except OSError as error: sys.exit(error.strerror)\n",
        file,
    )

    assert "File too large" in finished.stderr
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    """A process that dies between write and replacement leaves the old file whole, and only it."""
    file = tmp_path / "a.json"
    file.write_text("old")
    finished = run(
        "import os, signal\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_text(Path(sys.argv[1]), 'new')\n",
        file,
    )

    assert finished.returncode == -9
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_file_system_without_unnamed_files(tmp_path, monkeypatch):
    """Where a file needs a name from the start the same holds, save for a kill."""
    monkeypatch.setattr("budgetguard.atomic._HANDLES", tmp_path / "none")
    replace_text(tmp_path / "a.json", "one")
    replace_text(tmp_path / "a.json", "two")

    assert (tmp_path / "a.json").read_text() == "two"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_two_writers_leave_one_whole_file(tmp_path):
    """Of two processes that write at once one wins whole; their contents never mix."""
    file = tmp_path / "a.json"
    code = WRITE + "for _ in range(50): replace_text(Path(sys.argv[1]), sys.argv[2] * 50_000)"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(file), letter]) for letter in "ab"]
    for writer in writers:
        assert writer.wait(timeout=60) == 0

    assert file.read_text() in ("a" * 50_000, "b" * 50_000)
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_keeps_permissions_and_follows_links(tmp_path):
    """The file behind a link is replaced, with the permissions it had."""
    file = tmp_path / "real.json"
    file.write_text("old")
    file.chmod(0o600)
    (tmp_path / "link.json").symlink_to(file)
    replace_text(tmp_path / "link.json", "new")

    assert (tmp_path / "link.json").is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_read_only_file_is_refused():
    """A file that a person made read-only is not replaced, though its folder could be written."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.json")
        file.write_text("old")
        file.chmod(0o444)
        Path(folder).chmod(0o777)
        finished = run(
            "import os\n"
            "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "replace_text(Path(sys.argv[1]), 'new')\n",
            file,
        )

        assert "it is read-only" in finished.stderr
        assert file.read_text() == "old"


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    """Stray bytes of a file name are written as an escape that JSON reads back."""
    replace_text(tmp_path / "a.json", '"\udc80"')

    assert (tmp_path / "a.json").read_text() == r'"\udc80"'
