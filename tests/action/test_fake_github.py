"""The fake of GitHub does what GitHub does; each promise over real HTTP."""

import importlib.util
import io
import time
import zipfile
from pathlib import Path

import pytest
import requests

_spec = importlib.util.spec_from_file_location(
    "fake_github", Path(__file__).with_name("fake_github.py")
)
fake = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fake)

REPO = f"/repos/{fake.REPOSITORY}"
COMMENTS = f"{REPO}/issues/2/comments"
RUN_ID = 289782451
SHA = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
TIMEOUT_S = 20


@pytest.fixture
def github():
    """A private repository with pull request 2, from a branch of its own."""
    with fake.fake_github() as running:
        running.add_pull_request(2, branch="changes", sha=SHA)
        yield running


def ask(github, method, path, token=fake.TOKEN, **more):
    """One request with the headers that the Action sends."""
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    headers |= more.pop("headers", {})
    more = {"timeout": TIMEOUT_S, "allow_redirects": False, **more}
    return requests.request(method, f"{github.url}{path}", headers=headers, **more)


def zipped(text):
    """The bytes of a zip file with one report."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("report.json", text)
    return made.getvalue()


def test_a_comment_is_created_changed_and_listed(github):
    """A comment by GITHUB_TOKEN is the bot's, through the app, and keeps its id when it changes."""
    made = ask(github, "POST", COMMENTS, json={"body": "first"})
    assert made.status_code == 201
    assert made.headers["Location"] == made.json()["url"]
    assert made.json()["user"]["login"] == "github-actions[bot]"
    assert made.json()["user"]["type"] == "Bot"
    assert made.json()["performed_via_github_app"]["slug"] == "github-actions"
    path = made.json()["url"].removeprefix(github.url)
    assert ask(github, "PATCH", path, json={"body": "second"}).json()["body"] == "second"
    (listed,) = ask(github, "GET", COMMENTS).json()
    assert (listed["id"], listed["body"]) == (made.json()["id"], "second")
    assert listed["html_url"].endswith(f"/pull/2#issuecomment-{listed['id']}")
    assert [each.body for each in github.comments_of(2)] == ["second"]
    assert [each.body for each in github.asked("issues/update-comment")] == [{"body": "second"}]
    assert github.violations == []


def test_comments_of_others_keep_their_authors(github):
    """A person's comment has a person's type and no app; another app's names that app."""
    github.add_comment(2, "<!-- budgetguard -->", login="mallory")
    github.add_comment(2, "hello", login="other[bot]", kind="Bot", app="other")
    person, bot = ask(github, "GET", COMMENTS).json()
    assert (person["user"]["type"], person["performed_via_github_app"]) == ("User", None)
    assert (bot["user"]["type"], bot["performed_via_github_app"]["slug"]) == ("Bot", "other")
    assert github.violations == []


def test_a_personal_token_writes_as_its_user(github):
    """A personal token's comment is its user's, and GET /user tells who that is."""
    github.tokens["ghp_1"] = fake.personal("alice")
    made = ask(github, "POST", COMMENTS, "ghp_1", json={"body": "x"}).json()
    assert (made["user"]["login"], made["performed_via_github_app"]) == ("alice", None)
    assert ask(github, "GET", "/user", "ghp_1").json()["login"] == "alice"
    assert github.violations == []


def test_an_installation_token_is_no_user(github):
    """GET /user is refused to GITHUB_TOKEN, in GitHub's words."""
    answer = ask(github, "GET", "/user")
    assert answer.status_code == 403
    assert answer.json()["message"] == "Resource not accessible by integration"
    assert answer.json()["status"] == "403"
    assert github.violations == []


def test_an_unknown_token_is_refused(github):
    """A wrong token is 401 everywhere; none at all is 401 where one is needed, and 404 in private."""
    assert ask(github, "GET", COMMENTS, "ghs_other").json()["message"] == "Bad credentials"
    assert ask(github, "GET", "/user", "ghs_other").status_code == 401
    assert ask(github, "GET", "/user", None).json()["message"] == "Requires authentication"
    assert ask(github, "GET", COMMENTS, None).status_code == 404
    assert github.violations == []


@pytest.mark.parametrize(
    ("method", "path", "permissions", "accepted"),
    [
        ("POST", COMMENTS, {"pull_requests": "read"}, "issues=write; pull_requests=write"),
        ("POST", COMMENTS, {"issues": "write"}, "issues=write; pull_requests=write"),
        ("GET", COMMENTS, {"contents": "read"}, "issues=read; pull_requests=read"),
        ("GET", f"{REPO}/pulls", {}, "pull_requests=read"),
        ("GET", f"{REPO}/actions/runs/{RUN_ID}/artifacts", {}, "actions=read"),
    ],
)
def test_a_missing_permission_is_told(github, method, path, permissions, accepted):
    """A token that may not is 403, and the header names what would do."""
    github.tokens["ghs_1"] = fake.installation(**permissions)
    more = {"json": {"body": "x"}} if method == "POST" else {}
    answer = ask(github, method, path, "ghs_1", **more)
    assert answer.status_code == 403
    assert answer.json()["message"] == "Resource not accessible by integration"
    assert answer.headers["X-Accepted-GitHub-Permissions"] == accepted
    assert github.comments == []
    assert github.violations == []


