"""budgetguard.yml or [tool.budgetguard] -> `Config`; all errors at once, with their place."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import ConfigError
from budgetguard.gate.document import has_table, read_toml, read_yaml
from budgetguard.gate.limits import LimitError, duplicates, nearest, parse_limit
from budgetguard.gate.model import Accepted, Budget, Limit, Metric
from budgetguard.gate.section import Node, Problems, Section
from budgetguard.gate.targets import TARGETS, Target

YAML_NAME = "budgetguard.yml"
TOML_NAME = "pyproject.toml"
BASELINE_NAME = "budgetguard.baseline.json"
VERSION = "1"

_FILE_KEYS = frozenset({"version", "budgets", "accepted"})
_BUDGET_KEYS = frozenset({"limits", "enforce", "may_skip"})
_ACCEPTED_KEYS = frozenset({"budget", "limit", "reason", "until"})


@dataclass(frozen=True, slots=True)
class Config:
    """What one configuration file asks for. Paths in it are relative to `folder`."""

    file: Path
    budgets: tuple[Budget, ...] = ()
    accepted: tuple[Accepted, ...] = ()

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

    Raises `ConfigError` when one folder holds two.
    """
    for folder in (start, *start.parents):
        yaml, toml = folder / YAML_NAME, folder / TOML_NAME
        if has_table(toml):
            if yaml.is_file():
                raise ConfigError([f"{yaml} and [tool.budgetguard] in {toml}: keep one of the two"])
            return toml
        if yaml.is_file():
            return yaml
        if (folder / ".git").exists():
            return None
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
    except ValueError:
        return str(file)


def _read(file: Path, top: Section) -> Config:
    top.unknown(_FILE_KEYS)
    if top.text("version") != VERSION:
        got = top.text("version") or "nothing"
        top.problem("version", f"expected version: {VERSION}; got {got}")
    budgets = tuple(_budgets(top))
    return Config(file, budgets, tuple(_accepted(top, {budget.name: budget for budget in budgets})))


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


def read_limits(section: Section, metrics: Mapping[str, Metric]) -> tuple[Limit, ...]:
    """The limits of a budget; each that cannot be read becomes a problem at its line."""
    node = section.node("limits")
    if node is None:
        section.problem("", "no limits; expected limits: [metric <= bound]")
        return ()
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        section.problem("limits", "no limits; expected at least one")
    limits = []
    for number, item in enumerate(items):
        try:
            limits.append(_limit(item, metrics))
        except LimitError as error:
            section.problems.add(item.line, f"{section.key}.limits[{number}]", str(error))
    for again in duplicates(limits):
        section.problem(
            "limits", f"`{again.text}` says again what another limit on {again.metric.name} said"
        )
    return tuple(limits)


def _limit(item: Node, metrics: Mapping[str, Metric]) -> Limit:
    if not isinstance(item.value, str) or not any(operator in item.value for operator in "<>=≤≥"):
        got = repr(item.value) if isinstance(item.value, str) else item.kind
        quoted = (
            f'; YAML cuts or reshapes such an item, quote it: - "{item.source}"'
            if item.source
            else ""
        )
        raise LimitError(f"expected a limit such as `gzip <= 150 kB`; got {got}{quoted}")
    return parse_limit(item.value, metrics)


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
    section.unknown(_ACCEPTED_KEYS)
    texts = {key: section.text(key) for key in ("budget", "limit", "reason", "until")}
    for key, text in texts.items():
        if not text:
            section.problem(key, f"an accepted regression needs its {key}")
    if not all(texts.values()):
        return None
    if not _is_day(texts["until"]):
        section.problem("until", f"expected a day such as 2027-01-31; got {texts['until']!r}")
    try:
        limit = parse_limit(texts["limit"], _metrics_of(texts["budget"], budgets, section))
    except LimitError as error:
        section.problem("limit", str(error))
        return None
    return Accepted(
        budget=texts["budget"],
        limit=limit,
        reason=texts["reason"],
        until=texts["until"],
        where=section.place(),
    )


def _metrics_of(name: str, budgets: Mapping[str, Budget], section: Section) -> Mapping[str, Metric]:
    budget = budgets.get(name)
    if budget:
        return TARGETS[budget.target].metrics(budget.options)
    if "::" not in name:
        section.problem("budget", f"no budget {name!r}{nearest(name, budgets)}")
    return TARGETS["test"].METRICS


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
