"""Bad input by the command line: told at once, with the place and the next step, and no traceback."""

import errno
import os
import pty
from pathlib import Path

import pytest

BUNDLE = "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 10 B]}\n"


@pytest.fixture
def heavy(project):
    """A bundle of 100 bytes with a limit of 10."""
    return project.write({"budgetguard.yml": BUNDLE, "dist/app.js": "a" * 100})


def test_no_configuration(project):
    """Without a configuration check says where it looked, and the command that writes one."""
    project.check().ends(2, "no budgetguard.yml", "budgetguard init")
    project.check("--config", "elsewhere.yml").ends(2, "elsewhere.yml")


def test_all_errors_of_a_configuration_at_once(project):
    """Each error stands on a line of its own with its line in the file, and nothing is measured."""
    project.write(
        {
            "budgetguard.yml": "version: 2\nbudgets:\n"
            "  app:\n    bundle: dist\n    limits: [raw <= 10, gzp <= 1 kB, raw >= 1 kB]\n"
            "  perf:\n    test: tests\n    limit: [queries <= 3]\n"
            "  both:\n    test: tests\n    command: ls\n    limits: [wall <= 1 s]\n"
            "  time:\n    command: ls\n    limits: [wall <= 1:30, null, wall <= baseline + 5%]\n"
            "  none:\n    bundel: dist\n    limits: [raw <= 1 kB]\n"
            "accepted:\n  - budget: app\n    limit: raw <= 2 kB\n    until: tomorrow\n"
        }
    )

    told = project.check()
    told.ends(2, "version: 1", "gzip", "raw >= 1 kB", "limits", "one target", "1:30", "bundle")
    places = ("yml:1 ", "yml:5 ", "yml:8 ", "yml:11", "yml:15", "yml:16", "yml:20")
    assert [place for place in places if f"budgetguard.{place}" not in told.err] == []
    assert told.out == ""


HOSTILE = {
    "a tag": "version: 1\nbudgets: !!python/object/apply:os.system [id]\n",
    "an alias bomb": "a: &a [x, x]\n"
    + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(40)),
    "a loop": "version: 1\nbudgets: &a\n  app: *a\n",
    "deep": "version: 1\nbudgets: " + "[" * 5000,
    "twice": "version: 1\nbudgets:\n  app: {bundle: a, limits: [raw <= 1 B]}\n"
    "  app: {bundle: b, limits: [raw <= 1 GB]}\n",
    "no text": "version: 1\nbudgets:\n  app\x00: {}\n",
    "a tab": "version: 1\nbudgets:\n\tapp: {}\n",
    "huge": "version: 1\nbudgets:\n  app: {bundle: a, limits: [raw <= " + "9" * 5000 + " B]}\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_configuration(project, text):
    """YAML that would run code, explode or hide a key is refused with the file's name."""
    project.write({"budgetguard.yml": text, "a": "a"}).check().ends(2, "budgetguard.yml")


def test_two_configurations(heavy):
    """budgetguard.yml and our table in pyproject.toml at once are an error."""
    heavy.write({"pyproject.toml": "[tool.budgetguard]\nversion = 1\n"})

    heavy.check().ends(2, "keep one of the two")


def test_a_report_that_cannot_be_written(heavy):
    """An unknown suffix is told before anything is measured; a broken path after, with its name."""
    heavy.check("--report", "budget.txt").ends(2, "budget.txt")
    heavy.write({"file": ""})
    heavy.check("--report", "file/budget.md").ends(2, "--report file/budget.md")
    heavy.check("--report", "/proc/budget.json").ends(2, "--report /proc/budget.json")
    (heavy.folder / "taken.md").mkdir()
    heavy.check("--report", "taken.md").ends(2, "taken.md")


def test_a_report_is_written_whole(heavy):
    """A red run writes its reports, too, and leaves nothing beside them."""
    heavy.check("--report", "out/budget.md", "--report", "budget.json").ends(
        1, "FAIL app raw <= 10 B"
    )

    assert "100 B" in (heavy.folder / "out/budget.md").read_text()
    assert '"FAIL"' in (heavy.folder / "budget.json").read_text()
    assert [file.name for file in (heavy.folder / "out").iterdir()] == ["budget.md"]


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "JSON"])
def test_a_reader_that_leaves_early(heavy, options):
    """A closed pipe changes neither the exit code nor ends in a traceback."""
    read, write = os.pipe()
    os.close(read)
    told = heavy.check(*options, stdout=write)
    os.close(write)

    assert (told.code, told.err) == (1, "")


def test_closed_streams(heavy):
    """Without any standard output or error the exit code still tells."""
    told = heavy.check(preexec_fn=lambda: [os.close(stream) for stream in (0, 1, 2)])

    assert told.code == 1


def test_no_colours_in_a_file(heavy):
    """Output that is no terminal has no escape, unless colours are forced."""
    assert "\x1b" not in heavy.check().out
    assert "\x1b[31m" in heavy.check(env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in heavy.check(env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out


def test_a_terminal(heavy):
    """A terminal has colours; NO_COLOR takes them away, and TERM=dumb as well."""
    assert "\x1b[31m" in _on_a_terminal(heavy, {"TERM": "xterm"})
    assert "\x1b" not in _on_a_terminal(heavy, {"TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b" not in _on_a_terminal(heavy, {"TERM": "dumb"})


def _on_a_terminal(project, env):
    """What check writes to a terminal."""
    ours, theirs = pty.openpty()
    told = project.check(env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            text += chunk
    except OSError as error:  # how a terminal says that its other end is closed
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(ours)
    assert told.code == 1
    return text.decode()


def test_an_ascii_locale(heavy):
    """A terminal that cannot show our signs gets others in their place."""
    heavy.write({"budgetguard.yml": BUNDLE.replace("10 B", "200 B")})
    told = heavy.check(env={"PYTHONIOENCODING": "ascii"})

    told.ends(0, "app raw 100 B of 200 B")
    assert told.out.isascii()


def test_names_that_no_text_can_hold(heavy):
    """File names with line breaks, escapes or bytes outside UTF-8 neither break a report nor colour it."""
    dist = os.fsencode(heavy.folder / "dist")
    for name in (b"\xff\xfe.js", b"\x1b[31mred.js", b"two\nlines.js", "\u202eevil.js".encode()):
        Path(os.fsdecode(dist + b"/" + name)).write_bytes(b"a" * 200)

    told = heavy.check("--report", "budget.md", "--report", "budget.json").ends(1, "FAIL app")
    assert "\x1b" not in told.out
    assert "\x1b" not in (heavy.folder / "budget.md").read_text()


@pytest.mark.parametrize(
    "arguments", [("chek",), ("check", "--strickt"), ("check", "--only", "lode")]
)
def test_a_misspelt_command_line(heavy, arguments):
    """What the command does not know ends in 2 and says what there is."""
    told = heavy.run("budgetguard", *arguments).ends(2)
    assert "check" in told.err or "--strict" in told.err
