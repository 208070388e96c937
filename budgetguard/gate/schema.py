"""The JSON Schema of budgetguard.yml, for completion and hover in an editor.

It is generated from the tables of targets, and the shipped file is what this prints:

    python -m budgetguard.gate.schema > budgetguard/budgetguard.schema.json

Draft 7, which the YAML language server knows best. An editor's schema helps with writing; what is
right is said by `load_config`.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from budgetguard.gate.config import VERSION
from budgetguard.gate.model import Metric
from budgetguard.gate.targets import TARGETS, Target
from budgetguard.gate.targets.load.profiles import PROFILES
from budgetguard.gate.targets.load.traffic import Model
from budgetguard.units import EXAMPLES, SYMBOLS, Unit

SHIPPED = Path(__file__).parents[1] / "budgetguard.schema.json"

Schema = dict[str, object]

_TEXT: Schema = {"type": ["string", "number"]}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_MAPPING: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1}
_DURATION: Schema = {"type": "string", "examples": ["30 s", "2 min"]}
_TARGET_KEYS: Mapping[str, tuple[Schema, str]] = {
    "bundle": (
        _TEXTS,
        "Files, folders or globs whose size is limited, such as dist/assets/app-*.js",
    ),
    "command": (_TEXTS, "A command line, started afresh for each reading; no shell reads it"),
    "load": (_TEXT, "A locustfile; it runs unchanged"),
    "test": (
        _TEXT,
        "A node id, file, folder, glob or -m EXPRESSION; each test is a budget of its own",
    ),
}
_OPTIONS: Mapping[str, tuple[Schema, str]] = {
    "cwd": (_TEXT, "The folder to start in, from the folder of this file"),
    "env": (_MAPPING, "Environment variables to set"),
    "numbers": (
        _MAPPING,
        "Numbers the test or command reports itself, each with its unit: tokens: count",
    ),
    "setup": (_TEXTS, "A command to run before, not measured"),
    "timeout": (_DURATION, "How long one run, or the start of an app, may take"),
    "serve": (_TEXTS, "The command that starts the app; {port} and {dir} are filled in"),
    "ready": (_TEXT, "A path that the app answers with success once it is ready"),
    "port": (_NUMBER, "A fixed port for the app; without it a free one is taken"),
    "host": (_TEXT, "An app that runs already, such as http://127.0.0.1:8000"),
    "allow_remote": (_FLAG, "true allows to load what is not this machine"),
    "headers": (_MAPPING, "Headers of every request; ${NAME} is an environment variable"),
    "environments": (
        {"type": "object", "additionalProperties": {"type": "object"}},
        "Other hosts by name, each with host, headers, users (at most), allow_remote and limits",
    ),
    "profile": ({"enum": list(PROFILES)}, "What users come: the shape of the load"),
    "users": (_NUMBER, "The users that are expected; the profile multiplies them"),
    "stages": (
        {"type": "array", "items": {"type": "object"}, "minItems": 1},
        "In place of a profile: [{users: 50, for: 10 s, ramp: 2 s}]",
    ),
    "duration": (_DURATION, "How long the profile lasts, without the warm-up"),
    "warmup": (_DURATION, "How long the first users take to come; not counted"),
    "model": ({"enum": list(get_args(Model))}, "open begins tasks at a constant rate"),
    "rate": (_TEXT, "Tasks that begin in a second, with model: open, such as 100 /s"),
    "seed": (_NUMBER, "Draws what the locustfile draws"),
    "processes": (_NUMBER, "How many processes share the users"),
    "workers": ({"enum": ["external"]}, "external: the processes are started elsewhere"),
}
_SHARED: Mapping[str, tuple[Schema, str]] = {
    "enforce": (_FLAG, "false shows the budget without guarding it"),
    "may_skip": (_TEXT, "The reason why this budget may be skipped"),
}


def schema() -> Schema:
    """The schema of the whole file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "budgetguard.yml",
        "description": "Performance budgets and their limits",
        "type": "object",
        "required": ["version", "budgets"],
        "additionalProperties": False,
        "properties": {
            "version": {
                "description": "The version of this format",
                "enum": [int(VERSION), VERSION],
            },
            "budgets": {
                "description": "Budgets by name; each has one target and its limits",
                "type": "object",
                "patternProperties": {"^(?!.*::).+$": _budget()},
                "additionalProperties": False,
            },
            "accepted": {
                "description": "Regressions the team took on, each until a day",
                "type": "array",
                "items": _accepted(),
            },
            "setup": {
                **_TEXTS,
                "description": "Commands that make the environment of the base's checkout",
            },
        },
        "definitions": {name: _of_target(target) for name, target in sorted(TARGETS.items())},
    }


