"""The JSON Schema that editors read."""

import json

import jsonschema
import pytest
import yaml

from budgetguard.errors import ConfigError
from budgetguard.gate.config import load_config
from budgetguard.gate.schema import SHIPPED, examples, render, schema
from budgetguard.gate.targets import TARGETS

VALIDATOR = jsonschema.Draft7Validator(schema())


def test_shipped_file_is_the_generated_one():
    """The file in the package is up to date; else run the command in `schema.py`."""
    assert SHIPPED.read_text(encoding="utf-8") == render()


def test_schema_is_sound():
    """It is itself a valid draft 7 schema."""
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("target", TARGETS)
def test_every_option_is_described(target):
    """A new target or option without its row in the schema is noticed."""
    properties = schema()["definitions"][target]["properties"]

    assert set(properties) == {target, "limits", "enforce", "may_skip", *TARGETS[target].OPTIONS}
    assert all(one["description"] for one in properties.values())


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        (name, one)
        for name, target in TARGETS.items()
        for metric in target.METRICS.values()
        for one in examples(metric)
    ],
)
def test_every_example_is_a_limit(target, limit, tmp_path):
    """What an editor offers passes both the schema and the configuration."""
    needed = {"load": {"host": "http://127.0.0.1:8000"}}.get(target, {})
    document = {"version": 1, "budgets": {"x": {target: "x", **needed, "limits": [limit]}}}
    file = tmp_path / "budgetguard.yml"
    file.write_text(yaml.safe_dump(document))

    VALIDATOR.validate(document)
    load_config(file)


GOOD = """
version: 1
budgets:
  app:
    bundle: [dist/*.js, dist/*.css]
    limits: [gzip <= 150 kB, "*.js gzip <= baseline + 2% or 500 B", raw ≤ 1e6 B]
  perf: {test: tests/perf, limits: wall <= 80 ms, enforce: false}
  cli:
    command: shop --help
    env: {DEBUG: 0}
    timeout: 30 s
    numbers: {tokens: count}
    limits: [time <= baseline + 5%, tokens <= 9, peak_rss <= 80 MB]
accepted:
  - {budget: cli, limit: peak_rss <= 95 MB, reason: ticket 812, until: "2027-01-31"}
"""


def test_good_configuration_passes_both(tmp_path):
    """The schema refuses nothing that the configuration takes."""
    file = tmp_path / "budgetguard.yml"
    file.write_text(GOOD)

    load_config(file)
    VALIDATOR.validate(json.loads(json.dumps(yaml.safe_load(GOOD))))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ("gzip <= 150 kB", "gzop <= 150 kB"),
        ("gzip <= 150 kB", "gzip 150 kB"),
        ("timeout: 30 s", "timeuot: 30 s"),
        ("test: tests/perf", "tset: tests/perf"),
        ("  cli:", "  c::li:"),
        ("reason: ticket 812,", ""),
        ("limits: wall <= 80 ms,", ""),
    ],
)
def test_wrong_configuration_fails_both(old, new, tmp_path):
    """What an editor marks is what the configuration refuses."""
    text = GOOD.replace(old, new)
    file = tmp_path / "budgetguard.yml"
    file.write_text(text)

    assert text != GOOD
    with pytest.raises(ConfigError):
        load_config(file)
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
