"""Headers go to the host under load only, and the load itself stays where it may go."""

from pathlib import Path

import pytest

from .app import App, running
from .loading import everything, run, total, visitor

KINDS = pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
SECRET = "open-sesame-123"


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


@pytest.fixture
def other():
    """Another app on this machine."""
    with running() as one:
        yield one


@KINDS
def test_headers_are_sent(app: App, other: App, tmp_path: Path, kind: str) -> None:
    """With each request to the host, in place of defaults, and never to another host."""
    source = visitor(kind=kind).replace(
        'self.client.get("/")', f'self.client.get("/"); self.client.get("{other.host}/other")'
    )
    headers = {"X-Key": SECRET, "user-agent": "budget"}
    run(tmp_path, source, app.host, headers=headers)
    assert {(sent["x-key"], sent["user-agent"]) for _, sent, _ in app.seen} == {(SECRET, "budget")}
    assert other.paths()
    assert not any(SECRET in sent.values() for _, sent, _ in other.seen)


@KINDS
def test_the_locustfile_knows_better(app: App, tmp_path: Path, kind: str) -> None:
    """Headers of a single request win over those of the budget, in any case."""
    source = visitor(kind=kind).replace('get("/")', 'get("/", headers={"x-KEY": "own"})')
    run(tmp_path, source, app.host, headers={"X-Key": SECRET})
    assert {sent["x-key"] for _, sent, _ in app.seen} == {"own"}


def test_default_headers_of_the_class(app: App, tmp_path: Path) -> None:
    """A user class with default headers keeps them, and gets those it has not."""
    source = visitor().replace(
        "wait_time", 'default_headers = {"x-key": "own", "x-more": "1"}\n    wait_time'
    )
    run(tmp_path, source, app.host, headers={"X-Key": SECRET, "X-Other": "2"})
    sent = {(one["x-key"], one["x-more"], one["x-other"]) for _, one, _ in app.seen}
    assert sent == {("own", "1", "2")}


LEAKING = """
import os
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def visit(self):
        with self.client.get("/", catch_response=True) as answer:
            answer.failure(f"asked with {dict(answer.request.headers)}")
        raise RuntimeError(f"{self.client.headers} {dict(os.environ)}")
"""


def test_headers_are_never_told(app: App, tmp_path: Path) -> None:
    """Not by an error that quotes them, nor by a locustfile that prints its environment."""
    done = run(tmp_path, LEAKING, app.host, headers={"X-Key": SECRET})
    assert everything(done).failed > 0
    assert done.notes
    assert SECRET not in repr(done)


@KINDS
@pytest.mark.parametrize("address", ["192.0.2.1", "[2001:db8::1]"])
def test_other_machines_are_refused(tmp_path: Path, kind: str, address: str) -> None:
    """At once, as a failed request that names the address and the way out."""
    done = run(tmp_path, visitor(kind=kind), f"http://{address}:81")
    failed = everything(done)
    assert failed.failed == failed.count > 10
    (text,) = failed.errors
    assert text == (
        f"no connection to {address.strip('[]')}:81, it is not on this machine; "
        "allow_remote: true permits it"
    )


@KINDS
def test_remote_can_be_allowed(tmp_path: Path, kind: str) -> None:
    """With leave, the system itself is asked; here it finds no such name."""
    done = run(tmp_path, visitor(kind=kind), "http://nobody.invalid", allow_remote=True)
    failed = everything(done)
    assert failed.failed == failed.count > 0
    assert "allow_remote" not in repr(failed.errors)


@KINDS
def test_names_of_this_machine(app: App, tmp_path: Path, kind: str) -> None:
    """localhost is looked up, and is here."""
    done = run(tmp_path, visitor(kind=kind), app.host.replace("127.0.0.1", "localhost"))
    assert everything(done).failed == 0
    assert app.paths()


@KINDS
def test_a_redirect_elsewhere(app: App, other: App, tmp_path: Path, kind: str) -> None:
    """Another port is another host: counted as failed, and not even asked."""
    done = run(tmp_path, visitor(f"/redirect/{other.host}/there", kind), app.host)
    failed = everything(done)
    assert failed.failed == failed.count > 0
    assert list(failed.errors) == [f"redirected to another host: {other.host}/there"]
    assert other.paths() == []


@KINDS
def test_a_redirect_within(app: App, tmp_path: Path, kind: str) -> None:
    """What stays at the host is followed as ever."""
    done = run(tmp_path, visitor("/redirect//there", kind), app.host)
    assert everything(done).failed == 0
    assert "/there" in app.paths()


@KINDS
def test_a_redirect_that_is_not_followed(app: App, other: App, tmp_path: Path, kind: str) -> None:
    """A locustfile that only looks at a redirect may see one that leads elsewhere."""
    path = f"/redirect/{other.host}/there"
    source = visitor(path, kind).replace(f'"{path}"', f'"{path}", allow_redirects=False')
    done = run(tmp_path, source, app.host)
    assert total(done, f"GET {path}").failed == 0
