"""Which budget a test has: its markers from the nearest outwards, then the groups of the configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from budgetguard.errors import ConfigError
from budgetguard.gate.model import Budget, Limit, Where

TARGET = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """Which tests a group means, and the numbers they report.

    `select` is a node id, file, folder, glob or `-m EXPRESSION`.
    """

    __test__ = False

    select: str
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def expression(self) -> str:
        """The marker expression, where it is one."""
        return self.select.removeprefix("-m").strip() if self.select.startswith("-m") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The limits of one marker, with the place it stands at."""

    limits: tuple[Limit, ...]
    where: Where
    may_skip: str = ""


def covers(options: TestOptions, node_id: str, marked: Callable[[str], bool]) -> bool:
    """Whether a group means the test `node_id`; `marked` evaluates a marker expression on it."""
    if options.expression:
        return marked(options.expression)
    pattern = options.select.strip().removeprefix("./").rstrip("/")
    if pattern in ("", "."):
        return True
    if node_id == pattern or node_id.startswith((f"{pattern}/", f"{pattern}::", f"{pattern}[")):
        return True
    return any(_matches(node_id, glob) for glob in {pattern, pattern.removeprefix("**/")})


def _matches(node_id: str, glob: str) -> bool:
    """As a glob on the node id or its file; a bracket is that of a parametrized id too."""
    path = node_id.partition("::")[0]
    literal = glob.replace("[", "[[]")
    return any(fnmatchcase(name, form) for name in (node_id, path) for form in (glob, literal))


def budget_of(node_id: str, markers: Sequence[Declared], groups: Sequence[Budget]) -> Budget | None:
    """The budget of one test, or None; of stacked markers the nearest wins per metric, a marker over a group.

    It has no limits where a marker only says `may_skip`, for a test whose blocks have them.
    Raises `ConfigError` when two groups limit one metric of the test.
    """
    limits: dict[str, tuple[Limit, ...]] = {}
    for declared in markers:
        for name, same in _by_metric(declared.limits, where=declared.where).items():
            limits.setdefault(name, same)
    _check_groups(node_id, groups)
    for group in groups:
        own = _by_metric(group.limits, where=group.where, enforce=group.enforce)
        for name, same in own.items():
            limits.setdefault(name, same)
    skips = [one.may_skip for one in markers] + [one.may_skip for one in groups]
    may_skip = next(filter(None, skips), "")
    if not limits and not may_skip:
        return None
    held = tuple(limit for same in limits.values() for limit in same)
    return Budget(
        name=node_id,
        target=TARGET,
        limits=held,
        where=markers[0].where if markers else groups[0].where,
        group="\n".join(group.name for group in groups),
        enforce=not held or any(limit.enforce for limit in held),
        may_skip=may_skip,
    )


def _by_metric(
    limits: Sequence[Limit], *, where: Where | None = None, enforce: bool = True
) -> dict[str, tuple[Limit, ...]]:
    """The limits on each metric, with the place they come from."""
    found: dict[str, tuple[Limit, ...]] = {}
    for limit in limits:
        placed = replace(limit, where=where, enforce=enforce)
        found[limit.metric.name] = (*found.get(limit.metric.name, ()), placed)
    return found


def _check_groups(node_id: str, groups: Sequence[Budget]) -> None:
    owner: dict[str, Budget] = {}
    for group in groups:
        for name in _by_metric(group.limits):
            other = owner.setdefault(name, group)
            if other is not group:
                taken = f"{name} of {node_id} is limited by {other.name} already"
                raise ConfigError([f"{group.where}: {taken}; give it to one of the two groups"])
