"""Green by accident, second part: tests, budgets and stored values get lost, or were never there."""

import py_compile

import pytest

INBOX = "tests/test_inbox.py::test_inbox"
MARKED = """\
import pytest


@pytest.mark.budget("queries <= 3")
def test_inbox(db):
    db.execute("SELECT 1")
"""


@pytest.fixture
def marked(shop):
    """A shop whose test has its budget by a marker, and a configuration with a bundle only."""
    config = "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 1 kB]}\n"
    return shop.write(
        {"budgetguard.yml": config, "dist/app.js": "a" * 100, "tests/test_inbox.py": MARKED}
    )


def test_a_lost_benchmark_is_missed_after_a_real_update(marked):
    """What `baseline update` recorded is missed when its file is gone, and update then lets it go."""
    marked.update().ends(0, "recorded 2 entries")
    marked.check().ends(0, "guarded 2 of 2")
    (marked.folder / "tests/test_inbox.py").unlink()

    marked.check().ends(4, f"VANISHED {INBOX} queries", "in the baseline")
    marked.update().ends(0, "1 dropped")
    marked.check().ends(0, "guarded 1 of 1")


def test_a_renamed_test(marked):
    """A test under a new name is not the one that was recorded."""
    marked.recorded((INBOX, "queries", 1))
    marked.write({"tests/test_inbox.py": MARKED.replace("test_inbox", "test_postbox")})

    marked.check().ends(4, f"VANISHED {INBOX} queries", "test_postbox")
    marked.pytest().ends(1, f"VANISHED {INBOX} queries")


def test_a_test_without_its_prefix(marked):
    """A test that pytest does not collect any more is missed."""
    marked.recorded((INBOX, "queries", 1))
    marked.write({"tests/test_inbox.py": MARKED.replace("test_inbox", "check_inbox")})

    marked.check().ends(4, f"VANISHED {INBOX} queries")


def test_the_bytecode_of_a_deleted_test(marked):
    """A .pyc that stays behind, beside the file or in its cache, does not stand for the test."""
    marked.recorded((INBOX, "queries", 1))
    source = marked.folder / "tests/test_inbox.py"
    py_compile.compile(str(source), doraise=True)
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")), doraise=True)
    source.unlink()

    marked.check().ends(4, f"VANISHED {INBOX} queries")


def test_two_tests_of_one_name(marked):
    """A second test that takes the name of the first, and its limit, is the one that counts."""
    marked.recorded((INBOX, "queries", 1))
    marked.write({"tests/test_inbox.py": f"{MARKED}\n\ndef test_inbox():\n    pass\n"})

    marked.check().ends(4, f"VANISHED {INBOX} queries")


SKIPPED = {
    "skip": '@pytest.mark.skip(reason="flaky")\ndef test_inbox():\n    pass\n',
    "skipif": '@pytest.mark.skipif(True, reason="flaky")\ndef test_inbox():\n    pass\n',
    "in the body": 'def test_inbox():\n    pytest.skip("flaky")\n',
    "in a fixture": "@pytest.fixture\ndef server():\n"
    '    pytest.skip("flaky")\n\n\ndef test_inbox(server):\n    pass\n',
    "unittest": "import unittest\n\n\nclass InboxTest(unittest.TestCase):\n"
    '    @unittest.skip("flaky")\n    def test_inbox(self):\n        pass\n',
    "unittest in the body": "import unittest\n\n\nclass InboxTest(unittest.TestCase):\n"
    '    def test_inbox(self):\n        raise unittest.SkipTest("flaky")\n',
    "no parameters": '@pytest.mark.parametrize("flaky", [])\ndef test_inbox(flaky):\n    pass\n',
    "run=False": '@pytest.mark.xfail(run=False, reason="flaky")\ndef test_inbox():\n    pass\n',
}


@pytest.mark.parametrize("test", SKIPPED.values(), ids=SKIPPED)
def test_a_skipped_test(shop, test):
    """Every way to skip a budgeted test is an error, in check and in plain pytest."""
    shop.write({"tests/test_inbox.py": f"import pytest\n\n\n{test}"})

    shop.check().ends(4, "test_inbox", "flaky", "guarded 0 of 1")


