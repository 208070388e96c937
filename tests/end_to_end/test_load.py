"""Load budgets through the real command: real apps, real visitors, every way in which both go wrong."""

import socket

import pytest

from .loads import below, config, files, load, outcomes, settled, visitor

EASY = ("failures <= 1%", "p50 <= 30 s", "users_reached >= 4")


def test_a_run_is_told_with_its_series(project):
    """A budget that holds: no red, and each second, each endpoint and the app's memory are in the JSON."""
    told, document = settled(project.write(files(*EASY)))

    assert told.code == 0
    assert set(outcomes(document).values()) <= {"PASS", "UNSETTLED"}
    (run,) = document["runs"]
    assert run["budget"] == "api"
    assert run["error"] is None
    assert run["total"]["failed"] == 0
    assert 0.2 <= run["total"]["p50"] < 10
    assert run["users_reached"] == 4
    assert list(run["endpoints"]) == ["GET /slow/0.2"]
    assert [one["at"] for one in run["series"]] == list(range(len(run["series"])))
    counted = sum(one["requests"] for one in run["series"] if one["at"] >= 1)
    assert counted == run["total"]["requests"] == sum(n for _, n in run["total"]["histogram"])
    assert max(one["rss_bytes"] for one in run["app"]) > 1 << 20
    assert project.leftovers() == []


def test_a_red_is_measured_twice(project):
    """Over the limit: a second run has to say the same, and both are shown."""
    told, document = settled(project.write(files("p50 <= 50 ms", path="/slow/0.4")))

    if outcomes(document) == {"p50 <= 50 ms": "UNSETTLED"}:
        assert told.code == 0
        return
    assert told.code == 1
    assert outcomes(document) == {"p50 <= 50 ms": "FAIL"}
    assert len(document["runs"]) == 2
    (verdict,) = document["report"]["verdicts"]
    assert "twice" in verdict["reason"]


def test_a_hopeless_run_is_ended_early(project):
    """Where each request fails there is no need to wait for the end, and that is said."""
    written = files("failures <= 1%", path="/500", wait_s=0.5, seconds=60)
    _, document = settled(project.write(written))

    assert set(outcomes(document).values()) <= {"FAIL", "UNSETTLED"}
    for run in document["runs"]:
        assert "could not hold any more" in run["ended_early"]
        assert run["measured_s"] < 50
        assert run["error"] is None


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/500", "code=500"),
        ("/reset", "HTTPConnectionClosed"),
        ("/stream", "no answer when its user was stopped"),
        ("/redirect/http://shop.example/", "redirected to another host: http://shop.example"),
    ],
)
def test_failed_requests_need_a_limit_of_their_own(project, path, cause):
    """Times of an app that answers nearly nothing are no measurement: ERROR, with what failed how often."""
    told, document = load(project.write(files("p50 <= 30 s", path=path)))

    assert outcomes(document) == {"p50 <= 30 s": "ERROR"}
    assert told.code == 4
    (verdict,) = document["report"]["verdicts"]
    assert "requests failed, so that times say little" in verdict["reason"]
    assert cause in " ".join(verdict["evidence"])


def _error(project, *causes, code=4, limits=EASY, arguments=(), **changed):
    """What a run says that cannot be a measurement; nothing stays behind."""
    written = {**files(*limits), **changed.pop("files", {})}
    told = project.write(written).run("budgetguard", "load", "run", "api", *arguments, **changed)
    told.ends(code, *causes)
    assert project.leftovers() == []
    assert below(project.scratch) == []
    return told


def test_an_app_that_is_never_ready(project):
    """It is told after its own time limit, with the command and the address that was asked."""
    settings = config(*EASY, more="    timeout: 1.5 s\n").replace(
        "python app.py {port}", 'python -c "import time; time.sleep(600)"'
    )
    _error(
        project,
        "was not ready within 1.5 s",
        "expected any HTTP answer",
        files={"budgetguard.yml": settings},
    )


def test_an_app_that_ends_at_once(project):
    """Its exit code and its last words are told."""
    _error(project, "exit code 7", "no database", files={
        "app.py": "import sys; print('no database'); sys.exit(7)"})  # fmt: skip


def test_an_app_that_dies_under_load(project):
    """However the requests went: ERROR with its exit code."""
    _error(
        project,
        "the app ended during the run",
        "exit code 3",
        files={"locustfile.py": visitor("/die")},
    )


def test_a_port_that_is_taken(project):
    """A fixed port that another process holds is no target: who holds it is told."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _error(project, f"port {port} of 127.0.0.1 is taken", "leave port out", files={
            "budgetguard.yml": config(*EASY, more=f"    port: {port}\n")})  # fmt: skip


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def x(:\n", "locustfile.py:1 has a syntax error"),
        ("import no_such_thing\n", "No module named 'no_such_thing' (locustfile.py:1)"),
        (visitor().replace("self.client.get", "len"), "no request ended"),
        (None, "does not exist"),
    ],
    ids=["syntax", "import", "no-request", "missing"],
)
def test_a_locustfile_that_is_none(project, source, cause):
    """What is wrong with it is told in one sentence with its place."""
    named = {"locustfile.py": source or visitor()}
    settings = config(*EASY)
    if source is None:
        settings = settings.replace("locustfile.py", "other.py")
    _error(project, cause, files={**named, "budgetguard.yml": settings})


SHAPE = """
from locust import LoadTestShape


