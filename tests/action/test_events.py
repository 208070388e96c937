"""The payloads of data/events are GitHub's, and speak of one repository."""

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = "Codertocat/Hello-World"  # that of fake_github.py
_spec = importlib.util.spec_from_file_location("events", HERE / "events.py")
events = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(events)


@pytest.mark.parametrize(
    "name", sorted(each.stem for each in (HERE / "data/events").glob("*.json"))
)
def test_a_payload_is_of_one_repository(name):
    """Every payload loads and speaks of the fake's repository."""
    payload = events.event(name, **{"repository.private": True})
    assert payload["repository"]["full_name"] == REPOSITORY
    assert payload["repository"]["private"] is True


def test_payloads_of_a_fork_name_the_fork():
    """A fork's run has another head repository and no pull request; its own repository's has one."""
    fork = events.event("workflow_run_fork")["workflow_run"]
    assert fork["pull_requests"] == []
    assert fork["head_repository"]["full_name"] == "octocat/Hello-World"
    own = events.event("workflow_run")["workflow_run"]
    assert [each["number"] for each in own["pull_requests"]] == [2]
    head = events.event("pull_request_fork")["pull_request"]["head"]
    assert (head["label"], head["repo"]["fork"]) == ("octocat:changes", True)


def test_a_change_must_have_a_place():
    """A dotted key that no payload has is an error, so that a slip does not pass."""
    changed = events.event("workflow_run", **{"workflow_run.pull_requests.0.number": 7})
    assert changed["workflow_run"]["pull_requests"][0]["number"] == 7
    with pytest.raises(KeyError, match="conclusions"):
        events.event("workflow_run", **{"workflow_run.conclusions": "failure"})
