"""One comment on a pull request, found again by its first line and replaced in place."""

from collections.abc import Iterator, Mapping
from typing import Any

from budgetguard.action.api import ApiError, GitHub
from budgetguard.gate.report.markdown import LARGEST


def marker(key: str) -> str:
    """The first line of the comment; it is not shown."""
    return f"<!-- budgetguard:{key} -->\n"


def put_comment(github: GitHub, number: int, key: str, text: str, *, only_update: bool) -> str:
    """Write or replace the comment of `key`, and return its address; "" where there is none.

    With `only_update` a comment is replaced and never begun. Raises `ApiError`.
    """
    body = f"{marker(key)}{text}"[:LARGEST]
    found = next(_ours(github, number, key), None)
    if found is not None:
        if _same(found["body"], body):
            return str(found["html_url"])
        try:
            return _sent(github, "PATCH", f"issues/comments/{int(found['id'])}", body)
        except ApiError as error:
            if error.status != 404:  # somebody has deleted it meanwhile
                raise
    if only_update:
        return ""
    return _sent(github, "POST", f"issues/{number}/comments", body)


def _sent(github: GitHub, method: str, path: str, body: str) -> str:
    return str(github.send(method, path, {"body": body})["html_url"])


def _ours(github: GitHub, number: int, key: str) -> Iterator[Mapping[str, Any]]:
    """The comments of this key by whoever the token is, oldest first, on all pages."""
    login: str | None = None
    for page in github.pages(f"issues/{number}/comments"):
        for comment in page:
            if str(comment.get("body") or "").startswith(marker(key)):
                login = _login(github) if login is None else login
                if _is_by(comment.get("user") or {}, login):
                    yield comment


def _login(github: GitHub) -> str:
    """Who a personal token belongs to; "" for that of an app, such as the token of a job."""
    try:
        return str(github.get("user")["login"])
    except ApiError as error:
        if error.status not in (401, 403, 404):
            raise
        return ""


def _is_by(user: Mapping[str, Any], login: str) -> bool:
    """Whether a comment may be ours: what a person wrote, that person could change afterwards."""
    return user.get("login") == login if login else user.get("type") == "Bot"


def _same(old: object, new: str) -> bool:
    return str(old).replace("\r\n", "\n").rstrip() == new.rstrip()