def test_a_fine_grained_token_is_refused_by_its_own_name(github):
    """A fine-grained token without the permission reads that it is a personal access token."""
    github.tokens["github_pat_1"] = fake.fine_grained("alice", pull_requests="read")
    answer = ask(github, "POST", COMMENTS, "github_pat_1", json={"body": "x"})
    assert answer.json()["message"] == "Resource not accessible by personal access token"


def test_what_is_public_is_read_without_permission():
    """A public repository's comments need no permission to read, its artifacts do."""
    with fake.fake_github(private=False) as github:
        github.add_pull_request(2, branch="changes", sha=SHA)
        found = github.add_artifact(RUN_ID, "report", b"zip")
        assert ask(github, "GET", COMMENTS, None).json() == []
        assert ask(github, "POST", COMMENTS, None, json={"body": "x"}).status_code == 401
        path = f"{REPO}/actions/artifacts/{found.id}/zip"
        assert ask(github, "GET", path, None).status_code == 401
        assert github.violations == []


def test_what_is_not_there_is_not_found(github):
    """An unknown pull request, comment, run, artifact or repository is 404."""
    for method, path, more in [
        ("GET", f"{REPO}/issues/99/comments", {}),
        ("POST", f"{REPO}/issues/99/comments", {"json": {"body": "x"}}),
        ("PATCH", f"{REPO}/issues/comments/99", {"json": {"body": "x"}}),
        ("GET", f"{REPO}/actions/runs/99/artifacts", {}),
        ("GET", f"{REPO}/actions/artifacts/99/zip", {}),
        ("GET", "/repos/other/repo/pulls", {}),
    ]:
        answer = ask(github, method, path, **more)
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
    assert github.violations == []


def test_a_long_body_is_refused(github):
    """65,536 characters are a comment, whatever their bytes; one more is GitHub's 422."""
    longest = ask(github, "POST", COMMENTS, json={"body": "µ" * 65_536})
    assert longest.status_code == 201
    for method, path in [
        ("POST", COMMENTS),
        ("PATCH", longest.json()["url"].removeprefix(github.url)),
    ]:
        answer = ask(github, method, path, json={"body": "x" * 65_537})
        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {
                "resource": "IssueComment",
                "code": "unprocessable",
                "field": "data",
                "message": "Body is too long (maximum is 65536 characters)",
            }
        ]
    assert ask(github, "POST", COMMENTS, json={"body": " "}).status_code == 422
    assert len(github.comments_of(2)) == 1
    assert github.violations == []


def test_lists_come_in_pages(github):
    """30 a page unless asked, never over 100; Link leads to the end and back, by the repository's id."""
    for number in range(205):
        github.add_comment(2, str(number), login="alice")
    assert len(ask(github, "GET", COMMENTS).json()) == 30
    answer = ask(github, "GET", f"{COMMENTS}?per_page=500")
    assert set(answer.links) == {"next", "last"}
    assert answer.links["next"]["url"].startswith(f"{github.url}/repositories/")
    bodies = [each["body"] for each in answer.json()]
    for _ in range(2):
        following = answer.links["next"]["url"].removeprefix(github.url)
        answer = ask(github, "GET", following)
        bodies += [each["body"] for each in answer.json()]
    assert bodies == [str(number) for number in range(205)]
    assert set(answer.links) == {"prev", "first"}
    assert "Link" not in ask(github, "GET", f"{REPO}/pulls").headers
    assert github.violations == []


def test_pull_requests_are_found_by_their_head(github):
    """`head=owner:branch` and the state choose; a head without its owner chooses nothing."""
    github.add_pull_request(3, branch="changes", sha="b" * 40, head_repo="octocat/Hello-World")
    github.add_pull_request(4, branch="other", sha="c" * 40, head_repo="octocat/Hello-World")
    github.add_pull_request(
        5, branch="changes", sha="d" * 40, head_repo="octocat/Hello-World", state="closed"
    )
    github.add_pull_request(
        6, branch="gone", sha="e" * 40, head_repo="octocat/Hello-World", fork_deleted=True
    )

    def numbers(**query):
        found = ask(github, "GET", f"{REPO}/pulls", params={"per_page": 100, **query})
        return [each["number"] for each in found.json()]

    assert numbers() == [6, 4, 3, 2]
    assert numbers(state="open", head="OctoCat:changes") == [3]
    assert numbers(state="all", head="octocat:changes") == [5, 3]
    assert numbers(head="changes") == [6, 4, 3, 2]
    assert numbers(head="nobody:changes") == []
    (fork,) = ask(github, "GET", f"{REPO}/pulls?head=octocat:changes").json()
    assert (fork["head"]["sha"], fork["head"]["label"]) == ("b" * 40, "octocat:changes")
    assert fork["head"]["repo"]["full_name"] == "octocat/Hello-World"
    assert fork["head"]["repo"]["fork"] is True
    assert fork["base"]["repo"]["full_name"] == fake.REPOSITORY
    (gone,) = ask(github, "GET", f"{REPO}/pulls?head=octocat:gone").json()
    assert gone["head"]["repo"] is None
    assert github.violations == []


