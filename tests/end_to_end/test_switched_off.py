"""Green by accident, first part: a project, its environment or its plugins switch the gate off."""

import pytest

OVER = ("FAIL tests/test_outbox.py::test_outbox", "5 is over 3")
LOST = ("pytest ran without budgetguard",)


@pytest.fixture
def plugins():
    """All plugins of this environment, as their entry points load them."""
    return {}


@pytest.mark.parametrize(
    "addopts",
    [
        "--budget=off",
        "-m 'not perf'",
        "-k nothing",
        "--collect-only",
        "--setup-plan",
        "-n 2",
        "--lf",
        "--stepwise",
        "--deselect tests/test_outbox.py::test_outbox",
        "--benchmark-disable --budget-update",
        "--budget-name=tests/test_inbox.py --budget-pass=clock: --budget-exact --budget-shard=1/9",
    ],
)
def test_addopts_are_taken_back(over_budget, addopts):
    """What `addopts` leaves out or switches off, check measures all the same."""
    cache = over_budget.folder / ".pytest_cache/v/cache/lastfailed"
    cache.parent.mkdir(parents=True)
    cache.write_text('{"tests/test_inbox.py::test_inbox": true}')
    over_budget.write({"pytest.ini": f"[pytest]\nmarkers = perf\naddopts = {addopts}\n"})

    over_budget.check().ends(1, *OVER, "1 over budget")


@pytest.mark.parametrize("addopts", ["-x", "--maxfail=1"])
def test_stopping_early_is_taken_back(over_budget, addopts):
    """A failure in front does not keep the tests behind it from being measured."""
    over_budget.write(
        {
            "pytest.ini": f"[pytest]\nmarkers = perf\naddopts = {addopts}\n",
            "tests/test_broken.py": "def test_broken():\n    assert False\n",
        }
    )

    over_budget.check().ends(1, *OVER, "test_broken", "fails by itself")


@pytest.mark.parametrize(
    "addopts", ["-p no:budgetguard", "--help", "--no-such-option", "--import-mode=wrong"]
)
def test_a_pytest_without_us_is_told(over_budget, addopts):
    """Where pytest never gets to measuring, check says that it ran without budgetguard."""
    over_budget.write({"pytest.ini": f"[pytest]\nmarkers = perf\naddopts = {addopts}\n"})

    over_budget.check().ends(4, *LOST, "guarded 0 of 1")


@pytest.mark.parametrize("options", ["--budget=off", "-p no:budgetguard", "-k nothing --co"])
def test_pytest_addopts_of_the_environment_do_not_reach_the_child(over_budget, options):
    """PYTEST_ADDOPTS of the shell switches nothing off."""
    over_budget.check(env={"PYTEST_ADDOPTS": options}).ends(1, *OVER)


def test_plugins_that_are_not_loaded(over_budget):
    """PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 keeps us out, and check tells it."""
    over_budget.check(env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}).ends(4, *LOST)


@pytest.mark.parametrize("addopts", ["--fixtures", "--fixtures-per-test", "--cache-show"])
def test_a_pytest_that_only_shows(over_budget, addopts):
    """An option that makes pytest show something in place of running ends in an error."""
    over_budget.write({"pytest.ini": f"[pytest]\nmarkers = perf\naddopts = {addopts}\n"})

    over_budget.check().ends(4, "not measured")


def test_an_unknown_test_folder(over_budget):
    """testpaths that lead elsewhere leave the group without a test."""
    over_budget.write(
        {
            "pytest.ini": "[pytest]\nmarkers = perf\ntestpaths = elsewhere\n",
            "elsewhere/test_nothing.py": "def test_nothing():\n    pass\n",
        }
    )

    over_budget.check().ends(4, "ERROR perf", "no test matches 'tests'")


def test_an_ignored_file_vanishes(over_budget):
    """--ignore in addopts hides a file from collection; what it held is missed."""
    over_budget.recorded(("tests/test_outbox.py::test_outbox", "queries", 2))
    over_budget.write(
        {"pytest.ini": "[pytest]\nmarkers = perf\naddopts = --ignore=tests/test_outbox.py\n"}
    )

    over_budget.check().ends(4, "VANISHED tests/test_outbox.py::test_outbox queries")


def test_sys_exit_in_a_conftest(over_budget):
    """A conftest that ends the process with success ends in an error."""
    over_budget.write({"tests/conftest.py": "import sys\n\nsys.exit(0)\n"})

    over_budget.check().ends(4, *LOST, "exit code 0")


