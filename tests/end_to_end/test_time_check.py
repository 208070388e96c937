"""`budgetguard check` with relative limits on time: base and head side by side, in real repositories."""

import json
import shutil

import pytest

pytestmark = pytest.mark.timeout(900)

FLAT_TEST = """\
import pytest

from shop import total


@pytest.mark.parametrize("rounds", [16_000], ids=["{name}"])
def test_total(rounds):
    assert total(rounds) > 0
"""

NEW_API_TEST = """\
from shop import total_of


def test_total():
    assert total_of(16_000) > 0
"""

WITH_NEW_API = {
    "src/shop/__init__.py": """\
def total_of(rounds):
    value = 0
    for number in range(rounds):
        value += number * number
    return value
"""
}

BUNDLE = """\
  app:
    bundle: dist
    limits: [raw <= baseline + 2%]
"""


def test_an_unchanged_work_tree(timed):
    """What equals the base runs the same code, and that is seen at once; a detached HEAD is no matter."""
    commit = timed.based()
    timed.git("checkout", "-q", "--detach")

    told = timed.check("--strict").ends(0, "time same code", "guarded 1 of 1 limit")
    assert f"time was compared with {commit}" in told.words
    assert not (timed.folder.parent / "cache").exists()


def test_a_change_that_no_benchmark_runs(timed):
    """After a commit of documentation the same code runs, which is recorded and not timed."""
    timed.based()
    timed.commit("documentation", {"README.md": "A shop.\n"})

    told = timed.check("--strict").ends(0, "time same code", "guarded 1 of 1 limit")
    assert "timed, because" not in told.words


def test_a_change_that_another_benchmark_runs(timed):
    """What ran before it in the same process may have left something: recorded alone, it is settled."""
    before = "def weigh():\n    return sum(range(20_000))\n"
    test = "from shop.basket import weigh\n\n\ndef test_weigh():\n    assert weigh()\n"
    timed.write({"src/shop/basket.py": before, "tests/test_basket.py": test})
    timed.based()
    timed.commit("other code", {"src/shop/basket.py": before.replace("sum(", "0 + sum(")})

    told = timed.check("--json").ends(0)
    reasons = {one["budget"]: one["reason"] for one in json.loads(told.out)["verdicts"]}
    assert reasons.pop(timed.test).startswith("same code")
    assert [reason.startswith("same code") for reason in reasons.values()] == [False]


def test_a_slowdown(timed):
    """Twice the work is red, with the commit, the interval and the step that finds the change."""
    commit = timed.based()
    timed.takes(32_000).commit("slow")

    told = timed.settled("--json").ends(1)
    (verdict,) = json.loads(told.out)["verdicts"]
    assert (verdict["budget"], verdict["outcome"]) == (timed.test, "FAIL")
    low, change, high = verdict["change"]
    assert 0.2 < low < change < high
    assert verdict["visible"] > 0.2
    assert f"at {commit}: {change:+.1%} ({low:+.1%} to {high:+.1%}), twice" in verdict["reason"]
    assert f"budgetguard bisect {timed.test} {commit} HEAD" in verdict["hint"]


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_a_benchmark_that_the_base_does_not_have(timed, known):
    """A new test of new code is NEW; where the base's baseline has an entry of it, it is an ERROR."""
    name = "tests/test_new.py::test_total"
    timed.based(timed.test, *([name] if known else []))
    timed.write({"tests/test_new.py": NEW_API_TEST, **WITH_NEW_API})

    told = timed.check(name, "--no-same-code", "--strict")
    if known:
        told.ends(4, f"ERROR {name}", "has it")
    else:
        told.ends(3, f"{name} time", "1 new", "guarded 0 of 1 limit")


def test_a_test_that_uses_what_the_base_does_not_have(timed):
    """Where head's version of a test does not run on the base, the base's own version of it does."""
    timed.based()
    timed.write({"tests/test_cart.py": NEW_API_TEST, **WITH_NEW_API})

    told = timed.check("--no-same-code", "--seconds", "1", "--json")
    (verdict,) = json.loads(told.out)["verdicts"]
    assert verdict["outcome"] in ("PASS", "UNSETTLED"), verdict
    assert len(verdict["change"]) == 3


