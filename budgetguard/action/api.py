"""GitHub's REST API, as far as comments and the artifacts of a run need it.

Every request has a time limit on connecting and on each wait for bytes, and few retries; what a
busy server asks to wait is waited, within a bound. The token is in no message.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from budgetguard.errors import BudgetguardError
from budgetguard.extras import need

if TYPE_CHECKING:
    from requests import Response

CONNECT_S, ANSWER_S = 5.0, 30.0
RETRIES = 3
LONGEST_WAIT_S = 60.0
"""What one answer may ask us to wait; GitHub asks for a minute where it was hurried."""
MOST_PAGES = 100
LARGEST_ANSWER = 64 * 1024 * 1024
_VERSION = "2022-11-28"
_LONGEST_TOLD = 200


class ApiError(BudgetguardError):
    """GitHub did not do what it was asked; `status` is 0 where there was no answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        self.status = status
        super().__init__(text)


class GitHub:
    """One repository, as a token sees it; a context manager.

    Raises `ApiError` where GitHub refuses or is away, and `MissingExtra` without requests.
    """

    def __init__(self, url: str, repository: str, token: str) -> None:
        requests = need("requests", extra="github")
        self._url, self._repository = url.rstrip("/"), repository
        self._session = requests.Session()
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": _VERSION,
                "User-Agent": "budgetguard",
                "Authorization": f"Bearer {token}",
            }
        )
        adapter = requests.adapters.HTTPAdapter(max_retries=_patience())
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)
        self._failed = requests.RequestException

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, path: str) -> Any:
        """What is at a path from the API's root."""
        return self._json(*self._asked("GET", f"{self._url}/{path}"))

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """All pages of what is at a path below the repository."""
        url, given = self._below(path), {**query, "per_page": "100"}
        for _ in range(MOST_PAGES):
            answer, content = self._asked("GET", url, params=given)
            yield self._json(answer, content)
            url, given = answer.links.get("next", {}).get("url", ""), {}
            if not url:
                return
            if not url.startswith(f"{self._url}/"):  # the token goes nowhere else
                raise ApiError(f"GitHub names a next page elsewhere: {url[:_LONGEST_TOLD]}")

    def send(self, method: str, path: str, body: Mapping[str, str]) -> Any:
        """POST or PATCH to a path below the repository, and the answer."""
        return self._json(*self._asked(method, self._below(path), json=body))

    def download(self, path: str) -> bytes:
        """The bytes at a path below the repository; a redirect to a store goes without the token."""
        return self._asked("GET", self._below(path))[1]

    def _below(self, path: str) -> str:
        return f"{self._url}/repos/{self._repository}/{path}"

    def _asked(self, method: str, url: str, **given: Any) -> tuple["Response", bytes]:
        what = f"{method} {url.removeprefix(self._url)}"
        try:
            answer = self._session.request(
                method, url, timeout=(CONNECT_S, ANSWER_S), stream=True, **given
            )
            with answer:
                content = bytearray()
                for part in answer.iter_content(1 << 16):
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise ApiError(f"{what}: the answer is over {LARGEST_ANSWER >> 20} MiB")
        except self._failed as error:
            raise ApiError(f"{what}: no answer: {type(error).__name__}") from None
        if not answer.ok:
            raise ApiError(f"{what}: {_refusal(answer, bytes(content))}", answer.status_code)
        return answer, bytes(content)

    @staticmethod
    def _json(answer: "Response", content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ApiError(f"{answer.status_code}, but no JSON: is GITHUB_API_URL right?") from None


def _patience() -> Any:
    """Retries: of what may be sent twice after a fault, of anything that came too early."""
    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Retry

    class Patience(Retry):
        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002  # as urllib3 calls it
            if status_code in (403, 429):  # refused before anything was done
                return bool(self.total and has_retry_after)
            return super().is_retry(method, status_code, has_retry_after)

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            asked_s = super().get_retry_after(response)
            return None if asked_s is None else min(asked_s, LONGEST_WAIT_S)

    return Patience(
        total=RETRIES,
        backoff_factor=0.5,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=("GET", "PATCH"),
        raise_on_status=False,
    )


def _refusal(answer: "Response", content: bytes) -> str:
    """Status, GitHub's own words, and what the token lacks or when the limit ends."""
    try:
        said = json.loads(content)["message"]
    except (ValueError, RecursionError, TypeError, KeyError):
        said = answer.reason
    told = f"{answer.status_code} {str(said)[:_LONGEST_TOLD]}"
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return f"{told}; the rate limit of the token is used up{_until(answer)}"
    if lacks := answer.headers.get("x-accepted-github-permissions", ""):
        return f"{told}; the token needs one of: {lacks[:_LONGEST_TOLD]}"
    return told


def _until(answer: "Response") -> str:
    try:
        reset = datetime.fromtimestamp(int(answer.headers["x-ratelimit-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
    return f" until {reset:%H:%M} UTC"
