"""What budgetguard's own plugin gives a project, in its place: it must not judge while we measure."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from budgetguard_worker.performance import Performance

UNNAMED = "block"
"""The part that a block without a name is."""
PERFORMANCE: pytest.StashKey[Performance] = pytest.StashKey()
_OWNERS = {
    "limit_memory": ("memray", "pytest_memray", "pytest_memray.plugin"),
    "max_queries": ("querycount", "queryguard", "pytest_querycount", "pytest_queryguard"),
}
OVERRIDES: dict[str, object] = {
    "numprocesses": 0,
    "dist": "no",
    "distload": False,
    "tx": [],
    "looponfail": False,
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
    "setupshow": False,
    "setupplan": False,
    "usepdb": False,
    "trace": False,
    "xmlpath": None,
    "pastebin": None,
    "timeout": 0,
    "randomly_reorganize": False,
    "benchmark_disable": False,
    "benchmark_enable": True,
    "benchmark_skip": False,
    "benchmark_only": False,
    "benchmark_autosave": False,
    "benchmark_save": None,
    "benchmark_json": None,
    "benchmark_compare": None,
    "benchmark_compare_fail": [],
    "benchmark_histogram": None,
    "benchmark_cprofile": None,
    "memray": False,
}
"""Options that addopts may hold and that would take the items, trace them or write a person's files."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that a project may have in addopts; they do nothing here."""
    group = parser.getgroup("budgetguard", "performance budgets")
    group.addoption("--budget", choices=("on", "off"), default="on")
    group.addoption("--budget-update", action="store_true")
    group.addoption("--budget-strict", action="store_true")
    group.addoption("--budget-exact", action="store_true")
    for name in (
        "--budget-against",
        "--budget-wire",
        "--budget-config",
        "--budget-pass",
        "--budget-seed",
        "--budget-shard",
    ):
        group.addoption(name, default="")
    group.addoption("--budget-name", action="append", default=[])


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Keep pytest-cov from starting its tracer, which it does in this very hook."""
    early_config.known_args_namespace.no_cov = True
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Take back what addopts may hold."""
    for name, value in OVERRIDES.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; those of other plugins only where their plugin is absent."""
    config.addinivalue_line("markers", "budget(*limits, numbers={}, may_skip=''): a budget")
    has = config.pluginmanager.hasplugin
    for marker, owners in _OWNERS.items():
        if not any(map(has, owners)):
            config.addinivalue_line("markers", f"{marker}(limit): a budget")


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> Budget:
    """Blocks that are clocked where they are what is measured, and numbers that nobody keeps."""
    return Budget(request.node)


class Budget:
    """`with budget("time <= baseline + 5%", name="load"): ...` and `budget.record(...)`."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, *_: object, name: str = "") -> AbstractContextManager[None]:
        """The clock, where this block is the subject of the moment."""
        performance = self._item.stash.get(PERFORMANCE, None)
        if performance is None:
            return nullcontext()
        return performance.block(name or UNNAMED)

    def record(self, *_: object, **__: object) -> None:
        """A number that is not kept."""
