"""A document validated against a schema."""

from contextlib import contextmanager

import jsonschema

ITEM = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 0}, "name": {"type": "string"}},
    "required": ["id"],
    "additionalProperties": False,
}


@contextmanager
def prepared():
    yield jsonschema.Draft7Validator({"type": "array", "items": ITEM})


def run(validator):
    document = [{"id": number, "name": str(number)} for number in range(25)] + [{"id": -1}]
    return len(list(validator.iter_errors(document)))
