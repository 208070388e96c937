"""Options, marker and fixture. Idle, this file is all of ours that a pytest run imports."""

from __future__ import annotations

import argparse
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_budgetguard.block import BudgetFixture

SESSION = "budgetguard-session"
DESELECTED = pytest.StashKey[list[pytest.Item]]()
COLLECT_ERRORS = pytest.StashKey[dict[str, str]]()
COLLECT_SKIPS = pytest.StashKey[dict[pytest.Collector, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options for people, and the hidden ones by which `budgetguard check` runs us."""
    group = parser.getgroup("budgetguard", "performance budgets")
    group.addoption(
        "--budget", choices=("on", "off"), default="on", help="judge budgets (default: on)"
    )
    group.addoption(
        "--budget-update",
        action="store_true",
        help="record exact values in the baseline instead of judging",
    )
    group.addoption(
        "--budget-strict", action="store_true", help="fail on UNSETTLED, NEW and left to check, too"
    )
    group.addoption(
        "--budget-against",
        default="",
        metavar="REF",
        help="after the session, measure relative limits on time beside this commit, in fresh processes",
    )
    for name in ("wire", "config", "pass", "seed", "shard"):
        group.addoption(f"--budget-{name}", default="", help=argparse.SUPPRESS)
    group.addoption("--budget-name", action="append", default=[], help=argparse.SUPPRESS)
    group.addoption("--budget-exact", action="store_true", help=argparse.SUPPRESS)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Before the root conftest: watch connections from their start, and undo what addopts would break.

    A wrapper, because pytest-cov starts its tracer in this very hook, as early as it can.
    """
    options = early_config.known_args_namespace
    if options.budget_wire:
        options.no_cov = True
    if options.budget_wire or (
        options.budget != "off" and any(map(_has_config, _starts(early_config)))
    ):
        from budgetguard.database.recorder import install

        install()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """In a run of `budgetguard check`, take back the options that addopts may hold."""
    if config.option.budget_wire:
        for name, value in OVERRIDES.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        _only_what_was_asked(config)
    return (yield)


def _only_what_was_asked(config: pytest.Config) -> None:
    """Our hidden options count from the command line alone; in addopts they would narrow the run."""
    asked = [str(argument) for argument in config.invocation_params.args]
    config.option.budget_exact = "--budget-exact" in asked
    for name in ("--budget-name", "--budget-pass", "--budget-shard"):
        given = [one.partition("=")[2] for one in asked if one.startswith(f"{name}=")]
        config.option.__dict__[name[2:].replace("-", "_")] = (
            given if name == "--budget-name" else "".join(given[-1:])
        )


OVERRIDES: dict[str, object] = {
    "budget": "on",
    "budget_update": False,
    "budget_against": "",
    "numprocesses": 0,
    "dist": "no",
    "distload": False,
    "tx": [],
    "forked": False,
    "reruns": 0,
    "markexpr": "",
    "keyword": "",
    "deselect": None,
    "maxfail": 0,
    "continue_on_collection_errors": True,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "stepwise_skip": False,
    "collectonly": False,
    "setuponly": False,
    "setupplan": False,
    "usepdb": False,
    "timeout": 0,
    "benchmark_disable": False,
    "benchmark_enable": True,
    "benchmark_skip": False,
    "benchmark_only": False,
    "memray": False,
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; those of other plugins only where their plugin is absent."""
    config.addinivalue_line(
        "markers",
        "budget(*limits, numbers={}, may_skip=''): performance budget, such as "
        "@pytest.mark.budget('queries <= 6', 'wall <= 50 ms')",
    )
    for marker in borrowed(config):
        config.addinivalue_line(
            "markers", f"{marker}(limit): read by budgetguard, as its own plugin is absent"
        )


_OWNERS = {
    "limit_memory": ("memray", "pytest_memray", "pytest_memray.plugin"),
    "max_queries": ("querycount", "queryguard", "pytest_querycount", "pytest_queryguard"),
}


def borrowed(config: pytest.Config) -> set[str]:
    """The markers of other plugins that are read here, because their own plugin is absent."""
    has = config.pluginmanager.hasplugin
    return {marker for marker, owners in _OWNERS.items() if not any(map(has, owners))}


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Keep what a run leaves out: a budget that is left out is not guarded, and told so."""
    if items:
        stash = items[0].config.stash
        stash.setdefault(DESELECTED, []).extend(items)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Keep what could not be collected: its budgets could not be measured."""
    report = yield
    if report.skipped:
        why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        collector.config.stash.setdefault(COLLECT_SKIPS, {})[collector] = str(why)
    if report.failed:
        text = (
            str(getattr(report.longrepr, "reprcrash", None) or report.longrepr).strip().splitlines()
        )
        collector.config.stash.setdefault(COLLECT_ERRORS, {})[report.nodeid] = (
            text[-1] if text else "no reason told"
        )
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Load the rest of the plugin where an item has a budget or a configuration may give it one."""
    if config.option.budget == "off" or not (config.option.budget_wire or _concern(config, items)):
        return
    from pytest_budgetguard.session import BudgetSession

    if config.pluginmanager.has_plugin(
        SESSION
    ):  # locust collects once more by a session of its own
        return
    plugin = BudgetSession(config)
    config.pluginmanager.register(plugin, SESSION)
    plugin.take(session, items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Xdist's controller runs no test: load what gathers, once a worker has told something."""
    config = node.config  # type: ignore[attr-defined]  # xdist's WorkerController
    told = getattr(node, "workeroutput", {}).get("budgetguard")
    if told is None:
        return
    from pytest_budgetguard.gathered import GatheredSession

    plugin = config.pluginmanager.get_plugin(SESSION)
    if plugin is None:
        plugin = GatheredSession(config)
        config.pluginmanager.register(plugin, SESSION)
    plugin.take(told)


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> BudgetFixture | NoBudget:
    """Limit a part of a test: `with budget("queries <= 3"): ...`; report a number: `budget.record(...)`."""
    if request.config.option.budget == "off":
        return NoBudget()
    from pytest_budgetguard.block import BudgetFixture

    return BudgetFixture(request.node)


class NoBudget:
    """What the `budget` fixture is under `--budget=off`: it takes everything and does nothing."""

    def __call__(self, *_: object, **__: object) -> AbstractContextManager[None]:
        """A block that is not measured."""
        return nullcontext()

    def record(self, *_: object, **__: object) -> None:
        """A number that is not kept."""


def _concern(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Whether anything here is ours: a marker, our fixture, a configuration of an item or of the run."""
    names = {"budget", *borrowed(config)}
    every = [*items, *config.stash.get(DESELECTED, [])]
    folders = {item.path.parent for item in every}
    starts = {*folders, *_starts(config)}
    holders = {folder for start in starts for folder in (start, *start.parents)}
    return any(map(_holds_config, holders)) or any(
        takes_budget(item) or any(mark.name in names for mark in item.iter_markers())
        for item in every
    )


def takes_budget(item: pytest.Item) -> bool:
    """Whether an item takes our `budget` fixture, and not one that a project calls so."""
    if "budget" not in getattr(item, "fixturenames", ()):
        return False
    # pytest tells publicly what fixtures an item takes, but not whose they are
    found = item._fixtureinfo.name2fixturedefs.get("budget")  # type: ignore[attr-defined]
    return bool(found) and found[-1].func.__module__ == __name__


def _starts(config: pytest.Config) -> set[Path]:
    """Where a configuration is looked for before there are items: root, working folder, arguments."""
    here = config.invocation_params.dir
    given = getattr(config.known_args_namespace, "file_or_dir", None) or ()
    named = {here / str(argument).split("::")[0] for argument in given}
    return {config.rootpath, here, *named}


def _has_config(start: Path) -> bool:
    return any(map(_holds_config, (start, *start.parents)))


def _holds_config(folder: Path) -> bool:
    if (folder / "budgetguard.yml").is_file():
        return True
    try:
        content = (folder / "pyproject.toml").read_bytes()
    except OSError:
        return False
    return b"budgetguard" in content and _has_table(content)


def _has_table(pyproject: bytes) -> bool:
    """Whether it holds our table; most files that name us only depend on us."""
    import tomllib  # pytest has read a pyproject.toml by it already

    try:
        return "budgetguard" in tomllib.loads(pyproject.decode()).get("tool", {})
    except (ValueError, AttributeError, RecursionError):
        return False
