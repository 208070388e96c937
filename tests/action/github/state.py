"""What the fake of GitHub holds, and how GitHub shows it in JSON."""

import datetime as dt
import hashlib
import itertools
import json
import urllib.parse
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data"
EXAMPLES = json.loads((DATA / "github-answers.json").read_text("utf-8"))
BEYOND_32_BITS = 4_400_000_000  # as are the ids of GitHub's comments and artifacts
LEVELS = ("none", "read", "write")
ACTIONS_BOT_ID = 41_898_282


@dataclass(frozen=True)
class Token:
    """Who a token stands for, and what it may do: `{"issues": "write"}`."""

    login: str
    kind: str  # installation, personal or fine-grained
    permissions: Mapping[str, str]

    def may(self, permission: str, level: str) -> bool:
        """A classic personal token may do what its user may, and here that is all."""
        has = LEVELS.index(self.permissions.get(permission, "none"))
        return self.kind == "personal" or has >= LEVELS.index(level)


def installation(app: str = "github-actions", **permissions: str) -> Token:
    """The token of an app in this repository, such as GITHUB_TOKEN."""
    return Token(f"{app}[bot]", "installation", permissions)


def personal(login: str) -> Token:
    """A classic personal access token."""
    return Token(login, "personal", {})


def fine_grained(login: str, **permissions: str) -> Token:
    """A fine-grained personal access token."""
    return Token(login, "fine-grained", permissions)


@dataclass
class Comment:
    """One comment of an issue or pull request; `app` is the slug of the app that wrote it."""

    id: int
    number: int
    login: str
    type: str
    body: str
    app: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class PullRequest:
    """A pull request; its `head_repo` is this repository or a fork, which may be deleted by now."""

    number: int
    branch: str
    sha: str
    head_repo: str
    state: str = "open"
    base: str = "master"
    fork_deleted: bool = False


@dataclass(frozen=True)
class Artifact:
    """One artifact of a workflow run, with the bytes of its zip file."""

    id: int
    run_id: int
    name: str
    content: bytes
    expired: bool = False


@dataclass
class State:
    """One repository: its pull requests, comments, runs, artifacts, and the tokens that reach it."""

    repository: str
    private: bool = True
    storage_url: str = ""
    tokens: dict[str, Token] = field(default_factory=dict)
    issues: set[int] = field(default_factory=set)
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    runs: set[int] = field(default_factory=set)
    artifacts: list[Artifact] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(BEYOND_32_BITS))

    def add_pull_request(
        self, number: int, *, branch: str, sha: str, head_repo: str | None = None, **more: Any
    ) -> PullRequest:
        """Open (or, with its number, replace) a pull request; `head_repo` names a fork."""
        made = PullRequest(number, branch, sha, head_repo or self.repository, **more)
        self.pull_requests[number] = made
        return made

    def add_comment(
        self, number: int, body: str, *, login: str, kind: str = "User", app: str | None = None
    ) -> Comment:
        """Put a comment under a pull request; `kind` is User or Bot, as GitHub's `type`."""
        now = _now()
        made = Comment(next(self.ids), number, login, kind, body, app, now, now)
        self.comments.append(made)
        return made

    def comments_of(self, number: int) -> list[Comment]:
        """The comments of a pull request, oldest first."""
        return [each for each in self.comments if each.number == number]

    def change_comment(self, comment: Comment, body: str) -> None:
        """Write another body into a comment."""
        comment.body, comment.updated_at = body, _now()

    def add_artifact(
        self, run_id: int, name: str, content: bytes, *, expired: bool = False
    ) -> Artifact:
        """Give a workflow run an artifact."""
        made = Artifact(next(self.ids), run_id, name, content, expired)
        self.runs.add(run_id)
        self.artifacts.append(made)
        return made