def test_a_skipped_test_in_plain_pytest(shop):
    """pytest would be green; the budget that was not measured fails the session."""
    shop.write({"tests/test_inbox.py": f"import pytest\n\n\n{SKIPPED['skip']}"})

    shop.pytest().ends(1, "test_inbox", "flaky", "guarded 0 of 1")


def test_a_test_that_is_expected_to_fail(over_budget):
    """xfail takes neither a body's own failure nor a broken budget for fine."""
    outbox = over_budget.folder / "tests/test_outbox.py"
    marked = "@pytest.mark.xfail(reason='known')\n@pytest.mark.perf"
    over_budget.write({outbox: outbox.read_text().replace("@pytest.mark.perf", marked)})

    over_budget.check().ends(1, "FAIL tests/test_outbox.py::test_outbox", "5 is over 3")
    over_budget.pytest().ends(1, "5 is over 3")
    over_budget.write({outbox: outbox.read_text() + "    assert False\n"})
    over_budget.check().ends(4, "ERROR tests/test_outbox.py::test_outbox", "expected to fail")


def test_a_module_that_is_skipped_as_a_whole(shop):
    """importorskip at the top of a module is told with its reason; may_skip allows it, but not it alone."""
    shop.write({"tests/test_inbox.py": 'import pytest\n\npytest.importorskip("no_such_library")\n'})

    shop.check().ends(4, "ERROR tests/test_inbox.py", "its module was skipped", "no_such_library")
    shop.write({"budgetguard.yml": _may_skip(shop)})
    shop.check().ends(4, "skipped tests/test_inbox.py", "needs a server", "guarded 0 of 1")


def test_a_module_with_markers_that_is_skipped(marked):
    """No group says that a skipped module had budgets; the baseline does."""
    marked.recorded((INBOX, "queries", 1))
    marked.write(
        {"tests/test_inbox.py": f'import pytest\n\npytest.importorskip("no_such")\n{MARKED}'}
    )

    marked.check().ends(4, f"VANISHED {INBOX} queries")


def test_a_module_of_several_that_is_skipped(over_budget):
    """A skipped module among others is told, also when no baseline has its tests."""
    over_budget.write(
        {"tests/test_outbox.py": 'import pytest\n\npytest.importorskip("no_such_library")\n'}
    )

    over_budget.recorded(("tests/test_outbox.py::test_outbox", "queries", 5))
    over_budget.check().ends(4, "ERROR tests/test_outbox.py", "no_such_library")
    over_budget.write({"budgetguard.yml": _may_skip(over_budget)})
    over_budget.check().ends(0, "needs a server", "guarded 1 of 2")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_library\n", "No module named 'no_such_library'"),
        ("def test_outbox(:\n", "SyntaxError"),
        ("assert False\n", "AssertionError"),
        ("import os\n\nos.exit_now()\n", "exit_now"),
    ],
    ids=["import", "syntax", "assert", "attribute"],
)
def test_a_file_that_does_not_import(over_budget, text, cause):
    """A collection error in one file is told, and the other tests are measured."""
    over_budget.write({"tests/test_outbox.py": text})

    told = over_budget.check()
    told.ends(4, "ERROR tests/test_outbox.py", "could not be collected", "guarded 1 of")
    assert cause in told.words or "could not be collected:" in told.words


def test_a_test_that_fails_by_itself(shop):
    """A broken test has no cost that could be judged."""
    shop.write({"tests/test_inbox.py": "def test_inbox(db):\n    assert False, 'broken'\n"})

    shop.check().ends(4, f"ERROR {INBOX}", "the test fails by itself", "broken")
    assert shop.pytest().code == 1


def test_a_fixture_that_fails(shop):
    """A fixture that cannot be set up leaves its test unmeasured."""
    shop.write({"tests/test_inbox.py": "def test_inbox(no_such_fixture):\n    pass\n"})

    shop.check().ends(4, f"ERROR {INBOX}", "no_such_fixture")


def test_a_budget_that_left_the_configuration(marked):
    """A budget that is taken out of the file, but not out of the baseline, is missed."""
    marked.recorded((INBOX, "queries", 1), ("app", "raw", 100), ("styles", "raw", 100))

    marked.check().ends(4, "VANISHED styles raw", "budgetguard baseline update")


