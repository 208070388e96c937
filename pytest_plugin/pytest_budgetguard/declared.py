"""What tests declare: markers and configurations, put together to one budget for each test."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.baseline import read_baseline
from budgetguard.gate.config import Config, find_config, load_config
from budgetguard.gate.items import Declared, TestOptions, budget_of, covers
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import LimitError, check_numbers, duplicates, parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Baseline, Budget, Limit, Metric, Where
from budgetguard.gate.run import yardstick
from pytest_budgetguard.internals import matches_markers, nearest_markers
from pytest_budgetguard.plugin import borrowed, takes_budget


@dataclass(frozen=True)
class Home:
    """A configuration with its baseline, or the lack of both: where budgets of tests belong."""

    config: Config | None
    folder: Path

    @cached_property
    def baseline(self) -> Baseline:
        """The committed values; raises `BaselineError`."""
        return read_baseline(self.config.baseline_file) if self.config else Baseline(exists=False)

    @cached_property
    def yardstick(self) -> Yardstick:
        """What limits are judged by here."""
        return yardstick(self.config, self.baseline) if self.config else Yardstick()

    @property
    def no_baseline(self) -> str:
        """Why nothing can be compared with a baseline here, or nothing."""
        return (
            ""
            if self.config
            else f"no budgetguard.yml from its folder upwards, so no baseline: {self.folder}"
        )

    @property
    def groups(self) -> tuple[Budget, ...]:
        """The configuration's budgets of tests."""
        return (
            tuple(budget for budget in self.config.budgets if budget.target == "test")
            if self.config
            else ()
        )


@dataclass
class Homes:
    """Finds and reads each configuration once."""

    given: Path | None
    rootpath: Path
    _by_folder: dict[Path, Home] = field(default_factory=dict)
    _by_file: dict[Path | None, Home] = field(default_factory=dict)

    def of(self, item: pytest.Item | pytest.Collector) -> Home:
        """The home of an item: the nearest configuration from its file upwards."""
        folder = item.path.parent
        if folder not in self._by_folder:
            self._by_folder[folder] = self._read(self._file(folder))
        return self._by_folder[folder]

    def at(self, file: Path | None) -> Home:
        """The home of a configuration file, or of those that have none."""
        return self._read(file)

    def of_run(self) -> Home:
        """The home of a run from pytest's root, which may have lost all its tests."""
        return self._read(self._file(self.rootpath))

    def _file(self, folder: Path) -> Path | None:
        nearest = find_config(folder)
        given = self.given
        if (
            given
            and given.parent in (folder, *folder.parents)
            and (nearest is None or given.parent not in nearest.parent.parents)
        ):
            return given
        return nearest

    def _read(self, file: Path | None) -> Home:
        if file not in self._by_file:
            config = load_config(file) if file else None
            self._by_file[file] = Home(config, file.parent if file else self.rootpath)
        return self._by_file[file]


@dataclass(frozen=True)
class Bound:
    """An item bound to its home and to what limits it: its metrics, and its budget if it has one."""

    item: pytest.Function
    home: Home
    name: str
    metrics: Mapping[str, Metric]
    numbers: Mapping[str, str]
    budget: Budget | None

    @property
    def known_budget(self) -> Budget:
        """Its budget, or one without limits where only the blocks in its body have any."""
        return self.budget or Budget(name=self.name, target="test", limits=(), where=self.where)

    @property
    def where(self) -> Where:
        """Where the test stands."""
        return _place(self.item)


def bind(item: pytest.Function, home: Home) -> Bound:
    """Read markers and groups of an item. Raises `ConfigError` with every problem of its markers."""
    name = node_id(item, home.folder)
    groups = [group for group in home.groups if _covered(group, name, item)]
    numbers = _numbers(item, groups)
    try:
        metrics = check_numbers(numbers, METRICS)
    except LimitError as error:
        raise ConfigError([f"{_place(item)}: {error}"]) from None
    declared = list(_markers(item, metrics))
    return Bound(item, home, name, metrics, numbers, budget_of(name, declared, groups))


def budget_of_module(collector: pytest.Collector, homes: Homes) -> Budget | None:
    """What stands for the tests of a module that was skipped as a whole, where groups mean them."""
    home = homes.of(collector)
    if homes.given and home.config and home.config.file != homes.given:
        return None
    name = node_id(collector, home.folder)
    groups = [
        group
        for group in home.groups
        if isinstance(group.options, TestOptions) and covers(group.options, name, lambda _: False)
    ]
    if not groups:
        return None
    return Budget(
        name=name,
        target="test",
        limits=(),
        where=groups[0].where,
        group="\n".join(group.name for group in groups),
        enforce=any(group.enforce for group in groups),
        may_skip=next((group.may_skip for group in groups if group.may_skip), ""),
    )


