"""The inputs of action.yml, read from the environment; every mistake is told at once."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from budgetguard.errors import ConfigError, UsageError
from budgetguard.gate.shard import Shard, parse_shard

COMMENTS = ("always", "red", "never")
MOST_ANNOTATIONS = 10
"""GitHub shows ten of a kind for one step, and drops the rest without a word."""
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ARTIFACT = re.compile(r'[^"<>|*?:\\/\r\n]{1,100}')
"""What GitHub refuses in a name, it refuses only after everything was measured."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the workflow asks for."""

    folder: Path
    config: str = ""
    only: str = ""
    exact: bool = False
    against: str = ""
    shard: Shard | None = None
    strict: bool = False
    enforce: bool = True
    arguments: tuple[str, ...] = ()
    merge: str = ""
    update_baseline: bool = False
    comment: str = "always"
    comment_key: str = "budgetguard"
    artifact: str = ""
    max_annotations: int = MOST_ANNOTATIONS


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """The inputs; raises `ConfigError` with all that is wrong with them."""
    told = _Reader(environment)
    inputs = Inputs(
        folder=told("working-directory", ".", _folder),
        config=told("config", "", str),
        only=told("only", "", str),
        exact=told("exact", "false", _truth),
        against=told("against", "", str),
        shard=told("shard", "", lambda text: parse_shard(text) if text else None),
        strict=told("strict", "false", _truth),
        enforce=told("enforce", "true", _truth),
        arguments=told("args", "", lambda text: tuple(shlex.split(text))),
        merge=told("merge", "", str),
        update_baseline=told("update-baseline", "false", _truth),
        comment=told("comment", "always", _comment),
        comment_key=told("comment-key", "budgetguard", _key),
        artifact=told("artifact", "", _artifact),
        max_annotations=told("max-annotations", str(MOST_ANNOTATIONS), _few),
    )
    told.problems += _contradictions(inputs)
    if told.problems:
        raise ConfigError(told.problems)
    return inputs


def artifact_name(inputs: Inputs) -> str:
    """What the uploaded folder is called; each shard has a name of its own."""
    if inputs.artifact:
        return inputs.artifact
    if inputs.update_baseline:
        return "budgetguard-baseline"
    part = f"-{inputs.shard.number}-of-{inputs.shard.of}" if inputs.shard else ""
    return f"budgetguard-report{part}"


class _Reader:
    """Reads one input after the other and keeps what is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def __call__(self, name: str, default: str, read: Callable[[str], T]) -> T:
        given = self._environment.get(f"INPUT_{name.upper().replace('-', '_')}", "").strip()
        try:
            return read(given or default)
        except (ValueError, UsageError) as error:
            self.problems.append(f"input {name}: got {given!r}; {error}")
            return read(default)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("expected a folder of the checkout; is the repository checked out?")
    return Path(text)


def _comment(text: str) -> str:
    if text not in COMMENTS:
        raise ValueError(f"expected one of {', '.join(COMMENTS)}")
    return text


def _key(text: str) -> str:
    if not _KEY.fullmatch(text) or "--" in text:
        raise ValueError("expected up to 64 letters, digits and single . _ -")
    return text


def _artifact(text: str) -> str:
    if text and not _ARTIFACT.fullmatch(text):
        raise ValueError('expected up to 100 characters without " < > | * ? : \\ /')
    return text


def _few(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MOST_ANNOTATIONS:
        raise ValueError(f"expected 0 to {MOST_ANNOTATIONS}: GitHub shows no more of one step")
    return int(text)


def _contradictions(inputs: Inputs) -> list[str]:
    """Inputs that exclude each other."""
    measuring = {
        "shard": bool(inputs.shard),
        "only": bool(inputs.only),
        "exact": inputs.exact,
        "against": bool(inputs.against),
        "args": bool(inputs.arguments),
        "strict": inputs.strict,
        "update-baseline": inputs.update_baseline,
    }
    modes = {"merge": bool(inputs.merge), "update-baseline": inputs.update_baseline}
    return [
        f"inputs {mode} and {name}: {name} says how to measure, {mode} does something else; "
        f"give one of both"
        for mode, wanted in modes.items()
        for name, given in measuring.items()
        if wanted and given and name != mode
    ]
