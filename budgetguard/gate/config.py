"""budgetguard.yml or [tool.budgetguard] -> `Config`; all errors at once, with their place."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import ConfigError
from budgetguard.gate.document import has_table, read_toml, read_yaml
from budgetguard.gate.limit_items import read_limits
from budgetguard.gate.limits import LimitError, nearest, parse_limit
from budgetguard.gate.model import Accepted, Budget, Limit, Metric
from budgetguard.gate.names import BASELINE_NAME, TOML_NAME, YAML_NAME
from budgetguard.gate.section import Node, Problems, Section
from budgetguard.gate.targets import TARGETS, Target
from budgetguard.gate.targets.command.words import read_commands

VERSION = "1"
_MISNAMED = ("budgetguard.yaml", ".budgetguard.yml")

_FILE_KEYS = frozenset({"version", "budgets", "accepted", "setup"})
_BUDGET_KEYS = frozenset({"limits", "enforce", "may_skip"})
_ACCEPTED_KEYS = ("budget", "limit", "reason", "until")


@dataclass(frozen=True, slots=True)
class Config:
    """What one configuration file asks for. Paths in it are relative to `folder`."""

    file: Path
    budgets: tuple[Budget, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    """The commands that make the base's environment, where ours does not fit the project."""

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.file.parent

    @property
    def baseline_file(self) -> Path:
        """The committed baseline beside it."""
        return self.folder / BASELINE_NAME