def node_id(item: pytest.Item | pytest.Collector, folder: Path) -> str:
    """The node id relative to the configuration's folder, whatever pytest's rootdir is."""
    _, separator, rest = item.nodeid.partition("::")
    try:
        path = item.path.relative_to(folder).as_posix()
    except ValueError:
        path = item.nodeid.partition("::")[0]
    return f"{path}{separator}{rest}"


def _covered(group: Budget, name: str, item: pytest.Item) -> bool:
    options = group.options
    return isinstance(options, TestOptions) and covers(
        options, name, lambda expression: _marked(expression, item, group)
    )


def _marked(expression: str, item: pytest.Item, group: Budget) -> bool:
    try:
        return matches_markers(expression, item)
    except SyntaxError as error:
        raise ConfigError(
            [f"{group.where}: -m {expression!r} is not a marker expression: {error.msg}"]
        ) from None


def _numbers(item: pytest.Function, groups: list[Budget]) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in groups:
        if isinstance(group.options, TestOptions):
            found |= group.options.numbers
    for mark in reversed(list(nearest_markers(item))):  # the nearest has the last word
        declared = mark.kwargs.get("numbers", {}) if mark.name == "budget" else {}
        if isinstance(declared, Mapping):
            found |= {str(name): str(kind) for name, kind in declared.items()}
    return found


def _markers(item: pytest.Function, metrics: Mapping[str, Metric]) -> Iterator[Declared]:
    where = _place(item)
    problems: list[str] = []
    foreign = borrowed(item.config)
    for mark in nearest_markers(item):
        if mark.name == "budget":
            texts = mark.args
            problems += [f"{where}: {problem}" for problem in _misused(mark, item)]
        elif mark.name in foreign and mark.args:
            texts = (_translated(mark),)
        else:
            problems += [f"{where}: {problem}" for problem in _misspelt(mark, item.config)]
            continue
        limits: list[Limit] = []
        for text in texts:
            try:
                limits.append(parse_limit(text, metrics))
            except LimitError as error:
                problems.append(f"{where}: {error}")
            except (AttributeError, TypeError):
                problems.append(f"{where}: {text!r} is not a limit; expected text")
        problems += [
            f"{where}: `{again.text}` says again what another limit said"
            for again in duplicates(limits)
        ]
        yield Declared(
            limits=tuple(limits), where=where, may_skip=str(mark.kwargs.get("may_skip", ""))
        )
    if problems:
        raise ConfigError(problems)


def _misused(mark: pytest.Mark, item: pytest.Item) -> Iterator[str]:
    """What is wrong with a `budget` marker besides its limits."""
    for strange in sorted(set(mark.kwargs) - {"numbers", "may_skip"}):
        yield f"budget() takes no {strange!r}; expected limits, numbers= and may_skip="
    if not isinstance(mark.kwargs.get("numbers", {}), Mapping):
        yield "budget(numbers=): expected a mapping such as {'tokens': 'count'}"
    if not mark.args and not mark.kwargs and not takes_budget(item):
        yield "budget() without a limit; expected one such as 'queries <= 6'"


def _misspelt(mark: pytest.Mark, config: pytest.Config) -> Iterator[str]:
    """A marker that is nearly called like ours, and that nobody has registered."""
    if _near(mark.name):
        registered = {str(line).split(":")[0].split("(")[0] for line in config.getini("markers")}
        if mark.name not in registered:
            yield (
                f"unknown marker {mark.name!r}; did you mean budget? "
                f"If it is your own, register it: markers = {mark.name}"
            )


@cache
def _near(name: str) -> bool:
    return bool(get_close_matches(name.lower(), ["budget"], cutoff=0.8))


def _translated(mark: pytest.Mark) -> str:
    """The limit that another plugin's marker means."""
    if mark.name == "max_queries":
        return f"queries <= {mark.args[0]}"
    return f"peak <= {_memray_size(str(mark.args[0]))}"


def _memray_size(text: str) -> str:
    """pytest-memray reads KB, MB and GB as powers of 1024."""
    for symbol, ours in (("KB", "KiB"), ("MB", "MiB"), ("GB", "GiB")):
        if text.upper().endswith(symbol):
            return f"{text[: -len(symbol)].strip()} {ours}"
    return text


def _place(item: pytest.Function) -> Where:
    """The first line of the test with its decorators."""
    try:
        line = inspect.getsourcelines(item.function)[1]
    except (OSError, TypeError):
        line = (item.location[1] or 0) + 1
    return Where(item.nodeid.partition("::")[0], line)
