"""The fake itself: it checks each request, fails it where a test asked for that, and answers."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .answers import Answer, Fault, Refused, refused, storage_error
from .calls import CALLS, Call
from .openapi import Document, Operation
from .state import Artifact, State, repository_id
from .wire import Request

API_VERSIONS = ("2022-11-28", "2026-03-10")
REQUESTS_AN_HOUR = 1000  # of one repository's GITHUB_TOKEN
MALFORMED = "Authentication information is not given in the correct format. Check the value of Authorization header."
SOUND = Fault()


@dataclass
class Wanted:
    """A fault for the next requests of one operation, or of all."""

    fault: Fault
    left: int
    operation: str


@dataclass
class GitHub(State):
    """The running fake: what it holds, what was asked, and what was wrong with it."""

    prefix: str = ""
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    downloads: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[Wanted] = field(default_factory=list)
    links: dict[str, Artifact] = field(default_factory=dict)
    document: Document = field(default_factory=Document)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def next(self, fault: Fault, times: int = 1, operation: str = "") -> None:
        """Let the next requests fail; `operation` is GitHub's name of the call, or "storage"."""
        with self.lock:
            self.faults.append(Wanted(fault, times, operation))

    def asked(self, operation: str) -> list[Request]:
        """The requests of one operation, such as `issues/create-comment`."""
        return [each for each in self.requests if each.operation == operation]

    def answer(self, request: Request) -> tuple[Answer, Fault]:
        """Answer one request of the API, and tell the fault that its delivery suffers."""
        with self.lock:
            self.requests.append(request)
            answer, fault = self._checked(request)
            return replace(answer, headers={**self._common_headers(), **answer.headers}), fault

    def download(self, request: Request) -> tuple[Answer, Fault]:
        """Answer one request of the storage that holds the artifacts."""
        with self.lock:
            self.downloads.append(request)
            request.operation = "storage"
            fault = self._next_fault("storage")
            return fault.answer or self._stored(request), fault

    def expire_links(self) -> None:
        """End the minute for which the links to artifacts hold."""
        with self.lock:
            self.links.clear()

    def _checked(self, request: Request) -> tuple[Answer, Fault]:
        operation = self.document.operation(request.method, self._named_path(request.path))
        if operation is None:
            return self._violated(request, ["this call is not in the document"]), SOUND
        request.operation = operation.name
        wrong = [*_header_faults(request)]
        wrong += self.document.request_faults(operation, request.query, request.body)
        if wrong:
            return self._violated(request, wrong), SOUND
        fault = self._next_fault(operation.name)
        effect = self._called(operation, request) if fault is SOUND or fault.applied else None
        answer = fault.answer or effect
        if answer is None:
            return Answer(500), fault  # never sent: the connection is cut
        if answer.raw is None:
            wrong += self.document.answer_faults(operation, answer.status, answer.body)
        return (self._violated(request, wrong) if wrong else answer), fault

    def _called(self, operation: Operation, request: Request) -> Answer:
        if not request.headers.get("user-agent"):
            told = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
            return refused(403, told).answer
        try:
            return CALLS[operation.name](Call(self, self.url, operation, request, self.links))
        except Refused as refusal:
            return refusal.answer

    def _stored(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return storage_error(400, "InvalidAuthenticationInfo", MALFORMED)
        artifact = self.links.get(request.query.get("sig", [""])[0])
        if artifact is None or request.method != "GET":
            told = "Server failed to authenticate the request."
            return storage_error(403, "AuthenticationFailed", told)
        headers = {"Content-Disposition": f'attachment; filename="{artifact.name}.zip"'}
        return Answer(200, None, headers, artifact.content, "application/zip")

    def _next_fault(self, operation: str) -> Fault:
        for wanted in self.faults:
            every = not wanted.operation and operation != "storage"
            if wanted.left > 0 and (every or wanted.operation == operation):
                wanted.left -= 1
                return wanted.fault
        return SOUND

    def _violated(self, request: Request, told: list[str]) -> Answer:
        self.violations += [f"{request.method} {request.path}: {each}" for each in told]
        return Answer(500, {"message": "; ".join(told)})

    def _named_path(self, path: str) -> str:
        """The pages that Link names are under /repositories/ID, as on GitHub."""
        if not path.startswith(f"{self.prefix}/"):
            return "outside of the API"
        path = path.removeprefix(self.prefix)
        ours = f"/repositories/{repository_id(self.repository)}/"
        return (
            path.replace(ours, f"/repos/{self.repository}/", 1) if path.startswith(ours) else path
        )

    def _common_headers(self) -> dict[str, str]:
        used = min(len(self.requests), REQUESTS_AN_HOUR - 1)
        return {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-RateLimit-Limit": str(REQUESTS_AN_HOUR),
            "X-RateLimit-Remaining": str(REQUESTS_AN_HOUR - used),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(time.time()) + 3600),
            "X-RateLimit-Resource": "core",
        }


def _header_faults(request: Request) -> Iterator[str]:
    """Tell what GitHub's pages ask of every request's headers; its document does not hold them."""
    version = request.headers.get("x-github-api-version", API_VERSIONS[0])
    if version not in API_VERSIONS:
        yield f"X-GitHub-Api-Version {version} is none of GitHub's"
    accepted = request.headers.get("accept", "*/*")
    if not any(kind in accepted for kind in ("application/vnd.github", "application/json", "*/*")):
        yield f"Accept {accepted} is none of GitHub's"
    if isinstance(request.body, bytes):
        yield "the body is not JSON"
