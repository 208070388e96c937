"""What happened on GitHub: the event that started the workflow, as far as it matters here.

A pull request's title, its branches and its author are a stranger's text: none is read but to ask
GitHub's API with.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budgetguard.errors import UsageError

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_LARGEST_BYTES = 32 * 1024 * 1024
"""GitHub's own bound for a payload is 25 MB."""

PULL_REQUEST, POST = "pull_request", "workflow_run"


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """A finished run of another workflow, maybe of a fork's files."""

    number: int
    head_sha: str
    head_branch: str
    head_owner: str
    head_repository: str
    """Such as `owner/name`; "" where the fork is gone."""
    conclusion: str
    started: str
    """When this attempt began, such as 2026-11-23T20:48:00Z."""
    url: str
    of_pull_request: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Why the workflow runs, and where."""

    name: str
    repository: str
    run_url: str
    pull_request: int = 0
    """Its number; 0 for any other event."""
    base: str = ""
    """The commit that the pull request or the merge queue goes onto; "" for any other event."""
    merged: str = ""
    """The commit that is checked out unless a workflow says otherwise, `GITHUB_SHA`."""
    run: ForeignRun | None = None


def read_event(environment: Mapping[str, str]) -> Event:
    """The event; raises `UsageError` where this is no job of GitHub's, or one that cannot be guarded."""
    name, repository = (
        environment.get(key, "") for key in ("GITHUB_EVENT_NAME", "GITHUB_REPOSITORY")
    )
    if not name or not _REPOSITORY.fullmatch(repository):
        raise UsageError(
            "this is no job of GitHub Actions: GITHUB_EVENT_NAME and GITHUB_REPOSITORY say what it is "
            "about; elsewhere: budgetguard check"
        )
    if name == "pull_request_target":
        raise UsageError(
            "event pull_request_target: it checks out the base and would compare it with itself, and with "
            "the pull request checked out it hands your secrets to it; expected: on: pull_request, and for "
            "forks a second workflow on: workflow_run"
        )
    payload = _payload(environment.get("GITHUB_EVENT_PATH", ""))
    server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    event = Event(
        name=name,
        repository=repository,
        run_url=f"{server}/{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}",
        merged=environment.get("GITHUB_SHA", ""),
    )
    try:
        return _filled(event, payload)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"the event {name} in GITHUB_EVENT_PATH is not as GitHub documents it: {error!r}"
        ) from None


def _filled(event: Event, payload: Any) -> Event:
    if event.name == PULL_REQUEST:
        pull = payload["pull_request"]
        return replace(event, pull_request=int(pull["number"]), base=_sha(pull["base"]["sha"]))
    if event.name == "merge_group":
        return replace(event, base=_sha(payload["merge_group"]["base_sha"]))
    if event.name == POST:
        return replace(event, run=_run(payload["workflow_run"]))
    return event


def _run(told: Any) -> ForeignRun:
    head = told["head_repository"] or {"full_name": "", "owner": {"login": ""}}
    return ForeignRun(
        number=int(told["id"]),
        head_sha=_sha(told["head_sha"]),
        head_branch=str(told["head_branch"] or ""),
        head_owner=str(head["owner"]["login"]),
        head_repository=str(head["full_name"]),
        conclusion=str(told["conclusion"] or ""),
        started=str(told["run_started_at"]),
        url=str(told["html_url"]),
        of_pull_request=told["event"] == PULL_REQUEST,
    )


def _sha(text: Any) -> str:
    if not isinstance(text, str) or not _SHA.fullmatch(text):
        raise ValueError(f"{text!r} is no commit")
    return text


def _payload(file: str) -> Any:
    try:
        with Path(file).open("rb") as stream:
            return json.loads(stream.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"GITHUB_EVENT_PATH {file!r}: cannot be read: {error}") from None
