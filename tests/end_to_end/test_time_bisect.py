"""`budgetguard bisect`: the commit that broke a budget, in histories of real commits."""

import pytest

pytestmark = pytest.mark.timeout(900)

QUERIES = """\
import sqlite3


def total():
    connection = sqlite3.connect(":memory:")
    for number in range({queries}):
        connection.execute("SELECT ?", (number,))
    connection.close()
    return 1
"""

BROKEN = "import nothing_of_this_name\n"


def _limits(*limits):
    return f"version: 1\nbudgets:\n  perf:\n    test: tests\n    limits: [{', '.join(limits)}]\n"


@pytest.fixture
def queries(timed):
    """A shop whose test runs 2 queries, and may run no more; its code is found by PYTHONPATH alone."""
    ini = (timed.folder / "pytest.ini").read_text().replace("pythonpath = src\n", "")
    return timed.write(
        {
            "budgetguard.yml": _limits("queries <= baseline"),
            "pytest.ini": ini,
            "src/shop/__init__.py": QUERIES.format(queries=2),
        }
    )


def test_a_number_that_is_counted(queries):
    """Each commit runs its own code, found by a path into the work tree. One that does not import is
    passed over, and told as a suspect; the commit that is found is told with the query."""
    good = queries.commit("two queries")
    queries.commit("one")
    mended = queries.commit("still two")
    broken = queries.commit("broken", {"src/shop/__init__.py": BROKEN})
    guilty = queries.commit("guilty", {"src/shop/__init__.py": QUERIES.format(queries=5)})
    queries.commit("six")
    queries.commit("seven")

    arguments = ("budgetguard", "bisect", queries.test, good, "HEAD")
    told = queries.run(*arguments, env={"PYTHONPATH": str(queries.folder / "src")})
    told.ends(0, f"{queries.test} is over budget since {guilty}", f"see it: git show {guilty}")
    told.ends(0, "queries <= baseline: 5 is over 2", "SELECT ? at src/shop/__init__.py:7")
    told.ends(0, f"good {mended} still two", f"? {broken} broken", "nothing_of_this_name")
    told.ends(0, f"or one of {broken}, which could not be measured")
    assert queries.git("status", "--porcelain") == ""


def test_a_bundle(timed):
    """The bytes of a bundle that is committed are followed by its name."""
    timed.write(
        {"budgetguard.yml": "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 1 kB]}\n"}
    )
    good = timed.commit("good", {"dist/app.js": "a" * 900})
    for number in range(3):
        timed.commit(f"green {number}", {"dist/app.js": "a" * (910 + number)})
    guilty = timed.commit("guilty", {"dist/app.js": "a" * 1100})
    for number in range(3):
        timed.commit(f"red {number}", {"dist/app.js": "a" * (1110 + number)})

    told = timed.run("budgetguard", "bisect", "app", good, "HEAD")
    told.ends(0, f"app is over budget since {guilty}", "raw <= 1 kB: 1.1 kB is over 1 kB")
    assert told.out.count("good ") + told.out.count("bad ") == 4

    timed.run("budgetguard", "bisect", "app", guilty, "HEAD").ends(
        4, f"app is over budget at GOOD {guilty} (guilty) already", "name an older GOOD"
    )
    timed.run("budgetguard", "bisect", "app", good, "HEAD~4").ends(
        4, "app is within budget at BAD", "(green 2)", "name a BAD that is over it"
    )
    timed.run("budgetguard", "bisect", "app", "HEAD", good).ends(2, "change their places")
    timed.run("budgetguard", "bisect", "ap", good, "HEAD").ends(2, "did you mean app?")
    timed.run("budgetguard", "bisect", "app", good, "HEAD~99").ends(2, "'HEAD~99' is no commit")


def test_time(timed):
    """A commit that doubles the work is found by timing each beside GOOD."""
    good = timed.commit("good")
    for number in range(2):
        timed.commit(f"green {number}")
    guilty = timed.takes(32_000).commit("guilty")

    arguments = ("budgetguard", "bisect", timed.test, good, "HEAD", "--seconds", "60")
    for _ in range(3):  # where the machine is too loud to say, it says so
        told = timed.run(*arguments)
        if told.code == 0 and "or one of" not in told.words:
            break
        assert told.code in (0, 4), told
    told.ends(0, f"{timed.test} is over budget since {guilty}", "twice; allowed + 20%")