def render() -> str:
    """The text of the shipped file."""
    return json.dumps(schema(), indent=2) + "\n"


def _budget() -> Schema:
    """One branch per target, chosen by its key, so that an editor tells the errors of that target."""
    names = sorted(TARGETS)
    return {
        "type": "object",
        "anyOf": [{"$ref": f"#/definitions/{name}"} for name in names],
    }


def _of_target(target: Target) -> Schema:
    keys = {target.NAME: _TARGET_KEYS[target.NAME]}
    keys |= {name: _OPTIONS[name] for name in sorted(target.OPTIONS)}
    properties: Schema = {"limits": _limits(target)}
    properties |= {
        name: {**kind, "description": about} for name, (kind, about) in {**keys, **_SHARED}.items()
    }
    return {
        "type": "object",
        "required": [target.NAME, "limits"],
        "additionalProperties": False,
        "properties": properties,
    }


def _limits(target: Target) -> Schema:
    one: Schema = {
        "type": "string",
        "description": _about(target.METRICS),
        "examples": [example for metric in target.METRICS.values() for example in examples(metric)],
        "pattern": limit_pattern(target.METRICS, own="numbers" in target.OPTIONS),
    }
    return {
        "description": f"Limits of the form [part] metric <= bound. {_about(target.METRICS)}",
        "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
    }


def _about(metrics: Mapping[str, Metric]) -> str:
    return "Metrics: " + "; ".join(f"{one.name}, {one.about}" for one in metrics.values())


def examples(metric: Metric) -> list[str]:
    """Limits on a metric, as an editor offers them."""
    operator, worse = ("<=", "+") if metric.better == "lower" else (">=", "-")
    bound = "6" if metric.unit is Unit.COUNT else EXAMPLES[metric.unit].split(",")[0]
    absolute = f"{metric.name} {operator} {bound}"
    return (
        [absolute, f"{metric.name} {operator} baseline {worse} 5%"]
        if metric.relative
        else [absolute]
    )


def limit_pattern(metrics: Mapping[str, Metric], *, own: bool) -> str:
    """A regular expression for limits on these metrics, and on numbers of one's `own`.

    It lets through what the limit language does, and more: units and directions are checked later.
    """
    names = r"[^\s<>=≤≥]+" if own else "|".join(re.escape(name) for name in sorted(metrics))
    symbols = "|".join(re.escape(one) for one in sorted(SYMBOLS, key=len, reverse=True) if one)
    quantity = rf"[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\s*(?:{symbols}|[µμ]s|points)?"
    relative = rf"baseline(?:\s*[+-]\s*{quantity}(?:\s+or\s+{quantity})?)?"
    return rf"^\s*(?:.*\S\s+)?(?:{names})\s*(?:<=|>=|<|>|≤|≥)\s*(?:{quantity}|{relative})\s*$"


def _accepted() -> Schema:
    texts = {
        "budget": "The name of the budget or test",
        "limit": "The limit that holds in the meantime, such as peak_rss <= 95 MB",
        "reason": "Why the team takes it on",
    }
    properties: Schema = {name: {**_TEXT, "description": about} for name, about in texts.items()}
    properties["until"] = {
        "type": "string",
        "description": "The last day it holds, such as 2027-01-31",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    }
    return {
        "type": "object",
        "required": ["budget", "limit", "reason", "until"],
        "additionalProperties": False,
        "properties": properties,
    }


if __name__ == "__main__":
    sys.stdout.write(render())