class Steps(LoadTestShape):
    def tick(self):
        return (2, 2) if self.get_run_time() < 4 else None
"""


def _own_shape(more=""):
    lines = config(*EASY[:2], more=more).splitlines(keepends=True)
    return "".join(one for one in lines if "profile:" not in one and "duration:" not in one)


def test_a_shape_of_the_locustfile(project):
    """Without a profile the locustfile says what users come."""
    written = {
        **files(),
        "locustfile.py": visitor() + SHAPE,
        "budgetguard.yml": _own_shape(),
    }
    told, document = settled(project.write(written))

    assert told.code == 0, told.out
    assert document["runs"][-1]["users_reached"] == 2
    assert set(outcomes(document).values()) <= {"PASS", "UNSETTLED"}


def test_neither_a_profile_nor_a_shape(project):
    """Nothing says what users come."""
    _error(project, "no LoadTestShape", files={"budgetguard.yml": _own_shape()})


def test_a_cap_holds_a_shape_back_by_refusing_it(project):
    """The cap of an environment cannot be passed by a shape of the locustfile's own."""
    more = "    environments: {near: {host: 'http://127.0.0.1:9', users: 1}}\n"
    _error(
        project,
        "users: 1 of the environment near cannot hold back the locustfile's own shape",
        arguments=("--environment", "near"),
        files={"locustfile.py": visitor() + SHAPE, "budgetguard.yml": _own_shape(more)},
    )


HEADERS = '    headers: {Authorization: "Bearer ${SHOP_TOKEN}"}\n'


def test_a_header_whose_variable_is_not_set(project):
    """The variable is named before anything runs."""
    _error(project, "SHOP_TOKEN, which is not set", files={
        "budgetguard.yml": config(*EASY, more=HEADERS)})  # fmt: skip


def test_a_header_with_a_line_break(project):
    """A secret with a line break at its end is refused, and not shown."""
    told = _error(
        project,
        "the header Authorization of the environment local would hold a line break",
        files={"budgetguard.yml": config(*EASY, more=HEADERS)},
        env={"SHOP_TOKEN": "hush-hush\n"},
    )
    assert "hush" not in told.words


def test_a_generator_at_its_end_settles_nothing(project):
    """A locustfile that burns a whole core measures itself: UNSETTLED with advice, neither green nor red."""
    busy = visitor("/", 0.0).replace(
        "        self.client", "        sum(range(6_000_000))\n        self.client"
    )
    told, document = load(project.write({**files("p50 <= 1 us"), "locustfile.py": busy}))

    assert outcomes(document) == {"p50 <= 1 us": "UNSETTLED"}
    assert told.code == 0
    (verdict,) = document["report"]["verdicts"]
    assert "the load generator" in verdict["reason"]
    assert "FastHttpUser" in verdict["reason"]
    project.check("--strict").ends(3, "unsettled", "the load generator")


def test_check_judges_it_like_any_budget(project):
    """`budgetguard check` runs the same, and leaves nothing behind."""
    project.write(files("failures <= 1%", "p50 <= 30 s")).check().ends(0, "api")
    assert project.leftovers() == []


def test_a_relative_limit_alone(project):
    """`load run` shows the run, though only check can settle its limit."""
    _error(project, "left to check", "GET /slow/0.2", code=0, limits=["p50 <= baseline + 10%"])


ENVIRONMENTS = """\
    environments:
      near:
        host: {host}
        users: 2
        limits: [p50 <= 20 s]
"""


def test_an_environment_has_limits_and_a_cap(project):
    """An app that runs already is loaded by at most so many users, and judged by its own limits."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    project.write(files(seconds=3))
    more = ENVIRONMENTS.format(host=f"http://127.0.0.1:{port}")
    project.write({"budgetguard.yml": config("failures <= 1%", "p50 <= 1 us", more=more)})
    with project.start("app", str(port)) as process:
        try:
            told, document = settled(project, "api", "--environment", "near")
        finally:
            process.kill()

    assert told.code == 0
    assert set(outcomes(document)) == {"failures <= 1%", "p50 <= 20 s"}
    assert set(outcomes(document).values()) <= {"PASS", "UNSETTLED"}
    assert document["runs"][-1]["host"].endswith(f":{port}")
    assert document["runs"][-1]["users_reached"] <= 2


def test_an_unknown_environment(project):
    """It is a mistake on the command line, told with the names that there are."""
    _error(project, "no environment 'locl'", "did you mean local?", code=2,
           arguments=["--environment", "locl"])  # fmt: skip
