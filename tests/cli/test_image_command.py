"""`budgetguard image`: what is written, told and refused."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from budgetguard.cli import run
from budgetguard.image import inspect
from tests.image.made import many_scans, photo, saved


@pytest.fixture
def shell(capsys, monkeypatch, tmp_path):
    """The command line, in a folder of its own with a photograph."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fox.png").write_bytes(saved(photo(160, 120), "PNG"))

    def command(*arguments):
        capsys.readouterr()
        code = run(["image", *map(str, arguments)])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return command


@pytest.mark.parametrize(
    "command", ["", "inspect", "optimize", "responsive", "batch", "picture", "compare"]
)
def test_help_shows_an_example(shell, command):
    """Each with its options."""
    told = shell(*([command] if command else []), "--help")
    assert told.code == 0
    assert f"budgetguard image {command}".strip() in told.out
    assert "Examples:" in told.out


def test_inspect_tells_each_and_ends_in_1_where_one_is_refused(shell, tmp_path):
    """By its header, whatever it is called."""
    (tmp_path / "bomb.jpg").write_bytes(many_scans(200))
    told = shell("inspect", "fox.png", "bomb.jpg")
    assert told.code == 1
    assert "fox.png: PNG · 160 x 120 px · RGB" in told.out
    assert "bomb.jpg: over 100 scans" in told.out
    assert "TooManyScans" in told.out
    listed = json.loads(shell("inspect", "fox.png", "bomb.jpg", "--json").out)
    assert (listed[0]["width_px"], listed[1]["refused"]) == (160, "TooManyScans")
    assert shell("inspect", "fox.png").code == 0


def test_optimize_writes_beside_its_source_and_over_nothing(shell, tmp_path):
    """Unless it is told to."""
    told = shell("optimize", "fox.png", "--format", "webp", "--target", "60")
    assert told.code == 0
    assert "fox.webp: 160 x 120" in told.out
    assert inspect(tmp_path / "fox.webp").format == "WEBP"
    again = shell("optimize", "fox.png", "--format", "webp")
    assert (again.code, again.out) == (2, "")
    assert "--force" in again.err
    assert shell("optimize", "fox.png", "--format", "webp", "--force").code == 0
    other = shell(
        "optimize",
        "fox.png",
        "-o",
        "x.jpg",
        "--format",
        "jpg",
        "--width",
        80,
        "--isolate",
        "--json",
    )
    plain = json.loads(other.out)
    assert (plain["format"], plain["width_px"]) == ("jpeg", 80)
    assert plain["bytes"] == (tmp_path / "x.jpg").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["optimize", "none.png"], 4, "none.png: no such file"),
        (["optimize", "fox.png", "--target", "nine"], 2, "--target"),
        (["optimize", "fox.png", "--format", "bmp"], 2, "'bmp' is no format"),
        (
            ["optimize", "fox.png", "--format", "webp", "--target", "40 B"],
            4,
            "does not come up to 40 bytes",
        ),
        (["responsive", "fox.png", "--into", "o", "--widths", "a,b"], 2, "whole numbers"),
        (["picture", "fox.png", "--alt", "x"], 2, "no JSON"),
        (["batch", "none", "--into", "o"], 4, "no such file or folder"),
        (["batch", "fox.png", "--into", "o", "--memory", "5 s"], 2, "expected a size"),
        (["optimise", "fox.png"], 2, "optimize"),
    ],
)
def test_a_mistake_is_one_sentence(shell, arguments, code, said):
    """Without a traceback, and nothing is written."""
    told = shell(*arguments)
    assert told.code == code
    assert said in told.err
    assert "Traceback" not in told.err


def test_responsive_writes_files_and_html_of_which_picture_makes_the_same(shell, tmp_path):
    """The manifest beside them is enough."""
    told = shell(
        "responsive", "fox.png", "--into", "out", "--widths", "80,160", "--target", "55",
        "--alt", "A fox", "--prefix", "/img/",
    )  # fmt: skip
    assert told.code == 0
    html = told.out[told.out.index("<picture>") :]
    assert len(list((tmp_path / "out").glob("fox-*"))) == 6
    assert shell("picture", "out/fox.json", "--alt", "A fox", "--prefix", "/img/").out == html
    first = shell("picture", "out/fox.json", "--alt", "", "--first", "--preload").out
    assert first.startswith('<link rel="preload"')


def test_compare_scores_and_writes_a_page(shell, tmp_path):
    """The larger one is made as small as the other; the page needs nothing but itself."""
    shell("optimize", "fox.png", "--format", "jpeg", "--target", "60", "--width", "100")
    told = shell("compare", "fox.png", "fox.jpg", "-o", "both.html", "--json")
    assert told.code == 0
    assert 55 < json.loads(told.out)["score"] < 75
    page = (tmp_path / "both.html").read_text()
    assert page.count("data:image/webp;base64,") == 2
    assert "http://" not in page
    assert "https://" not in page


def test_batch_goes_on_where_it_stopped(shell, tmp_path):
    """What is done is passed over; what is refused is told, and does not stop the others."""
    for number in range(3):
        (tmp_path / f"p{number}.png").write_bytes(saved(photo(64, 48, number), "PNG"))
    (tmp_path / "evil.jpg").write_bytes(b"<script>")
    arguments = ("batch", ".", "--into", "out", "--format", "webp", "--target", "55", "--jobs", 2)
    told = shell(*arguments)
    assert told.code == 1
    assert "4 made" in told.out
    assert "1 failed" in told.out
    again = shell(*arguments, "--json")
    plain = json.loads(again.out)
    assert (plain["passed_over"], [one["error"] for one in plain["done"]]) == (
        4,
        ["UnsupportedFormat"],
    )
    (tmp_path / "evil.jpg").unlink()
    assert shell(*arguments).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_that_is_ended_leaves_whole_files(tmp_path, end):
    """By Ctrl-C or by the system: what is there is whole, and the next run does the rest."""
    for number in range(12):
        (tmp_path / f"p{number}.png").write_bytes(saved(photo(320, 240, number), "PNG"))
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "budgetguard",
        "image",
        "batch",
        str(tmp_path),
        "--into",
        str(out),
    ]
    command += ["--format", "avif", "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        until = time.monotonic() + 60
        # with the second there, the first is in the ledger
        while len(list(out.glob("*.avif"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, end)
        process.communicate(timeout=60)
    assert process.returncode == (130 if end == signal.SIGINT else -9)
    done = list(out.glob("*.avif"))
    assert 0 < len(done) < 12
    for file in done:
        assert inspect(file).width_px == 320
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0
    assert "there already" in finished.stdout
    assert len(list(out.glob("*.avif"))) == 12
    assert not [file for file in out.iterdir() if file.name.endswith(".new")]