def test_an_artifact_is_fetched_from_another_host(github):
    """The zip is behind a redirect to another host, which wants a signed link and no token."""
    artifact = github.add_artifact(RUN_ID, "budgetguard-report", zipped("{}"))
    github.add_artifact(RUN_ID, "other", b"")
    path = f"{REPO}/actions/runs/{RUN_ID}/artifacts"
    listed = ask(github, "GET", f"{path}?per_page=100").json()
    assert (listed["total_count"], len(listed["artifacts"])) == (2, 2)
    (found,) = ask(github, "GET", f"{path}?name=budgetguard-report").json()["artifacts"]
    assert (found["id"], found["size_in_bytes"]) == (artifact.id, len(artifact.content))
    answer = ask(github, "GET", found["archive_download_url"].removeprefix(github.url))
    assert (answer.status_code, answer.content) == (302, b"")
    link = answer.headers["Location"]
    assert link.startswith("http://localhost:")
    assert github.url.startswith("http://127.0.0.1:")
    with zipfile.ZipFile(io.BytesIO(requests.get(link, timeout=TIMEOUT_S).content)) as file:
        assert file.read("report.json") == b"{}"
    leaked = requests.get(link, headers={"Authorization": "Bearer x"}, timeout=TIMEOUT_S)
    assert leaked.status_code == 400
    assert leaked.headers["x-ms-error-code"] == "InvalidAuthenticationInfo"
    assert ["authorization" in each.headers for each in github.downloads] == [False, True]
    github.expire_links()
    assert requests.get(link, timeout=TIMEOUT_S).status_code == 403
    assert github.violations == []


def test_an_expired_artifact_is_gone(github):
    """An expired artifact is listed as such, and its zip is 410."""
    artifact = github.add_artifact(RUN_ID, "report", b"", expired=True)
    listed = ask(github, "GET", f"{REPO}/actions/runs/{RUN_ID}/artifacts").json()["artifacts"]
    assert listed[0]["expired"] is True
    answer = ask(github, "GET", f"{REPO}/actions/artifacts/{artifact.id}/zip")
    assert (answer.status_code, answer.json()["message"]) == (410, "Artifact has expired")
    assert github.violations == []


@pytest.mark.parametrize("status", [403, 429])
def test_the_primary_limit_holds_for_the_next_requests(github, status):
    """A used-up limit says when it ends, nothing takes effect, and then all is well."""
    now = time.time()
    github.next(fake.rate_limited(status, reset_in_s=90), times=2)
    for _ in range(2):
        answer = ask(github, "POST", COMMENTS, json={"body": "x"})
        assert answer.status_code == status
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert now + 89 <= int(answer.headers["x-ratelimit-reset"])
        assert "Retry-After" not in answer.headers
        assert answer.json()["message"].startswith("API rate limit exceeded for installation")
    assert github.comments == []
    assert ask(github, "POST", COMMENTS, json={"body": "x"}).status_code == 201
    assert github.violations == []


