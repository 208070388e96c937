"""The JSON Schema of the JSON report, for programs that read it.

It is generated from the values the gate knows, and the shipped file is what this prints:

    python -m budgetguard.gate.report.schema > budgetguard/budgetguard-report.schema.json

Draft 2020-12. Fields may be added under one `schema`, so that unknown ones are allowed.
"""

import json
import sys
from enum import StrEnum
from pathlib import Path

from budgetguard.gate.report.json import SCHEMA
from budgetguard.gate.shard import MOST
from budgetguard.gate.verdict import Outcome
from budgetguard.units import Unit

SHIPPED = Path(__file__).parents[2] / "budgetguard-report.schema.json"

Schema = dict[str, object]


def schema() -> Schema:
    """The schema of the whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pytest-budgetguard:report:{SCHEMA}",
        "title": "budgetguard report",
        "description": "All verdicts of a run. Bytes, seconds, ratio (0.05 is 5 %), count, per second",
        **_object(
            schema={"const": SCHEMA, "description": "The version of this format"},
            tool=_text("What wrote it, with its version"),
            machine=_text("Interpreter, system and processor"),
            commit=_text("Of the work tree; empty outside a repository"),
            folder=_text(
                "From the repository's root to what places are relative to; ends in a slash"
            ),
            asked=_text("The options that narrowed the run"),
            started=_text("When, in UTC"),
            duration_s={"type": "number", "minimum": 0},
            whole=_flag("Whether it judged that nothing is missing; false for one shard"),
            strict=_flag("Whether what is unsettled, new or left is red, too"),
            shard=_nullable(_shard()),
            exit_code={"enum": [0, 1, 3, 4], "description": _EXIT_CODES},
            summary=_summary(),
            verdicts={"type": "array", "items": {"$ref": "#/$defs/verdict"}},
            left={"type": "array", "items": _left()},
            notes=_texts("What a person should know beside the verdicts"),
        ),
        "$defs": {"verdict": _verdict()},
    }


def render() -> str:
    """The text of the shipped file."""
    return json.dumps(schema(), indent=2) + "\n"


_EXIT_CODES = "0 within budget, 1 over it, 3 unsettled or new under strict, 4 not measured"


def _verdict() -> Schema:
    return _object(
        budget=_text("The name of the budget or test"),
        target=_text("What carries it, such as bundle, test or command"),
        limit=_text("As it is written; empty for what is about no single limit"),
        outcome=_enum(Outcome, "How it came out"),
        metric=_text("The number that is limited; empty for a budget that was not measured"),
        unit=_enum(Unit, "Of measured, allowed and baseline"),
        selector=_text("The part of the target; empty is the whole"),
        measured=_number("What this run read"),
        allowed=_number("The bound in the same unit"),
        baseline=_number("What it is compared with"),
        change=_nullable(
            {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": ["number", "null"]}},
            "Lower end, estimate and upper end, as ratios; an infinite end is null",
        ),
        visible=_number("The smallest change, as a ratio, that could have been seen"),
        reason=_text("Why, in a sentence"),
        hint=_text("The next step"),
        evidence=_texts("The worst first"),
        where={
            **_object(
                file=_text("Relative to the configuration's folder; empty where there is none"),
                line={"type": ["integer", "null"], "minimum": 0},
                key=_text("The place in a configuration, such as budgets.app"),
            ),
            "description": "The place that a person has to change",
        },
        enforced=_flag("Whether it can stop a build"),
        note=_text("What a person should know beside it"),
        red=_flag("Whether it stops the build"),
    )


def _left() -> Schema:
    return _object(
        budget=_text("The name of the budget or test"),
        limit=_text("As it is written"),
        reason=_text("Why this run could not decide it"),
    )


def _shard() -> Schema:
    number: Schema = {"type": "integer", "minimum": 1, "maximum": MOST}
    return _object(
        number=number,
        of=number,
        unmatched={
            "type": "array",
            "items": {"$ref": "#/$defs/verdict"},
            "description": "Groups without a test in this shard: errors, if every shard says so",
        },
    )


def _summary() -> Schema:
    count: Schema = {"type": "integer", "minimum": 0}
    outcomes = _object(**{str(outcome): count for outcome in Outcome})
    return _object(limits=count, guarded=count, red=count, left=count, outcomes=outcomes)


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _text(about: str) -> Schema:
    return {"type": "string", "description": about}


def _texts(about: str) -> Schema:
    return {"type": "array", "items": {"type": "string"}, "description": about}


def _flag(about: str) -> Schema:
    return {"type": "boolean", "description": about}


def _number(about: str) -> Schema:
    return {"type": ["number", "null"], "description": about}


def _enum(kind: type[StrEnum], about: str) -> Schema:
    return {"enum": [str(one) for one in kind], "description": about}


def _nullable(one: Schema, about: str = "") -> Schema:
    return {"anyOf": [one, {"type": "null"}], **({"description": about} if about else {})}


if __name__ == "__main__":
    sys.stdout.write(render())
