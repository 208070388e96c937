"""Make the payloads in data/events from GitHub's own; run by hand as data/NOTICE.md tells."""

import json
import sys
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parent / "data" / "events"
REPOSITORY = (
    *("id", "node_id", "name", "full_name", "private", "owner", "html_url", "description", "fork"),
    *("url", "clone_url", "default_branch", "archived", "visibility"),
)
ACCOUNT = ("login", "id", "node_id", "url", "html_url", "type", "site_admin")
OURS, SHA, BEFORE = (
    "Codertocat/Hello-World",
    "ec26c3e57ca3a959ca5aad62de7213c562f8c821",
    "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
)
RENAMED = {"octo-org/octo-repo": OURS, '"octo-org"': '"Codertocat"', '"octo-repo"': '"Hello-World"'}


def main() -> None:
    """Read @octokit/webhooks-examples in the folder given and write one file an event."""
    source = Path(sys.argv[1]) / "webhooks-examples/api.github.com/index.json"
    given = {each["name"]: each["examples"] for each in json.loads(source.read_text("utf-8"))}
    opened, pushed = trimmed(given["pull_request"][0]), trimmed(given["pull_request"][22])
    repository = opened["repository"]
    run = workflow_run(given["workflow_run"][2], repository)
    events = {
        "pull_request_opened": opened,
        "pull_request_synchronize": pushed,
        "pull_request_fork": from_fork(pushed),
        "workflow_run": run,
        "workflow_run_fork": run_of_fork(run),
        "merge_group": {**renamed(given["merge_group"][0]), "repository": repository},
        "push": push(given["push"][4], repository),
        "workflow_dispatch": {**renamed(given["workflow_dispatch"][1]), "repository": repository},
        "schedule": {
            "repository": repository,
            "schedule": "17 3 * * *",
            "workflow": ".github/workflows/nightly.yml",
        },
    }
    for name, payload in events.items():
        for left_out in ("installation", "organization"):
            payload.pop(left_out, None)
        (EVENTS / f"{name}.json").write_text(json.dumps(payload, indent=2) + "\n", "utf-8")


def trimmed(node: Any) -> Any:
    """Keep of repositories and accounts what a test can ask for, of the rest all but the links."""
    if isinstance(node, list):
        return [trimmed(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = REPOSITORY if "full_name" in node else ACCOUNT if "login" in node else None
    return {
        key: trimmed(value)
        for key, value in node.items()
        if (key in kept if kept else not key.endswith("_url") or key == "html_url")
        and key != "_links"
    }


def renamed(node: Any) -> Any:
    """Let every payload speak of one repository."""
    text = json.dumps(trimmed(node))
    for old, new in RENAMED.items():
        text = text.replace(old, new)
    return json.loads(text)


def fork_of(repository: dict[str, Any]) -> dict[str, Any]:
    """The same repository in the hands of another."""
    owner = {"login": "octocat", "id": 583231, "node_id": "MDQ6VXNlcjU4MzIzMQ=="}
    owner |= {
        "url": "https://api.github.com/users/octocat",
        "html_url": "https://github.com/octocat",
    }
    owner |= {"type": "User", "site_admin": False}
    made = json.loads(json.dumps(repository).replace(OURS, "octocat/Hello-World"))
    return {**made, "id": 200000001, "fork": True, "owner": owner}


def from_fork(event: dict[str, Any]) -> dict[str, Any]:
    """A pull request from a fork: another head.repo, and nothing else that tells."""
    made: dict[str, Any] = json.loads(json.dumps(event))
    pull = made["pull_request"]
    fork = fork_of(pull["head"]["repo"])
    pull["head"] |= {"label": "octocat:changes", "user": fork["owner"], "repo": fork}
    pull |= {"user": fork["owner"], "author_association": "FIRST_TIME_CONTRIBUTOR"}
    made["sender"] = fork["owner"]
    return made


def workflow_run(event: dict[str, Any], repository: dict[str, Any]) -> dict[str, Any]:
    """The end of a pull request's run; the example was one of a repository_dispatch."""
    made = renamed(event)
    run = made["workflow_run"]
    run |= {"event": "pull_request", "head_branch": "changes", "head_sha": SHA}
    run |= {"repository": repository, "head_repository": repository}
    run["head_commit"] |= {"id": SHA, "message": "Update README.md"}
    run["head_commit"]["author"] = run["head_commit"]["committer"]
    return {**made, "repository": repository}


def run_of_fork(event: dict[str, Any]) -> dict[str, Any]:
    """The same from a fork, for which GitHub names no pull request."""
    made = json.loads(json.dumps(event))
    fork = fork_of(made["repository"])
    made["workflow_run"] |= {"head_repository": fork, "pull_requests": []}
    return {**made, "sender": fork["owner"]}


def push(event: dict[str, Any], repository: dict[str, Any]) -> dict[str, Any]:
    """A push to a branch that was there before; the example made the branch."""
    return {**trimmed(event), "before": BEFORE, "created": False, "repository": repository}


if __name__ == "__main__":
    main()
