"""The calls of GitHub's REST API that the fake knows, and what GitHub asks of their caller."""

import secrets
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .answers import LONGEST_BODY_CHARACTERS, Answer, Refused, invalid_comment, refused
from .openapi import Operation
from .state import Artifact, PullRequest, Shown, State, Token, repository_id
from .wire import Request

PAGE_DEFAULT, PAGE_MOST = 30, 100
MAY_COMMENT = "issues=write; pull_requests=write"
Item = TypeVar("Item")


@dataclass(frozen=True)
class Call:
    """One call that the document allows: who makes it, on what."""

    github: State
    url: str
    operation: Operation
    request: Request
    links: dict[str, Artifact]

    @property
    def shown(self) -> Shown:
        """How this fake shows what it holds."""
        return Shown(self.url, self.github)

    def asked(self, parameter: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.request.query.get(parameter, [default])[-1]

    def number(self, name: str) -> int:
        """A number in the path."""
        return int(self.operation.named[name])

    def token(self) -> Token | None:
        """The caller's token, None for nobody's; an unknown one is refused."""
        given = self.request.headers.get("authorization")
        if given is None:
            return None
        kind, _, secret = given.partition(" ")
        token = self.github.tokens.get(secret.strip())
        if kind.lower() not in {"bearer", "token"} or token is None:
            raise refused(401, "Bad credentials")
        return token

    def not_found(self) -> Refused:
        """What GitHub says of all that is not there, or not for this caller."""
        return refused(404, "Not Found", self.operation.documentation_url)

    def enter(self) -> Token | None:
        """Find the repository; a private one is not there for nobody."""
        token = self.token()
        asked = f"{self.operation.named['owner']}/{self.operation.named['repo']}"
        if asked.lower() != self.github.repository.lower() or (
            token is None and self.github.private
        ):
            raise self.not_found()
        return token

    def need(self, token: Token | None, permission: str, level: str, accepted: str = "") -> Token:
        """Refuse a token that lacks a permission, and nobody's."""
        if token is None:
            raise refused(401, "Requires authentication", self.operation.documentation_url)
        if not token.may(permission, level):
            raise self.forbidden(token, accepted or f"{permission}={level}")
        return token

    def need_to_read(self, token: Token | None, permission: str, accepted: str = "") -> None:
        """Refuse to show what is private; the public may be read by anyone."""
        if self.github.private:
            self.need(token, permission, "read", accepted)

    def forbidden(self, token: Token, accepted: str) -> Refused:
        """Refuse as GitHub does: it names what would do, never what is missing."""
        kind = "integration" if token.kind == "installation" else "personal access token"
        return refused(
            403,
            f"Resource not accessible by {kind}",
            self.operation.documentation_url,
            {"X-Accepted-GitHub-Permissions": accepted},
        )

    def permission_of(self, number: int) -> str:
        """A conversation under an issue or a pull request; each has a permission of its own."""
        if number in self.github.pull_requests:
            return "pull_requests"
        if number in self.github.issues:
            return "issues"
        raise self.not_found()

    def body(self) -> str:
        """The text of a comment, which has a longest length."""
        text: str = self.request.body["body"]
        docs = self.operation.documentation_url
        if len(text) > LONGEST_BODY_CHARACTERS:
            raise invalid_comment("Body is too long (maximum is 65536 characters)", docs)
        if not text.strip():
            raise invalid_comment("Body cannot be blank", docs)
        return text

    def page(self, found: Sequence[Item]) -> tuple[Sequence[Item], dict[str, str]]:
        """One page of a list, and the Link header to the others."""
        size = min(PAGE_MOST, int(self.asked("per_page", "0"))) or PAGE_DEFAULT
        number = max(1, int(self.asked("page", "1")))
        last = max(1, -(-len(found) // size))
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        before, after = {"prev", "first"}, {"next", "last"}
        left_out = (before if number == 1 else set()) | (after if number >= last else set())
        links = [
            f'<{self._page_url(page)}>; rel="{rel}"'
            for rel, page in pages.items()
            if rel not in left_out
        ]
        return found[(number - 1) * size : number * size], {
            "Link": ", ".join(links)
        } if links else {}

    def _page_url(self, page: int) -> str:
        """GitHub names the repository by its id here, whatever the request named it by."""
        here = self.operation.template.format(**self.operation.named)
        under = here.split("/", 4)[-1]
        query = {key: values[-1] for key, values in self.request.query.items()} | {"page": page}
        base = f"{self.url}/repositories/{repository_id(self.github.repository)}/{under}"
        return f"{base}?{urllib.parse.urlencode(query)}"


def _list_comments(call: Call) -> Answer:
    token, number = call.enter(), call.number("issue_number")
    call.need_to_read(token, call.permission_of(number), "issues=read; pull_requests=read")
    found, headers = call.page(call.github.comments_of(number))
    return Answer(200, [call.shown.comment(each) for each in found], headers)


def _create_comment(call: Call) -> Answer:
    number, entered = call.number("issue_number"), call.enter()
    token = call.need(entered, call.permission_of(number), "write", MAY_COMMENT)
    bot = token.kind == "installation"
    comment = call.github.add_comment(
        number,
        call.body(),
        login=token.login,
        kind="Bot" if bot else "User",
        app=token.login.removesuffix("[bot]") if bot else None,
    )
    shown = call.shown.comment(comment)
    return Answer(201, shown, {"Location": shown["url"]})


def _update_comment(call: Call) -> Answer:
    token, wanted = call.enter(), call.number("comment_id")
    comment = next((each for each in call.github.comments if each.id == wanted), None)
    if comment is None:
        raise call.not_found()
    call.need(token, call.permission_of(comment.number), "write", MAY_COMMENT)
    call.github.change_comment(comment, call.body())
    return Answer(200, call.shown.comment(comment))


def _get_user(call: Call) -> Answer:
    token = call.token()
    if token is None:
        raise refused(401, "Requires authentication", call.operation.documentation_url)
    if token.kind == "installation":
        raise call.forbidden(token, "allows_permissionless_access=true")
    return Answer(200, call.shown.own_user(token.login))


def _list_pull_requests(call: Call) -> Answer:
    call.need_to_read(call.enter(), "pull_requests")
    kept, head, base = call.asked("state", "open"), call.asked("head"), call.asked("base")
    found = sorted(call.github.pull_requests.values(), key=lambda each: -each.number)
    found = [each for each in found if kept in {"all", each.state} and base in {"", each.base}]
    if ":" in head:  # GitHub takes no notice of a head without its owner, and lists them all
        found = [each for each in found if _is_head(each, head)]
    shown, headers = call.page(found)
    return Answer(200, [call.shown.pull_request(each) for each in shown], headers)


def _is_head(pull: PullRequest, head: str) -> bool:
    owner, _, branch = head.partition(":")
    return pull.branch == branch and pull.head_repo.split("/")[0].lower() == owner.lower()


def _list_artifacts(call: Call) -> Answer:
    call.need_to_read(call.enter(), "actions")
    run_id, name = call.number("run_id"), call.asked("name")
    if run_id not in call.github.runs:
        raise call.not_found()
    found = [each for each in call.github.artifacts if each.run_id == run_id]
    found = [each for each in found if name in {"", each.name}]
    newest_first = call.asked("direction", "desc") == "desc"
    found.sort(key=lambda each: each.id, reverse=newest_first)
    shown, headers = call.page(found)
    listed = [call.shown.artifact(each) for each in shown]
    return Answer(200, {"total_count": len(found), "artifacts": listed}, headers)


def _download_artifact(call: Call) -> Answer:
    call.need(call.enter(), "actions", "read")  # even where the repository is public
    wanted = call.number("artifact_id")
    found = next((each for each in call.github.artifacts if each.id == wanted), None)
    if found is None or call.operation.named["archive_format"] != "zip":
        raise call.not_found()
    if found.expired:
        raise refused(410, "Artifact has expired", call.operation.documentation_url)
    signature = secrets.token_urlsafe(24)
    call.links[signature] = found
    link = f"{call.github.storage_url}/actions-results/{found.id}.zip?sig={signature}"
    return Answer(302, headers={"Location": link}, content_type="text/html;charset=utf-8")


CALLS: dict[str, Callable[[Call], Answer]] = {
    "issues/list-comments": _list_comments,
    "issues/create-comment": _create_comment,
    "issues/update-comment": _update_comment,
    "users/get-authenticated": _get_user,
    "pulls/list": _list_pull_requests,
    "actions/list-workflow-run-artifacts": _list_artifacts,
    "actions/download-artifact": _download_artifact,
}
