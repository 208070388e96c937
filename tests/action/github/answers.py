"""What the fake of GitHub answers when it refuses, and the failures that a test can ask it for."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DOCS = "https://docs.github.com"
RATE_DOCS = f"{DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api"
JSON = "application/json; charset=utf-8"
LONGEST_BODY_CHARACTERS = 65_536
GATEWAY_PAGE = """\
<!DOCTYPE html>
<html><head><title>Unicorn! &middot; GitHub</title></head>
<body><p><strong>We had issues producing the response to your request.</strong></p></body></html>
"""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `body` is sent as JSON unless `raw` bytes are given."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = JSON

    def payload(self) -> bytes:
        """The bytes of the body as they go over the wire."""
        if self.raw is not None:
            return self.raw
        return b"" if self.body is None else json.dumps(self.body).encode()


class Refused(Exception):
    """A call ends here, with the answer that GitHub gives instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def refused(
    status: int, message: str, docs: str = f"{DOCS}/rest", headers: Mapping[str, str] | None = None
) -> Refused:
    """An error in GitHub's shape: its `status` is text."""
    body = {"message": message, "documentation_url": docs, "status": str(status)}
    return Refused(Answer(status, body, headers or {}))


def invalid_comment(message: str, docs: str) -> Refused:
    """The validation error of an issue comment's body."""
    error = {
        "resource": "IssueComment",
        "code": "unprocessable",
        "field": "data",
        "message": message,
    }
    body = {"message": "Validation Failed", "errors": [error], "documentation_url": docs}
    return Refused(Answer(422, {**body, "status": "422"}))


def storage_error(status: int, code: str, message: str) -> Answer:
    """An error of the Azure storage that holds the artifacts: XML, and nothing of GitHub's."""
    text = f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(
        status, headers={"x-ms-error-code": code}, raw=text.encode(), content_type="application/xml"
    )


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request; `applied` tells whether it took effect all the same."""

    answer: Answer | None = None
    applied: bool = False
    delay_s: float = 0.0
    cut_after_bytes: int | None = None


def rate_limited(status: int = 403, reset_in_s: int = 3600) -> Fault:
    """The primary limit of an installation is used up until `x-ratelimit-reset`."""
    body = {
        "message": "API rate limit exceeded for installation ID 12345678.",
        "documentation_url": RATE_DOCS,
        "status": str(status),
    }
    headers = {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Used": "1000",
        "X-RateLimit-Reset": str(int(time.time()) + reset_in_s),
    }
    return Fault(Answer(status, body, headers))


def secondary_limited(status: int = 403, retry_after_s: int | None = 60) -> Fault:
    """A secondary limit: requests remain, and Retry-After is sent, or not, as on GitHub."""
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    docs = f"{RATE_DOCS}#about-secondary-rate-limits"
    body = {"message": message, "documentation_url": docs, "status": str(status)}
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Fault(Answer(status, body, headers))


def broken(status: int = 502, *, applied: bool = False) -> Fault:
    """A server error: 500 in JSON, and the page of the gateway for every other."""
    if status == 500:
        return Fault(Answer(500, {"message": "Server Error"}), applied)
    page = GATEWAY_PAGE.encode()
    return Fault(Answer(status, raw=page, content_type="text/html; charset=utf-8"), applied)


def cut(after_bytes: int = 0, *, applied: bool = False) -> Fault:
    """The connection ends before the answer (0), or after so many bytes of the answer's body."""
    return Fault(cut_after_bytes=after_bytes, applied=applied or after_bytes > 0)


def slow(delay_s: float) -> Fault:
    """The request takes effect at once and its answer comes late; cut short when the fake ends."""
    return Fault(applied=True, delay_s=min(delay_s, 60.0))