def test_a_limit_that_left_its_budget(marked):
    """A metric that lost its limit is missed, too."""
    marked.recorded((INBOX, "queries", 1), (INBOX, "rows", 1), ("app", "raw", 100))

    marked.check().ends(4, f"VANISHED {INBOX} rows")


@pytest.mark.parametrize(
    "config",
    ["version: 1\nbudgets: {}\n", "version: 1\n"],
    ids=["braces", "no key"],
)
def test_a_configuration_without_budgets(shop, config):
    """A gate without a budget has judged nothing, and nothing is not green."""
    shop.write({"budgetguard.yml": config}).check().ends(4, "guarded 0 of 0")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]\n", "version: 1\nbudgets:\n"])
def test_an_empty_configuration(shop, text):
    """An empty file, or one of another shape, is a configuration error."""
    shop.write({"budgetguard.yml": text}).check().ends(2, "budgetguard.yml")


def test_a_budget_that_is_not_enforced(over_budget):
    """`enforce: false` shows a broken budget without stopping; the report says that nothing is guarded."""
    config = over_budget.folder / "budgetguard.yml"
    over_budget.write({config: config.read_text() + "    enforce: false\n"})

    over_budget.check().ends(0, "FAIL tests/test_outbox.py::test_outbox", "guarded 0 of 2")
    config.write_text(config.read_text().replace("test: tests", "test: no/such/place"))
    over_budget.check().ends(4, "no test matches", "guarded 0 of 1")


def test_all_skipped_on_purpose(shop):
    """may_skip lets single tests go; a run in which all of them went has judged nothing."""
    test = f"import pytest\n\n\n{SKIPPED['skip']}"
    shop.write({"budgetguard.yml": _may_skip(shop), "tests/test_inbox.py": test})

    shop.check().ends(4, "needs a server", "guarded 0 of 1")


def _may_skip(project):
    return (project.folder / "budgetguard.yml").read_text() + "    may_skip: needs a server\n"


@pytest.mark.parametrize("select", ["tests/no_such_file.py", "test", "tests/*/perf", "-m slow"])
def test_a_group_without_a_test(shop, select):
    """A group that matches nothing is an error in check and in a whole pytest."""
    config = f"version: 1\nbudgets:\n  perf: {{test: {select}, limits: [queries <= 3]}}\n"
    shop.write({"budgetguard.yml": config})

    shop.check().ends(4, "ERROR perf", f"no test matches '{select}'")


def test_plain_pytest_knows_its_groups_and_markers(shop):
    """A whole pytest misses a group's tests, and stops at a marker that cannot be read."""
    config = "version: 1\nbudgets:\n  perf: {test: tests/gone.py, limits: [queries <= 3]}\n"
    shop.write({"budgetguard.yml": config}).pytest().ends(1, "no test matches 'tests/gone.py'")
    test = "import pytest\n\n\n@pytest.mark.budget('querys <= 3')\ndef test_inbox():\n    pass\n"
    shop.write({"tests/test_inbox.py": test})
    shop.pytest().ends(4, "tests/test_inbox.py:4", "queries")


@pytest.mark.parametrize(
    ("test", "cause"),
    [
        ('@pytest.mark.budget("querys <= 3")', "queries"),
        ('@pytest.mark.budget("queries = 3")', "queries = 3"),
        ('@pytest.mark.budget("queries >= 3")', "queries >= 3"),
        ("@pytest.mark.budget(3)", "3 is not a limit"),
        ("@pytest.mark.budget", "without a limit"),
        ('@pytest.mark.budget(limits="queries <= 3")', "takes no 'limits'"),
        ('@pytest.mark.budget("queries <= 3 MB")', "MB"),
    ],
)
def test_a_marker_that_cannot_be_read(shop, test, cause):
    """A mistake in a marker is a usage error with its line in check, and stops plain pytest."""
    shop.write({"tests/test_inbox.py": f"import pytest\n\n\n{test}\ndef test_inbox():\n    pass\n"})

    shop.check().ends(2, "tests/test_inbox.py:4", cause)