def test_a_secondary_limit_says_when_to_come_back(github):
    """A secondary limit is 403 with Retry-After, while requests remain."""
    github.next(fake.secondary_limited(retry_after_s=7), operation="issues/create-comment")
    assert ask(github, "GET", COMMENTS).status_code == 200
    answer = ask(github, "POST", COMMENTS, json={"body": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (403, "7")
    assert int(answer.headers["x-ratelimit-remaining"]) > 0
    assert "secondary rate limit" in answer.json()["message"]
    assert github.violations == []


def test_the_server_breaks(github):
    """A 502 is a page of the gateway and a 500 is JSON; either may come after the deed."""
    github.next(fake.broken(502))
    github.next(fake.broken(500, applied=True))
    gateway = ask(github, "POST", COMMENTS, json={"body": "lost"})
    assert (gateway.status_code, gateway.headers["Content-Type"][:9]) == (502, "text/html")
    assert github.comments == []
    server = ask(github, "POST", COMMENTS, json={"body": "done"})
    assert (server.status_code, server.json()) == (500, {"message": "Server Error"})
    assert [each.body for each in github.comments] == ["done"]
    assert github.violations == []


def test_the_connection_is_cut(github):
    """A cut leaves no answer, before or after the deed; a later cut leaves a part of one."""
    github.next(fake.cut())
    github.next(fake.cut(applied=True))
    for expected in ([], ["2"]):
        with pytest.raises(requests.ConnectionError):
            ask(github, "POST", COMMENTS, json={"body": str(len(github.requests) + 1)})
        assert [each.body for each in github.comments] == expected
    assert [each.status for each in github.requests] == [0, 0]
    artifact = github.add_artifact(RUN_ID, "report", b"0123456789")
    github.next(fake.cut(after_bytes=4), operation="storage")
    link = ask(github, "GET", f"{REPO}/actions/artifacts/{artifact.id}/zip").headers["Location"]
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(link, timeout=TIMEOUT_S)
    assert requests.get(link, timeout=TIMEOUT_S).content == b"0123456789"
    assert github.violations == []


def test_an_answer_comes_late(github):
    """A slow answer outlasts a client's patience although the deed is done, and ends with the fake."""
    github.next(fake.slow(60))
    with pytest.raises(requests.Timeout):
        ask(github, "POST", COMMENTS, json={"body": "x"}, timeout=(TIMEOUT_S, 0.2))
    tries = 0
    while not github.comments and tries < 200:  # the server may have been slow of itself
        time.sleep(0.05)
        tries += 1
    assert len(github.comments) == 1
    assert ask(github, "GET", COMMENTS).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "more", "told"),
    [
        ("GET", f"{COMMENTS}?perpage=100", {}, "perpage is not documented"),
        ("GET", f"{COMMENTS}?per_page=all", {}, "'all' is not of type 'integer'"),
        ("GET", f"{REPO}/pulls?state=opened", {}, "'opened' is not one of"),
        ("GET", f"{REPO}/issues/two/comments", {}, "'two' is not of type 'integer'"),
        ("POST", COMMENTS, {"json": {"bdy": "x"}}, "'body' is a required property"),
        ("POST", COMMENTS, {"json": {"body": None}}, "None is not of type 'string'"),
        ("POST", COMMENTS, {"json": {"body": "x", "to": 1}}, "to is not documented"),
        ("POST", COMMENTS, {"data": b"body"}, "the body is not JSON"),
        ("GET", COMMENTS, {"json": {"page": 1}}, "a body where none is documented"),
        ("DELETE", f"{REPO}/issues/comments/1", {}, "not in the document"),
        ("GET", COMMENTS, {"headers": {"X-GitHub-Api-Version": "2022"}}, "is none of GitHub's"),
        ("GET", COMMENTS, {"headers": {"Accept": "text/html"}}, "is none of GitHub's"),
    ],
)
def test_a_wrong_request_is_a_violation(github, method, path, more, told):
    """What GitHub's document does not allow is recorded, answered with 500 and has no effect."""
    assert ask(github, method, path, **more).status_code == 500
    assert told in " ".join(github.violations)
    assert github.comments == []


def test_a_wrong_answer_is_a_violation(github):
    """An answer that GitHub's document does not allow is recorded too, and answered with 500."""
    github.add_comment(2, "x", login="alice").created_at = "yesterday"
    assert ask(github, "GET", COMMENTS).status_code == 500
    assert "created_at: 'yesterday' is not a 'date-time'" in github.violations[0]


def test_a_fault_of_the_fake_is_no_answer_of_github(github):
    """Where the fake itself breaks, the test that uses it must fail."""
    github.pull_requests = None
    assert ask(github, "GET", COMMENTS).status_code == 500
    assert "the fake broke" in github.violations[0]


def test_a_request_without_a_user_agent_is_forbidden(github):
    """GitHub turns away who does not say what he is."""
    answer = ask(github, "GET", COMMENTS, headers={"User-Agent": ""})
    assert answer.status_code == 403
    assert "User-Agent" in answer.json()["message"]


def test_an_enterprise_server_has_a_prefix():
    """With a prefix the API is under it and nowhere else, links and all."""
    with fake.fake_github(prefix="/api/v3") as github:
        github.add_pull_request(2, branch="changes", sha=SHA)
        for number in range(3):
            github.add_comment(2, str(number), login="alice")
        answer = ask(github, "GET", f"{COMMENTS}?per_page=2")
        assert answer.links["next"]["url"].startswith(f"{github.url}/repositories/")
        assert answer.json()[0]["url"].startswith(f"{github.url}{REPO}/issues/comments/")
        following = requests.get(
            answer.links["next"]["url"], headers=answer.request.headers, timeout=TIMEOUT_S
        )
        assert [each["body"] for each in following.json()] == ["2"]
        assert github.violations == []
