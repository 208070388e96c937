"""What a workflow and an event may say, and what is refused with its reason."""

import json

import pytest

from budgetguard.action.event import read_event
from budgetguard.action.inputs import artifact_name, read_inputs
from budgetguard.errors import ConfigError, UsageError

HERE = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "octo/shop"}


def test_nothing_is_asked_for():
    """Without inputs everything is measured, enforced and commented."""
    inputs = read_inputs({})
    assert (inputs.enforce, inputs.exact, inputs.comment) == (True, False, "always")
    assert artifact_name(inputs) == "budgetguard-report"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("EXACT", "yes", "expected true or false"),
        ("SHARD", "0/3", "counted from 1"),
        ("ARGS", "'", "No closing quotation"),
        ("COMMENT", "no", "always, red, never"),
        ("COMMENT_KEY", "a-->b", "letters, digits"),
        ("COMMENT_KEY", "a\nb", "letters, digits"),
        ("COMMENT_KEY", "a--b", "single"),
        ("ARTIFACT", "a/b", "100 characters"),
        ("MAX_ANNOTATIONS", "-1", "0 to 10"),
        ("MAX_ANNOTATIONS", "²", "0 to 10"),
        ("WORKING_DIRECTORY", "nowhere", "is the repository checked out"),
    ],
)
def test_an_input_that_is_wrong(name, text, told):
    """Each is told by its name, with what was got and what is expected."""
    with pytest.raises(ConfigError) as caught:
        read_inputs({f"INPUT_{name}": text})
    [problem] = caught.value.problems
    assert problem.startswith(f"input {name.lower().replace('_', '-')}: got {text!r}; ")
    assert told in problem


@pytest.mark.parametrize("mode", ["MERGE", "UPDATE_BASELINE"])
def test_inputs_that_exclude_each_other(mode):
    """Joining and recording measure for no verdict, so what says how to measure is refused."""
    given = {f"INPUT_{mode}": "true", "INPUT_SHARD": "1/2", "INPUT_EXACT": "true"}
    with pytest.raises(ConfigError) as caught:
        read_inputs(given)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"INPUT_SHARD": "2/3"}, "budgetguard-report-2-of-3"),
        ({"INPUT_UPDATE_BASELINE": "true"}, "budgetguard-baseline"),
        ({"INPUT_ARTIFACT": "mine", "INPUT_SHARD": "2/3"}, "mine"),
    ],
)
def test_the_artifacts_name(given, name):
    """Shards have names of their own, and a name that is given is taken as it is."""
    assert artifact_name(read_inputs(given)) == name


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "pull_request_opened",
            {"pull_request": 2, "base": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
        ),
        ("merge_group", {"pull_request": 0}),
        ("push", {"pull_request": 0, "base": ""}),
        ("schedule", {"pull_request": 0, "base": ""}),
        ("workflow_dispatch", {"pull_request": 0, "base": ""}),
    ],
)
def test_real_payloads(event, tmp_path, name, facts):
    """Of each event that GitHub sends we know what to compare with."""
    told = tmp_path / "event.json"
    told.write_text(json.dumps(event(name)))
    kind = "pull_request" if name.startswith("pull_request") else name
    found = read_event({**HERE, "GITHUB_EVENT_NAME": kind, "GITHUB_EVENT_PATH": str(told)})
    assert {key: getattr(found, key) for key in facts} == facts
    assert bool(found.base) == (name in ("pull_request_opened", "merge_group"))


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "not as GitHub documents it"),
        ('{"pull_request": {"number": 1, "base": {"sha": "--upload-pack=x"}}}', "is no commit"),
    ],
)
def test_a_payload_that_is_none(tmp_path, payload, told):
    """What is no event of GitHub's is refused; a commit's name never becomes an option of git."""
    file = tmp_path / "event.json"
    file.write_text(payload)
    with pytest.raises(UsageError, match=told):
        read_event({**HERE, "GITHUB_EVENT_PATH": str(file)})


def test_outside_of_github():
    """Anywhere else the error leads to the command that is meant."""
    with pytest.raises(UsageError, match="elsewhere: budgetguard check"):
        read_event({})