@pytest.mark.parametrize("marker", ["budgets", "Budget", "buget"])
def test_a_misspelt_marker(marked, marker):
    """A marker that is nearly called like ours is told, not passed over; unless it is the project's own."""
    misspelt = MARKED.replace("mark.budget", f"mark.{marker}")
    marked.write({"tests/test_outbox.py": misspelt})

    marked.check().ends(2, "tests/test_outbox.py:4", f"unknown marker '{marker}'", "budget?")
    marked.write({"pytest.ini": f"[pytest]\nmarkers = {marker}\n"}).check().ends(0)


def test_a_budget_on_a_fixture(shop):
    """A marker on a fixture would mean nothing; pytest refuses it, and check tells it."""
    shop.write(
        {
            "tests/test_inbox.py": "import pytest\n\n\n@pytest.mark.budget('queries <= 1')\n"
            "@pytest.fixture\ndef inbox():\n    pass\n\n\ndef test_inbox(inbox):\n    pass\n"
        }
    )

    shop.check().ends(4, "tests/test_inbox.py", "could not be collected")


def test_a_configuration_in_a_subfolder(over_budget):
    """From the root of a monorepo check says where it looked; pytest finds each test's own configuration."""
    app = over_budget.folder / "services/shop"
    app.mkdir(parents=True)
    for name in ("budgetguard.yml", "tests"):
        (over_budget.folder / name).rename(app / name)

    over_budget.check().ends(2, "no budgetguard.yml", "budgetguard init")
    over_budget.pytest().ends(1, "over budget: queries <= 3", "test_outbox")
    over_budget.check(cwd="services/shop").ends(1, "FAIL tests/test_outbox.py::test_outbox")
    over_budget.check(cwd="services/shop/tests").ends(1, "FAIL tests/test_outbox.py::test_outbox")


def test_a_configuration_for_each_part(over_budget):
    """A configuration at the root does not speak for a part that has its own, and says so."""
    app = over_budget.folder / "app"
    app.mkdir()
    for name in ("budgetguard.yml", "tests"):
        (over_budget.folder / name).rename(app / name)
    over_budget.write(
        {"budgetguard.yml": "version: 1\nbudgets:\n  all: {test: ., limits: [queries <= 9]}\n"}
    )

    over_budget.check().ends(4, "ERROR all", "no test matches '.'")


@pytest.mark.parametrize("name", ["test_inbox", "perfs", "tests/test_inbox.py::test_lost"])
def test_a_name_that_nothing_has(shop, name):
    """A misspelt NAME is a usage error, not an empty success."""
    shop.check(name).ends(2, name)


def test_an_accepted_regression_that_ended(over_budget):
    """After its day an acceptance is void, and the report says so."""
    over_budget.write({"budgetguard.yml": _accepting("perf", "queries <= 9", "2020-01-31")})

    over_budget.check().ends(1, "5 is over 3", "ended on 2020-01-31: new pages")


def test_an_accepted_regression_that_runs(over_budget):
    """Until its day the accepted limit holds, and every report tells it."""
    over_budget.write({"budgetguard.yml": _accepting("perf", "queries <= 9", "2999-01-31")})

    over_budget.check().ends(0, "accepted until 2999-01-31", "new pages")
    over_budget.write({"budgetguard.yml": _accepting("perf", "queries <= 4", "2999-01-31")})
    over_budget.check().ends(1, "5 is over 4")


def test_an_acceptance_for_another(over_budget):
    """An acceptance for another test or metric loosens nothing; for no budget at all it is an error."""
    other = _accepting("tests/test_inbox.py::test_inbox", "queries <= 9", "2999-01-31")
    over_budget.write({"budgetguard.yml": other}).check().ends(1, "5 is over 3")
    over_budget.write({"budgetguard.yml": _accepting("perf", "rows <= 9", "2999-01-31")})
    over_budget.check().ends(1, "5 is over 3")
    over_budget.write({"budgetguard.yml": _accepting("pref", "queries <= 9", "2999-01-31")})
    over_budget.check().ends(2, "no budget 'pref'", "perf")


def _accepting(budget, limit, until):
    return (
        "version: 1\nbudgets:\n  perf: {test: tests, limits: [queries <= 3]}\n"
        f"accepted:\n  - budget: {budget}\n    limit: {limit}\n"
        f"    reason: new pages\n    until: {until}\n"
    )
