"""The committed file is lost, broken, foreign, loosened or fought over: never green, never half-written."""

import json
import os
import resource

import pytest

CONFIG = "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= baseline, files <= 5]}\n"


@pytest.fixture
def bundle(project):
    """A bundle of 150 bytes that has 100 in its baseline: it is red as long as that is read."""
    project.write({"budgetguard.yml": CONFIG, "dist/app.js": "a" * 150})
    return project.recorded(("app", "raw", 100), ("app", "files", 1))


def test_the_yardstick_itself(bundle):
    """The bundle is over what was recorded."""
    bundle.check().ends(1, "FAIL app raw <= baseline", "150 B is over 100 B, +50.0 % from 100 B")


BROKEN = {
    "empty": (lambda text: "", "not JSON"),
    "truncated": (lambda text: text[: len(text) // 2], "not JSON"),
    "no end": (lambda text: text.replace("    null\n", ""), "not JSON"),
    "no entries": (lambda text: '{"schema": 1, "time": ""}', "entries"),
    "a list": (lambda text: "[]", "expected an object"),
    "another schema": (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema 2"),
    "an unknown field": (lambda text: text.replace('"unit"', '"uint"', 1), "unit"),
    "NaN": (lambda text: text.replace('"value": 100', '"value": NaN'), "is not a number"),
    "infinity": (lambda text: text.replace('"value": 100', '"value": 1e999'), "not a number"),
    "text": (lambda text: text.replace('"value": 100', '"value": "100"'), "not a number"),
    "twice": (
        lambda text: text.replace(
            "    null", text.split("entries")[1].split("\n\n")[1] + "\n    null"
        ),
        "twice",
    ),
    "conflict": (
        lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n",
        "baseline merge",
    ),
    "deep": (lambda text: "[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize(("spoil", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_baseline(bundle, spoil, cause):
    """A baseline that cannot be read is a usage error that names the file and the way back."""
    bundle.baseline.write_text(spoil(bundle.baseline.read_text()))

    bundle.check().ends(2, "budgetguard.baseline.json", cause)


def test_a_baseline_that_is_no_file(bundle):
    """A folder, or text that is not UTF-8, in the place of the file is told."""
    bundle.baseline.write_bytes(b"\xff\xfe\x00")
    bundle.check().ends(2, "not UTF-8 text")
    bundle.baseline.unlink()
    bundle.baseline.mkdir()
    bundle.check().ends(2, "budgetguard.baseline.json: cannot be read")


def test_a_broken_baseline_in_plain_pytest(shop):
    """pytest stops as check does."""
    shop.baseline.write_text("{")

    shop.pytest().ends(4, "budgetguard.baseline.json", "not JSON")


def test_a_deleted_baseline(bundle):
    """Without the file all is new: green, with the command that records; red under --strict."""
    bundle.baseline.unlink()

    bundle.check().ends(0, "nothing to compare with yet", "baseline update app", "1 new")
    bundle.check("--strict").ends(3, "1 new")


def test_a_value_of_another_interpreter(shop):
    """A value that was recorded under another key is no yardstick here."""
    name = "tests/test_inbox.py::test_inbox"
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n"
            "  perf: {test: tests, limits: [allocations <= baseline + 2%]}\n"
        }
    )
    shop.recorded((name, "allocations", 10**9, "cpython-3.9-linux-x86_64"))

    told = shop.check().ends(4, f"ERROR {name}", "recorded under cpython-3.9-linux-x86_64 only")
    assert f"baseline update {name}" in told.words


def test_an_entry_that_was_loosened_by_hand(bundle):
    """A looser value in the work tree is taken as the yardstick; `baseline diff` shows it."""
    bundle.baseline.write_text(bundle.baseline.read_text().replace(": 100,", ": 100000,"))

    bundle.check().ends(0, "better than the baseline: app")


def test_a_read_only_baseline(bundle):
    """A file that may not be written stays as it is, and update says why."""
    before = bundle.baseline.read_bytes()
    bundle.baseline.chmod(0o444)
    if os.geteuid() == 0:
        pytest.skip("root may write a read-only file")

    bundle.update().ends(2, "cannot be written", "read-only")
    assert bundle.baseline.read_bytes() == before


def test_a_full_disk(bundle):
    """A write that cannot be finished leaves the old baseline whole, and nothing beside it."""
    before = bundle.baseline.read_bytes()
    told = bundle.update(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)))

    told.ends(2, "cannot be written: File too large", "the old file is unchanged")
    assert bundle.baseline.read_bytes() == before
    assert not list(bundle.folder.glob(".budgetguard*"))


def test_two_updates_at_once(bundle):
    """Two writers leave one whole file, of one or the other."""
    updates = [bundle.start("budgetguard", "baseline", "update") for _ in range(4)]
    codes = [process.communicate(timeout=60) and process.returncode for process in updates]

    assert codes == [0, 0, 0, 0]
    document = json.loads(bundle.baseline.read_text())
    assert [entry["value"] for entry in document["entries"] if entry] == [1, 150]
    assert not list(bundle.folder.glob(".budgetguard*"))


def test_an_update_that_could_not_measure(bundle):
    """What could not be measured keeps its old value, and update is not green."""
    (bundle.folder / "dist/app.js").unlink()

    bundle.update().ends(4, "kept app", "dist")
    assert '"value": 100,' in bundle.baseline.read_text()


def test_an_entry_of_a_target_that_is_not_known_here(bundle):
    """What a later version recorded is neither dropped nor unguarded in silence: it names the upgrade."""
    text = bundle.baseline.read_text()
    entry = '{"budget": "home", "target": "page2", "metric": "lcp", "unit": "bytes", "value": 1}'
    newer = text.replace("    null", f"    {entry},\n\n    null")
    bundle.baseline.write_text(newer)

    for command in (bundle.check, bundle.update):
        command().ends(2, "the target of home is 'page2'", "pip install -U pytest-budgetguard")
    assert bundle.baseline.read_text() == newer
    bundle.run("budgetguard", "baseline", "show").ends(0, "home")
