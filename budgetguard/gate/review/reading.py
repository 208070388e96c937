"""What git holds -> configurations and baselines, and the review of all that changed."""

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from budgetguard.errors import BaselineError, ConfigError
from budgetguard.gate.config import Config, load_config
from budgetguard.gate.document import has_table
from budgetguard.gate.model import Baseline
from budgetguard.gate.names import BASELINE_NAME, TOML_NAME
from budgetguard.gate.review.loosened import Loosened, Review, State, review
from budgetguard.gate.review.recorded import baseline_of
from budgetguard.gate.review.versions import Held, Version

Pairs = Sequence[tuple[Version, Version]]


def reviewed(against: Sequence[Pairs], today: dt.date) -> Review:
    """What is looser than in every parent: of a merge, what one side brings was reviewed there.

    Raises `ConfigError` and `BaselineError` for a later version that cannot be read; an earlier one
    that cannot becomes a note, or nobody could mend it.
    """
    found: list[list[Loosened]] = []
    notes: dict[str, None] = {}
    for pairs in against:
        found.append([])
        for before, after in pairs:
            told: list[str] = []
            result = review(_before(before, told), _after(before, after), today)
            found[-1] += result.loosened
            notes |= dict.fromkeys((*told, *result.notes))
    common = set.intersection(*({one.subject for one in each} for each in found))
    return Review(tuple(one for one in found[0] if one.subject in common), tuple(notes))


def _after(before: Version, version: Version) -> State:
    return State(
        config=_config(version.config, "") if version.config else None,
        baseline=_baseline(version.baseline),
        config_path=_path(version.config, before.config, "budgetguard.yml"),
        baseline_path=_path(version.baseline, before.baseline, BASELINE_NAME),
    )


def _before(version: Version, told: list[str]) -> State:
    """What can be read of it; why not is told."""
    config, baseline = None, Baseline(exists=False)
    for held in (version.config, version.baseline):
        try:
            if held and held is version.config:
                config = _config(held, " as it was")
            elif held:
                baseline = _baseline(held)
        except (ConfigError, BaselineError) as error:
            told.append(f"not compared with the version before, which cannot be read: {error}")
    return State(
        config=config,
        baseline=baseline,
        config_path=_path(version.config, None, ""),
        baseline_path=_path(version.baseline, None, BASELINE_NAME),
    )


def _baseline(held: Held | None) -> Baseline:
    return baseline_of(held.content, Path(held.path)) if held else Baseline(exists=False)


def _path(held: Held | None, other: Held | None, otherwise: str) -> str:
    found = held or other
    return found.path if found else otherwise


def _config(held: Held, told: str) -> Config | None:
    """The configuration, None where a pyproject.toml has none for us.

    The one reader of configurations reads files, so this is one for as long as that takes.
    """
    with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
        file = Path(folder).resolve() / PurePosixPath(held.path).name
        file.write_bytes(held.content)
        try:
            if file.name == TOML_NAME and not has_table(file):
                return None
            return load_config(file)
        except ConfigError as error:
            shown = f"{held.path}{told}"
            raise ConfigError(list(_renamed(error.problems, file, shown))) from None


def _renamed(problems: Sequence[str], file: Path, shown: str) -> Iterator[str]:
    for problem in problems:
        _, found, rest = problem.partition(file.name)
        yield f"{shown}{rest}" if found else problem
