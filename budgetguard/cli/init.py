"""`budgetguard init`: a first configuration that fits the project."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from budgetguard.atomic import replace_text
from budgetguard.cli.screen import say
from budgetguard.cli.survey import Assets, Survey, survey
from budgetguard.errors import UsageError
from budgetguard.gate.document import has_table
from budgetguard.gate.names import TOML_NAME, YAML_NAME
from budgetguard.gate.schema import render
from budgetguard.units import Unit, show

SCHEMA = ".budgetguard/schema.json"
ROOM = 1.25
"""What a proposed size limit leaves above the size of today."""
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*-]*")


_INIT_EPILOG = """\
\b
Examples:
  budgetguard init --dry-run
  budgetguard init
"""


@click.command(epilog=_INIT_EPILOG)
@click.option("--dry-run", is_flag=True, help="Print the configuration and write nothing.")
def init(dry_run: bool) -> int:
    """Write a first budgetguard.yml that fits this project.

    It looks at the files of the current folder and runs nothing. A configuration that is there is
    never overwritten.
    """
    folder = Path.cwd()
    target = folder / YAML_NAME
    if target.exists() or target.is_symlink():
        raise UsageError(f"{YAML_NAME} is here already; change it by hand, or remove it first")
    if has_table(folder / TOML_NAME):
        raise UsageError(f"[tool.budgetguard] in {TOML_NAME} is a configuration already")
    text = configuration(survey(folder))
    if dry_run:
        say(text.rstrip())
        return 0
    try:
        (folder / SCHEMA).parent.mkdir(exist_ok=True)
        replace_text(folder / SCHEMA, render())
        replace_text(target, text)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be written: {error.strerror}") from None
    say(f"wrote {YAML_NAME} and {SCHEMA}\nread it, then: budgetguard check")
    return 0


def configuration(found: Survey) -> str:
    """The text of a configuration for what was found."""
    budgets = [
        *_front_end(found),
        *_wheel(found),
        *_commands(found),
        *_tests(found),
    ]
    live = any(not line.lstrip().startswith("#") for block in budgets for line in block)
    lines = [
        f"# yaml-language-server: $schema={SCHEMA}",
        f"# {SCHEMA} gives completion and hover in an editor; it may be committed.",
        "# Check the budgets: budgetguard check · record today's values: budgetguard baseline update",
        "version: 1",
        "budgets:" if live else "budgets: {}  # take the {} away with the first budget",
    ]
    return "\n".join([*lines, *("\n" + "\n".join(block) for block in budgets)]) + "\n"


def _front_end(found: Survey) -> Iterator[list[str]]:
    names: set[str] = set()
    for number, assets in enumerate(found.assets, start=1):
        kind = assets.pattern.rsplit(".", 1)[1]
        name = kind if kind not in names else f"{kind}-{number}"
        names.add(name)
        yield [
            f"  # Today: {_weight(assets)}. The first limit is the promise, the second catches each step.",
            *_budget(name, "bundle", assets.pattern, _size_limits(assets)),
        ]
    if found.bundler and not found.assets:
        block = _budget(
            "app",
            "bundle",
            "dist/assets/*.js",
            ["gzip <= 200 kB", "gzip <= baseline + 2% or 500 B"],
        )
        yield _off(
            f"{found.bundler} is in package.json, but nothing is built: build, then name the files",
            block,
        )


def _weight(assets: Assets) -> str:
    raw = f"{show(assets.raw_bytes, Unit.BYTES)} raw"
    return (
        raw if assets.gzip_bytes is None else f"{raw}, {show(assets.gzip_bytes, Unit.BYTES)} gzip"
    )


def _size_limits(assets: Assets) -> list[str]:
    metric, size = (
        ("raw", assets.raw_bytes) if assets.gzip_bytes is None else ("gzip", assets.gzip_bytes)
    )
    return [f"{metric} <= {_with_room(size)}", f"{metric} <= baseline + 2% or 500 B"]


def _wheel(found: Survey) -> Iterator[list[str]]:
    if found.wheel_bytes is not None:
        limits = [f"raw <= {_with_room(found.wheel_bytes)}", "files <= baseline + 10%"]
        yield [
            "  # What a user downloads. Keep one wheel in dist/.",
            *_budget("wheel", "bundle", "dist/*.whl", limits),
        ]


def _commands(found: Survey) -> Iterator[list[str]]:
    for script, startable in list(found.scripts.items())[:3]:
        limits = ["time <= baseline + 10%", "wall <= 5 s"]
        block = _budget(f"{script}-startup", "command", f"{script} --help", limits)
        if startable:
            yield ["  # How long a person waits for the first sign of life.", *block]
        else:
            yield _off(f"{script} is not installed in this environment", block)


def _tests(found: Survey) -> Iterator[list[str]]:
    queries = ["queries <= baseline"] if found.database else []
    memory = ["peak <= baseline + 10%"] if found.memray else []
    if found.benchmarks:
        limits = ["time <= baseline + 5%", "wall <= 2 s", *queries, *memory]
        yield [
            "  # Every test with a benchmark in it; each is a budget of its own.",
            *_budget("benchmarks", "test", found.benchmarks, limits),
        ]
    elif found.tests:
        reason = (
            f"{found.database} is used here: no test may run more queries than it did"
            if queries
            else (
                "each test of a folder as a budget of its own; a single one gets @pytest.mark.budget(...)"
            )
        )
        yield _off(reason, _budget("tests", "test", found.tests, queries or ["wall <= 2 s"]))


def _budget(name: str, target: str, value: str, limits: Sequence[str]) -> list[str]:
    return [
        f"  {_scalar(name)}:",
        f"    {target}: {_scalar(value)}",
        f"    limits: [{', '.join(limits)}]",
    ]


def _off(reason: str, block: Sequence[str]) -> list[str]:
    return [f"  # {reason}", *(f"  # {line[2:]}" for line in block)]


def _scalar(text: str) -> str:
    """Text as YAML reads it back; quoted where YAML would take a character for its own."""
    if all(_PLAIN.fullmatch(word) or re.fullmatch(r"--[a-z]+", word) for word in text.split(" ")):
        return text
    return json.dumps(text)


def _with_room(size_bytes: int) -> str:
    """A round size above `size_bytes`, such as 150 kB."""
    wanted = max(size_bytes * ROOM, 1000)
    scale, symbol = (1e6, "MB") if wanted >= 1e6 else (1e3, "kB")
    step = 10 ** max(math.floor(math.log10(wanted / scale)) - 1, 0)
    return f"{math.ceil(wanted / scale / step) * step:g} {symbol}"