def test_a_base_that_does_not_import(timed):
    """Nothing is known of a base whose code cannot be imported: an ERROR with its last words."""
    timed.write({"src/shop/__init__.py": "import nothing_of_this_name\n"}).based()
    timed.takes(16_000).commit("mended")

    timed.check("--no-same-code").ends(
        4, f"ERROR {timed.test}", "base: its module cannot be collected", "nothing_of_this_name"
    )


def test_a_flat_layout_below_the_top(timed):
    """A configuration in a folder of its own, a flat layout, a package of tests with a conftest that
    imports the project, and an id that changed, in a dirty work tree: both sides run their own code."""
    shutil.rmtree(timed.folder / "src")
    shutil.rmtree(timed.folder / "tests")
    for name in ("budgetguard.yml", "pytest.ini"):
        (timed.folder / "py").mkdir(exist_ok=True)
        (timed.folder / name).rename(timed.folder / "py" / name)
    name = "tests/test_cart.py::test_total[{}]"
    timed.write(
        {
            "py/shop.py": "def total(rounds):\n    return sum(range(rounds))\n",
            "py/tests/__init__.py": "",
            "py/tests/conftest.py": "import shop\n",
            "py/tests/test_cart.py": FLAT_TEST.format(name="old"),
        }
    )
    (timed.folder / "py/budgetguard.baseline.json").write_text("")
    timed.baseline.unlink(missing_ok=True)
    timed.based(name.format("old"))
    timed.git("mv", "-f", "budgetguard.baseline.json", "py/budgetguard.baseline.json")
    timed.commit("the baseline is beside its configuration")
    timed.write(
        {
            "py/shop.py": "def total(rounds):\n    return sum(list(range(rounds)))\n",
            "py/tests/test_cart.py": FLAT_TEST.format(name="new"),
        }
    )

    options = ("--no-same-code", "--seconds", "1", "--json")
    told = timed.check(name.format("new"), *options, cwd="py")
    (verdict,) = json.loads(told.out)["verdicts"]
    assert verdict["budget"] == name.format("new")
    assert len(verdict["change"] or ()) == 3, verdict
    assert verdict["baseline"] != verdict["measured"]


def test_another_commit_is_its_own_yardstick(timed):
    """With --against, exact values come from that commit: a baseline that was loosened helps nobody."""
    timed.write(
        {"budgetguard.yml": f"{timed.folder.joinpath('budgetguard.yml').read_text()}{BUNDLE}"}
    )
    timed.write({"dist/app.js": "a" * 1000})
    timed.update("app").ends(0)
    good = timed.commit("good")
    timed.write({"dist/app.js": "a" * 1500})
    timed.update("app").ends(0)
    timed.commit("bigger, and recorded as such")

    timed.check("app").ends(0, "raw 1.5 kB, unchanged")
    timed.check("app", "--against", good).ends(1, "FAIL app", "over 1.02 kB, +50.0 % from 1 kB")


@pytest.mark.parametrize("ref", ["nothing-of-this-name", "-x"])
def test_a_wrong_commit(timed, ref):
    """A REF that is no commit is the user's to mend: exit code 2, before anything is measured."""
    timed.based()

    timed.check("--against", ref).ends(2, f"error: {ref!r} is no commit")


def test_exact_times_nothing(timed):
    """With --exact nothing is timed and no base is made; a group without exact limits misses nothing."""
    config = (timed.folder / "budgetguard.yml").read_text()
    timed.write({"budgetguard.yml": f"{config}{BUNDLE}", "dist/app.js": "a"})
    timed.based()
    timed.takes(32_000)

    told = timed.check("--exact")
    told.ends(0, "app", "new")
    assert timed.test not in told.words
    assert not (timed.folder.parent / "cache").exists()


def test_no_base_yet(timed):
    """Without a repository, and before the baseline is committed, a limit on time is NEW, and why is told."""
    timed.commit("no baseline")
    timed.check("--strict").ends(3, "1 new", "record one with budgetguard baseline update")
    timed.based()
    timed.git("reset", "-q", "HEAD~1")
    timed.check("--strict").ends(3, "1 new", "commit budgetguard.baseline.json")
    shutil.rmtree(timed.folder / ".git")
    timed.check("--strict").ends(3, "1 new", "is in no git repository")