def find_config(start: Path) -> Path | None:
    """The nearest configuration from `start` upwards to the root of the repository.

    Raises `ConfigError` when one folder holds two, one under another name, or a pyproject.toml that
    mentions us and cannot be read.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        found = _in_folder(folder)
        if found or (folder / ".git").exists():
            return found
    return None


def _in_folder(folder: Path) -> Path | None:
    yaml, toml = folder / YAML_NAME, folder / TOML_NAME
    has_yaml, in_toml = yaml.exists() or yaml.is_symlink(), has_table(toml)
    if has_yaml and in_toml:
        raise ConfigError([f"{yaml} and [tool.budgetguard] in {toml}: keep one of the two"])
    if has_yaml or in_toml:
        return yaml if has_yaml else toml
    for name in _MISNAMED:
        if (folder / name).is_file():
            raise ConfigError([f"{folder / name}: is not read; rename it to {YAML_NAME}"])
    return None


def load_config(file: Path) -> Config:
    """Read a configuration, or raise `ConfigError` with all its problems."""
    problems = Problems(_shown(file))
    root = read_toml(file, problems) if file.suffix == ".toml" else read_yaml(file, problems)
    config = _read(file, Section(root, "", problems, file.parent)) if root else Config(file)
    if problems.found:
        raise ConfigError(problems.found)
    return config


def _shown(file: Path) -> str:
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # elsewhere, a folder that is gone, a loop of links
        return str(file)


def _read(file: Path, top: Section) -> Config:
    top.unknown(_FILE_KEYS)
    version = top.node("version")
    if version is None or version.value != VERSION:
        text = version.value if version else None
        got = text if isinstance(text, str) else version.kind if version else "nothing"
        top.problem("version", f"expected version: {VERSION}; got {got}")
    budgets = tuple(_budgets(top))
    accepted = tuple(_accepted(top, {budget.name: budget for budget in budgets}))
    return Config(file, budgets, accepted, read_commands(top, "setup"))


def _budgets(top: Section) -> list[Budget]:
    node = top.node("budgets")
    if node is None:
        return []
    if not isinstance(node.value, dict):
        top.problem("budgets", f"expected a mapping of names to budgets; got {node.kind}")
        return []
    found = [_budget(name, entry, top) for name, entry in node.value.items()]
    return [budget for budget in found if budget]


def _budget(name: str, node: Node, top: Section) -> Budget | None:
    section = Section(node, f"budgets.{name}", top.problems, top.folder)
    if not isinstance(node.value, dict):
        section.problem("", f"expected a mapping with a target and limits; got {node.kind}")
        return None
    if "::" in name:
        section.problem("", "`::` names a test; call this budget something else")
    if not name or name != name.strip() or not name.isprintable():
        section.problem("", f"expected a printable name without spaces around it; got {name!r}")
    target = _target(section)
    if target is None:
        return None
    section.unknown(_BUDGET_KEYS | {target.NAME} | target.OPTIONS)
    options = target.parse(section)
    return Budget(
        name=name,
        target=target.NAME,
        limits=read_limits(section, _metrics(section, target, options)),
        where=section.place(),
        options=options,
        enforce=section.flag("enforce", default=True),
        may_skip=section.text("may_skip"),
    )


def _target(section: Section) -> Target | None:
    named = [name for name in section if name in TARGETS]
    if len(named) == 1:
        return TARGETS[named[0]]
    if named:
        section.problem(named[1], f"a budget has one target; this one has {' and '.join(named)}")
        return None
    strange = [name for name in section if name not in _BUDGET_KEYS]
    hint = nearest(strange[0], TARGETS) if strange else f"; known: {' '.join(sorted(TARGETS))}"
    section.problem("", f"no target; expected one of the keys {', '.join(sorted(TARGETS))}{hint}")
    return None


def _metrics(section: Section, target: Target, options: object) -> Mapping[str, Metric]:
    try:
        return target.metrics(options)
    except LimitError as error:
        section.problem("numbers", str(error))
        return target.METRICS


def _accepted(top: Section, budgets: Mapping[str, Budget]) -> list[Accepted]:
    node = top.node("accepted")
    if node is None:
        return []
    if not isinstance(node.value, list):
        top.problem("accepted", f"expected a list; got {node.kind}")
        return []
    sections = [
        Section(entry, f"accepted[{number}]", top.problems, top.folder)
        for number, entry in enumerate(node.value)
    ]
    found = [_accept(section, budgets) for section in sections]
    return [accepted for accepted in found if accepted]


def _accept(section: Section, budgets: Mapping[str, Budget]) -> Accepted | None:
    section.unknown(frozenset(_ACCEPTED_KEYS))
    texts = {key: section.text(key) for key in _ACCEPTED_KEYS}
    missing = [key for key in _ACCEPTED_KEYS if key not in section]
    if missing:
        section.problem("", f"an accepted regression needs its {' and '.join(missing)}")
    until = texts["until"]
    if until and not _is_day(until):
        section.problem("until", f"expected a day such as 2027-01-31; got {until!r}")
    metrics = _metrics_of(texts["budget"], budgets, section)
    if metrics is None or not all(texts.values()):
        return None
    try:
        limit = parse_limit(texts["limit"], metrics)
    except LimitError as error:
        section.problem("limit", str(error))
        return None
    _check_accepts(limit, budgets.get(texts["budget"]), section)
    _check_kind(limit, section)
    return Accepted(
        budget=texts["budget"],
        limit=limit,
        reason=texts["reason"],
        until=until,
        where=section.place(),
    )


def _metrics_of(
    name: str, budgets: Mapping[str, Budget], section: Section
) -> Mapping[str, Metric] | None:
    """What a limit of the named budget can be on; of a test all numbers that any group declares."""
    if not name:
        return None
    if name in budgets:
        return TARGETS[budgets[name].target].metrics(budgets[name].options)
    if "::" not in name:
        section.problem("budget", f"no budget {name!r}{nearest(name, budgets)}")
        return None
    tests, found = TARGETS["test"], dict(TARGETS["test"].METRICS)
    for budget in budgets.values():
        found |= tests.metrics(budget.options) if budget.target == tests.NAME else {}
    return found


def _check_accepts(limit: Limit, budget: Budget | None, section: Section) -> None:
    """An acceptance that no limit is loosened by helps nobody; those of tests stand in markers too."""
    if budget is None or budget.target == TARGETS["test"].NAME:
        return
    subject = (limit.selector, limit.metric.name)
    if all((one.selector, one.metric.name) != subject for one in budget.limits):
        named = " ".join(filter(None, subject))
        section.problem("limit", f"budget {budget.name!r} has no limit on {named} to loosen")


def _check_kind(limit: Limit, section: Section) -> None:
    if limit.in_turn:
        section.problem(
            "limit", f"{limit.metric.name} has no stored value; accept an absolute bound"
        )


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text))
