"""GitHub's API when it is slow, busy, broken or refuses; over real HTTP."""

import http.server
import threading

import pytest

from budgetguard.action import api
from budgetguard.action.api import ApiError, GitHub

COMMENTS = "issues/7/comments"


@pytest.fixture
def client(github, action_fakes):
    """A client of the fake, where pull request 7 is open."""
    github.add_pull_request(7, branch="faster", sha="a" * 40)
    with GitHub(github.url, action_fakes.REPOSITORY, action_fakes.TOKEN) as made:
        yield made


def comments(client):
    """All comments, page by page."""
    return [one for page in client.pages(COMMENTS) for one in page]


def test_what_a_token_lacks_is_named(github, client, action_fakes):
    """403 tells GitHub's words and the permission, and never the token."""
    github.tokens[action_fakes.TOKEN] = action_fakes.installation(contents="read")
    with pytest.raises(ApiError) as caught:
        client.send("POST", COMMENTS, {"body": "x"})
    said = str(caught.value)
    assert "403 Resource not accessible by integration" in said
    assert "the token needs one of: " in said
    assert "pull_requests=write" in said
    assert action_fakes.TOKEN not in said
    assert caught.value.status == 403


def test_a_used_up_rate_limit_is_told_at_once(github, client, action_fakes):
    """Nobody waits an hour: the error says until when."""
    github.next(action_fakes.rate_limited(), times=9)
    with pytest.raises(ApiError, match=r"rate limit of the token is used up until \d\d:\d\d UTC"):
        comments(client)
    assert len(github.requests) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_what_a_busy_github_asks_to_wait_is_waited(github, client, action_fakes, status):
    """A secondary limit with Retry-After is waited for, also before a POST, which was not done."""
    github.next(action_fakes.secondary_limited(status, retry_after_s=1), times=1)
    assert client.send("POST", COMMENTS, {"body": "x"})["body"] == "x"
    assert len(github.comments) == 1


def test_waiting_has_an_end(github, client, action_fakes, monkeypatch):
    """However long GitHub asks for, a step waits no longer than its bound."""
    monkeypatch.setattr(api, "LONGEST_WAIT_S", 0.01)
    github.next(action_fakes.secondary_limited(429, retry_after_s=3600), times=99)
    with pytest.raises(ApiError, match="secondary rate limit"):
        comments(client)
    assert len(github.requests) == 1 + api.RETRIES


@pytest.mark.parametrize("status", [500, 502])
def test_a_broken_answer_is_asked_for_again(github, client, action_fakes, status):
    """Reading is tried again after a server's fault."""
    github.next(action_fakes.broken(status), times=2)
    assert comments(client) == []
    assert len(github.requests) == 3


def test_a_comment_is_never_sent_twice(github, client, action_fakes):
    """After a fault nobody knows whether a POST took effect, so it is not sent again."""
    for fault in (action_fakes.broken(502, applied=True), action_fakes.cut(applied=True)):
        github.next(fault)
        with pytest.raises(ApiError):
            client.send("POST", COMMENTS, {"body": "x"})
    assert len(github.comments) == 2
    assert len(github.asked("issues/create-comment")) == 2


def test_a_cut_connection(github, client, action_fakes):
    """A connection that ends in the middle is an error in a line, not a traceback."""
    github.add_comment(7, "x" * 5000, login="a")
    github.next(action_fakes.cut(100), times=9)
    with pytest.raises(ApiError, match="no answer"):
        comments(client)


def test_nobody_listens():
    """An address where nothing answers is told."""
    with (
        GitHub("http://127.0.0.1:9", "a/b", "t") as client,
        pytest.raises(ApiError, match="no ans"),
    ):
        client.get("user")


def test_an_unknown_token(github, client, action_fakes):
    """A token that GitHub does not know is refused with its words."""
    github.tokens.clear()
    with pytest.raises(ApiError, match="401 Bad credentials"):
        comments(client)


@pytest.fixture
def answering():
    """Serves one fixed answer, and keeps the requests."""
    servers, seen = [], []

    def serve(body, headers=()):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(dict(self.headers))
                self.send_response(200)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve, seen
    for server in servers:
        server.shutdown()
        server.server_close()


def test_something_else_at_the_address(answering):
    """A page that is no JSON leads to the setting that is wrong."""
    serve, _ = answering
    with (
        GitHub(serve(b"<html>"), "a/b", "t") as client,
        pytest.raises(ApiError, match="no JSON: is GITHUB_API_URL right"),
    ):
        client.get("user")


def test_an_endless_answer(answering, monkeypatch):
    """An answer over the bound is given up."""
    monkeypatch.setattr(api, "LARGEST_ANSWER", 1000)
    serve, _ = answering
    with GitHub(serve(b"1" * 5000), "a/b", "t") as client, pytest.raises(ApiError, match="is over"):
        client.get("user")


def test_the_token_goes_nowhere_else(answering):
    """A next page on another server is refused before it is asked."""
    serve, seen = answering
    elsewhere = serve(b"[]")
    here = serve(b"[]", [("Link", f'<{elsewhere}/x>; rel="next"')])
    with GitHub(here, "a/b", "t") as client, pytest.raises(ApiError, match="elsewhere"):
        list(client.pages("x"))
    assert len(seen) == 1