def test_a_conftest_that_deselects(over_budget):
    """A test that a conftest deselects is missed by check, also when no baseline has it."""
    over_budget.write(
        {
            "conftest.py": "def pytest_collection_modifyitems(config, items):\n"
            "    gone = [item for item in items if 'outbox' in item.name]\n"
            "    items[:] = [item for item in items if item not in gone]\n"
            "    config.hook.pytest_deselected(items=gone)\n"
        }
    )

    over_budget.check().ends(4, "ERROR tests/test_outbox.py::test_outbox", "did not run")


@pytest.mark.parametrize("hook", ["tryfirst=True", "trylast=True", "wrapper=True"])
def test_a_conftest_that_drops_our_items(over_budget, hook):
    """A hook that takes a test out without telling, before or after us, loses nothing silently."""
    drop = "    items[:] = [item for item in items if 'outbox' not in item.name]\n"
    body = f"    result = yield\n{drop}    return result\n" if hook == "wrapper=True" else drop
    over_budget.recorded(("tests/test_outbox.py::test_outbox", "queries", 2))
    over_budget.write(
        {
            "conftest.py": "import pytest\n\n\n"
            f"@pytest.hookimpl({hook})\ndef pytest_collection_modifyitems(items):\n{body}"
        }
    )

    over_budget.check().ends(4, "tests/test_outbox.py::test_outbox")


DROPPED_BEHIND_US = """\
import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    result = yield
    items[:] = [item for item in items if "outbox" not in item.name]
    return result
"""

NOT_RUN = """\
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return True if "outbox" in item.name else None
"""

STOPPED = """\
import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish(nodeid):
    if "inbox" in nodeid:
        pytest.exit("enough", returncode=0)
"""

SHOULD_STOP = """\
def pytest_runtest_teardown(item):
    item.session.shouldstop = "enough"
"""


@pytest.mark.parametrize(
    "conftest",
    [DROPPED_BEHIND_US, NOT_RUN, STOPPED, SHOULD_STOP],
    ids=["dropped behind us", "not run", "pytest.exit", "shouldstop"],
)
def test_what_was_found_but_not_run(over_budget, conftest):
    """A test that was found and then not run is an error, also when no baseline has it."""
    over_budget.write({"conftest.py": conftest})

    over_budget.check().ends(4, "ERROR tests/test_outbox.py::test_outbox", "did not run")


def test_a_replaced_call(over_budget):
    """A plugin that calls the test in its own way, or not at all, leaves no reading."""
    over_budget.write(
        {
            "conftest.py": "import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\n"
            "def pytest_pyfunc_call(pyfuncitem):\n    return True\n"
        }
    )

    over_budget.check().ends(4, "test_outbox queries", "the measured body was not reached")


def test_a_replaced_runtest(over_budget):
    """A plugin that calls the body a second time does not halve or hide what it cost."""
    over_budget.write(
        {
            "conftest.py": "import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\n"
            "def pytest_runtest_call(item):\n    item.runtest()\n"
        }
    )

    over_budget.check().ends(4, "test_outbox queries", "more than once")


def test_a_rerun_of_failures(over_budget):
    """A plugin that runs a failed test again until it passes does not hide what was measured."""
    over_budget.write(
        {
            "conftest.py": "import pytest\nfrom _pytest.runner import runtestprotocol\n\n\n"
            "@pytest.hookimpl(tryfirst=True)\n"
            "def pytest_runtest_protocol(item, nextitem):\n"
            "    reports = runtestprotocol(item, nextitem=nextitem, log=False)\n"
            "    if any(report.failed for report in reports):\n"
            "        item._initrequest()\n"
            "        reports = runtestprotocol(item, nextitem=nextitem, log=False)\n"
            "    for report in reports:\n"
            "        item.ihook.pytest_runtest_logreport(report=report)\n"
            "    return True\n"
        }
    )

    over_budget.check().ends(1, *OVER)
    over_budget.pytest().ends(1, "over budget: queries <= 3", "5 is over 3")


def test_a_shadowing_plugin_on_the_path(over_budget):
    """A folder of the project called like our package cannot pass for it."""
    over_budget.write({"pytest_budgetguard/__init__.py": "", "pytest_budgetguard/plugin.py": ""})

    over_budget.check().ends(4, "pytest ran without budgetguard")


def test_one_deselected_test_in_plain_pytest(over_budget):
    """pytest lists what addopts left out as not guarded, and does not count it as kept."""
    over_budget.write({"pytest.ini": "[pytest]\nmarkers = perf\naddopts = -m 'not perf'\n"})

    over_budget.pytest().ends(0, "left to check", "test_outbox", "guarded 1 of 2")


def test_everything_deselected_in_plain_pytest(shop):
    """A pytest that ran no test at all is red, as pytest itself has it."""
    shop.write({"pytest.ini": "[pytest]\naddopts = -k nothing\n"})

    assert shop.pytest().code == 5