class Shown:
    """GitHub's JSON of all that: its own examples with our facts put in."""

    def __init__(self, api: str, state: State) -> None:
        self.api = api
        self.state = state
        self.site = f"https://github.com/{state.repository}"
        self.here = f"{api}/repos/{state.repository}"

    def user(self, login: str, kind: str = "User") -> dict[str, Any]:
        """An account as others see it."""
        example = EXAMPLES["comment"]["user"]
        shown = self._filled(example, {"octocat": urllib.parse.quote(login)})
        site = f"https://github.com/{login}"
        if kind == "Bot":
            site = f"https://github.com/apps/{login.removesuffix('[bot]')}"
        return {**shown, "login": login, "id": account_id(login), "type": kind, "html_url": site}

    def own_user(self, login: str) -> dict[str, Any]:
        """An account as it sees itself."""
        return {**EXAMPLES["user"], **self.user(login), "name": login}

    def comment(self, comment: Comment) -> dict[str, Any]:
        """A comment of an issue or pull request."""
        kind = "pull" if comment.number in self.state.pull_requests else "issues"
        return {
            **EXAMPLES["comment"],
            "id": comment.id,
            "url": f"{self.here}/issues/comments/{comment.id}",
            "html_url": f"{self.site}/{kind}/{comment.number}#issuecomment-{comment.id}",
            "issue_url": f"{self.here}/issues/{comment.number}",
            "body": comment.body,
            "user": self.user(comment.login, comment.type),
            "created_at": comment.created_at,
            "updated_at": comment.updated_at,
            "author_association": "NONE" if comment.type == "Bot" else "CONTRIBUTOR",
            "performed_via_github_app": self._app(comment.app),
        }

    def pull_request(self, pull: PullRequest) -> dict[str, Any]:
        """A pull request as a list of them shows it."""
        example = EXAMPLES["pull_request"]
        facts = {
            "octocat/Hello-World": self.state.repository,
            "1347": str(pull.number),
            example["head"]["sha"]: pull.sha,
        }
        head_repo = None if pull.fork_deleted else pull.head_repo
        base_sha = hashlib.sha1(pull.base.encode()).hexdigest()
        return {
            **self._filled(example, facts),
            **dict.fromkeys(("milestone", "assignee", "active_lock_reason", "merged_at")),
            **{
                name: []
                for name in ("labels", "assignees", "requested_reviewers", "requested_teams")
            },
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "closed_at": None if pull.state == "open" else _now(),
            "user": self.user(pull.head_repo.split("/")[0]),
            "head": self._end(pull.head_repo, pull.branch, pull.sha, head_repo),
            "base": self._end(self.state.repository, pull.base, base_sha, self.state.repository),
        }

    def _end(self, owner: str, ref: str, sha: str, full_name: str | None) -> dict[str, Any]:
        owner = owner.partition("/")[0]
        shown = self.repository(full_name) if full_name else None
        label = f"{owner}:{ref}"
        return {"label": label, "ref": ref, "sha": sha, "user": self.user(owner), "repo": shown}

    def repository(self, full_name: str) -> dict[str, Any]:
        """A repository as a pull request shows it."""
        owner, name = full_name.split("/")
        shown = self._filled(
            EXAMPLES["pull_request"]["head"]["repo"], {"octocat/Hello-World": full_name}
        )
        own = {"id": repository_id(full_name), "name": name, "owner": self.user(owner)}
        fork = full_name != self.state.repository
        return {**shown, **own, "private": self.state.private, "fork": fork}

    def artifact(self, artifact: Artifact) -> dict[str, Any]:
        """An artifact as the list of a run shows it, digest and all."""
        url = f"{self.here}/actions/artifacts/{artifact.id}"
        ours = repository_id(self.state.repository)
        run = {"id": artifact.run_id, "repository_id": ours, "head_repository_id": ours}
        return {
            **EXAMPLES["artifact"],
            "id": artifact.id,
            "name": artifact.name,
            "size_in_bytes": len(artifact.content),
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": artifact.expired,
            "created_at": _now(),
            "digest": f"sha256:{hashlib.sha256(artifact.content).hexdigest()}",
            "workflow_run": {**EXAMPLES["artifact"]["workflow_run"], **run},
        }

    def _app(self, slug: str | None) -> dict[str, Any] | None:
        actions: dict[str, Any] = EXAMPLES["app"]
        if slug is None or slug == actions["slug"]:
            return actions if slug else None
        site = f"https://github.com/apps/{slug}"
        return {**actions, "id": account_id(slug), "slug": slug, "name": slug, "html_url": site}

    def _filled(self, example: Any, facts: Mapping[str, str]) -> dict[str, Any]:
        text = json.dumps(example).replace("https://api.github.com", self.api)
        for old, new in facts.items():
            text = text.replace(old, json.dumps(new)[1:-1])
        filled: dict[str, Any] = json.loads(text)
        return filled


def account_id(login: str) -> int:
    """The same number for the same name; the bot of GitHub Actions has its real one."""
    return ACTIONS_BOT_ID if login == "github-actions[bot]" else zlib.crc32(login.lower().encode())


def repository_id(full_name: str) -> int:
    """The same number for the same repository."""
    return zlib.crc32(full_name.lower().encode())


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
