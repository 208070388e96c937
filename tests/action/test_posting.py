"""Comments for the run itself and for a fork's run; the fake of GitHub says what was asked for."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from budgetguard.action.posting import comment
from budgetguard.action.result import with_loosened
from budgetguard.gate.model import Where
from budgetguard.gate.report import json as as_json
from budgetguard.gate.verdict import Outcome, Report, Verdict
from budgetguard.units import Unit

FORK = "octocat/Hello-World"
SHA = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
RUN = 289782451
NUMBER = 2


def report(**fields):
    """The JSON of a report with one limit that is over."""
    known = {
        "budget": "app",
        "target": "bundle",
        "limit": "raw <= 1 kB",
        "metric": "raw",
        "unit": Unit.BYTES,
        "measured": 2000.0,
        "allowed": 1000.0,
        "reason": "2 kB is over 1 kB",
        "where": Where("budgetguard.yml", 3),
        "outcome": Outcome.FAIL,
    }
    return as_json.render(Report(verdicts=(Verdict(**{**known, **fields}),), tool="budgetguard 1"))


def zipped(**files):
    """An archive of files; the last `_` stands for the dot."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            archive.writestr(".".join(name.rsplit("_", 1)), text)
    return held.getvalue()


@pytest.fixture
def job(github, event, action_fakes, tmp_path, monkeypatch):
    """Runs `action comment` for an event, and returns the outputs."""
    monkeypatch.chdir(tmp_path)

    def run(name, payload, **environment):
        told, output = tmp_path / "event.json", tmp_path / "output"
        told.write_text(json.dumps(payload))
        output.write_text("")
        comment(
            {
                "GITHUB_EVENT_NAME": name,
                "GITHUB_EVENT_PATH": str(told),
                "GITHUB_REPOSITORY": action_fakes.REPOSITORY,
                "GITHUB_RUN_ID": "42",
                "GITHUB_API_URL": github.url,
                "GITHUB_TOKEN": action_fakes.TOKEN,
                "GITHUB_OUTPUT": str(output),
                **environment,
            }
        )
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    return run


@pytest.fixture
def own(job, github, event, tmp_path):
    """A pull request of the repository itself, whose run was red."""
    github.add_pull_request(NUMBER, branch="changes", sha=SHA)
    summary = tmp_path / "summary.md"
    summary.write_text("### red\n")

    def run(**environment):
        given = {"SUMMARY": str(summary), "EXIT_CODE": "1", "ARTIFACT_URL": "https://g/a/7"}
        return job("pull_request", event("pull_request_opened"), **{**given, **environment})

    return run


@pytest.fixture
def fork(job, github, event):
    """A finished run of a fork's pull request, with the artifact that it uploaded."""
    github.add_pull_request(NUMBER, branch="changes", sha=SHA, head_repo=FORK)
    github.runs.add(RUN)

    def run(content=None, *, changes=None, **environment):
        if content is not None:
            github.add_artifact(RUN, "budgetguard-report", content)
        payload = event("workflow_run_fork", **(changes or {}))
        return job("workflow_run", payload, **environment)

    return run


def bodies(github):
    return [one.body for one in github.comments_of(NUMBER)]


def test_the_summary_becomes_the_comment(own, github):
    """The comment has the summary, and leads to the run and the uploaded report."""
    outputs = own()
    [body] = bodies(github)
    assert body.startswith("<!-- budgetguard:budgetguard -->\n### red\n")
    assert "/actions/runs/42)" in body
    assert "[report](https://g/a/7)" in body
    assert outputs == {"comment-url": outputs["comment-url"]}
    assert outputs["comment-url"].startswith("https://github.com/")


@pytest.mark.parametrize(
    "given",
    [{"INPUT_COMMENT": "never"}, {"INPUT_SHARD": "1/2"}, {"INPUT_UPDATE_BASELINE": "true"}],
)
def test_nobody_wants_a_comment(own, github, given):
    """Where none is wanted GitHub is not even asked."""
    own(**given)
    assert github.requests == []


def test_only_red(own, github):
    """With `comment: red` a green run begins none, and brings one that stands up to date."""
    own(INPUT_COMMENT="red", EXIT_CODE="0")
    assert bodies(github) == []
    own(INPUT_COMMENT="red", EXIT_CODE="1")
    own(INPUT_COMMENT="red", EXIT_CODE="0")
    assert len(bodies(github)) == 1
    assert len(github.asked("issues/create-comment")) == 1


def test_a_token_that_may_not_write(own, github, action_fakes, capsys, tmp_path):
    """The comment is kept as a file, the log says what is missing, and nothing is raised."""
    github.tokens[action_fakes.TOKEN] = action_fakes.installation(contents="read")
    outputs = own()
    assert Path(outputs["comment-file"]).read_text().startswith("<!-- budgetguard:budgetguard -->")
    said = capsys.readouterr().out
    assert "pull-requests: write" in said
    assert "::warning title=budgetguard%3A no comment::" in said
    assert action_fakes.TOKEN not in said


@pytest.mark.parametrize("fault", ["rate_limited", "broken", "cut"])
def test_github_is_away(own, github, action_fakes, capsys, fault):
    """A GitHub that answers nothing useful costs the comment and no more."""
    github.next(getattr(action_fakes, fault)(), times=99)
    assert "comment-file" in own()
    assert "no comment" in capsys.readouterr().out


def test_nothing_was_measured(own, github):
    """A green comment from before does not stand where the action broke off before it measured."""
    own(EXIT_CODE="0")
    own(SUMMARY="", EXIT_CODE="")
    [body] = bodies(github)
    assert "judged nothing" in body


@pytest.mark.parametrize("token", ["", "a\nb", "ghs_€"])
def test_a_token_that_is_none(own, capsys, token):
    """A token that cannot be one is refused before it is sent, and kept out of the log."""
    assert "comment-file" in own(GITHUB_TOKEN=token)
    assert "input github-token" in capsys.readouterr().out


def test_without_the_library(own, capsys, monkeypatch):
    """Without requests the log names the command that brings it."""
    monkeypatch.setitem(__import__("sys").modules, "requests", None)
    own()
    assert "pip install 'pytest-budgetguard[github]'" in capsys.readouterr().out


def test_other_events_have_no_comment(job, event, github):
    """A push has no pull request to comment on."""
    job("push", event("push"))
    assert github.requests == []


def test_a_forks_run(fork, github):
    """Its report is read, rendered here, and put under the pull request that GitHub names."""
    outputs = fork(zipped(report_json=report(), summary_md="# forged **text**"))
    [body] = bodies(github)
    assert "| ❌ | <code>app</code>" in body
    assert "forged" not in body
    assert f"measured by the files of {SHA[:10]}, its run ended with: success" in body
    assert outputs["comment-url"]
    assert not any("authorization" in map(str.lower, one.headers) for one in github.downloads)


def test_a_forks_text_is_inert(fork, github):
    """Whatever a fork writes into its report mentions nobody, links nowhere and breaks no table."""
    evil = "@everyone [x](https://evil) <img src=x> | ``` <!-- budgetguard:budgetguard -->\u202e"
    fork(zipped(report_json=report(budget=evil, reason=evil, evidence=(evil,), note=evil)))
    [body] = bodies(github)
    text = body.removeprefix("<!-- budgetguard:budgetguard -->")
    for power in ("@everyone", "](https://evil", "<img", "<!--", "```", "\u202e"):
        assert power not in text


def test_a_failed_run_is_told_too(fork, github):
    """Runs that failed are those that a pull request has to hear of."""
    fork(zipped(report_json=report()), changes={"workflow_run.conclusion": "failure"})
    assert "its run ended with: failure" in bodies(github)[0]


def test_a_report_that_does_not_fit_its_run(fork, github):
    """Where the run failed and its report is green, the comment does not begin with the green."""
    green = report(outcome=Outcome.PASS, measured=1.0)
    fork(zipped(report_json=green), changes={"workflow_run.conclusion": "failure"})
    assert "the run did not succeed, whatever its report says" in bodies(github)[0].splitlines()[1]


def test_what_a_fork_loosened(fork, github):
    """What the run found looser heads the comment, though the report is all that is read."""
    plain = Report(verdicts=(), tool="budgetguard 1")
    told = with_loosened(plain, ("budgetguard.yml:3: `a` became `b`\n  accept it",))
    fork(zipped(report_json=as_json.render(told)))
    body = bodies(github)[0]
    assert "### ❌ looser than before, and nobody accepted it" in body
    assert body.index("looser") < body.index("measured nothing")


def test_an_older_attempt_has_no_say(fork, github):
    """The artifact of an attempt that was started again tells nothing of the run that ended now."""
    later = {"workflow_run.run_started_at": "2999-01-01T00:00:00Z"}
    fork(zipped(report_json=report()), changes={"workflow_run.conclusion": "failure", **later})
    assert "has no artifact" in bodies(github)[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_of_another_kind(fork, github, method):
    """What no bound of zipfile holds is not unpacked at all."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("report.json", report())
    fork(held.getvalue())
    assert "is packed as GitHub packs none" in bodies(github)[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "has no artifact"),
        (b"no zip", "is no archive with a report.json"),
        (zipped(other_json="{}"), "is no archive with a report.json"),
        (zipped(report_json="{"), "is no JSON"),
        (zipped(report_json='{"schema": 1}'), "no report of budgetguard"),
        (zipped(report_json=report())[:-30], "is no archive"),
    ],
)
def test_a_run_without_a_sound_report(fork, github, content, told):
    """What cannot be read is told under the pull request instead of an old verdict."""
    fork(content, changes={"workflow_run.conclusion": "failure"})
    [body] = bodies(github)
    assert "judged nothing" in body
    assert told in body
    assert "/budgetguard-" not in body  # no path of the machine that read it


def test_an_expired_artifact(fork, github):
    """An artifact that GitHub has thrown away is none."""
    github.add_artifact(RUN, "budgetguard-report", zipped(report_json=report()), expired=True)
    fork()
    assert "has no artifact" in bodies(github)[0]


def test_the_newest_of_several_attempts(fork, github):
    """A run that was started again has two artifacts of a name; the later one counts."""
    github.add_artifact(RUN, "budgetguard-report", zipped(report_json=report(budget="older")))
    fork(zipped(report_json=report(budget="newer")))
    assert "newer" in bodies(github)[0]
    assert "older" not in bodies(github)[0]


def test_a_bomb(fork, github, monkeypatch):
    """A report that unpacks to more than its bound is refused, without being unpacked whole."""
    monkeypatch.setattr("budgetguard.action.posting.LARGEST_BYTES", 1000)
    monkeypatch.setattr("budgetguard.gate.report.reading.LARGEST_BYTES", 1000)
    fork(zipped(report_json=" " * 10_000_000))
    assert "is larger than" in bodies(github)[0]


@pytest.mark.parametrize(
    "pull",
    [
        {"sha": "b" * 40},
        {"sha": SHA, "head_repo": "mallory/Hello-World"},
        {"sha": SHA, "state": "closed"},
        {"sha": SHA, "branch": "other"},
        {"sha": SHA, "fork_deleted": True},
    ],
)
def test_the_pull_request_is_the_one_that_was_measured(fork, github, pull):
    """One that moved on, was closed or is of somebody else gets no comment; the artifact has no say."""
    github.add_pull_request(NUMBER, **{"branch": "changes", "head_repo": FORK, **pull})
    fork(zipped(report_json=report()))
    assert bodies(github) == []


def test_a_run_of_no_pull_request(fork, github):
    """A push of a fork's branch is no pull request's."""
    fork(zipped(report_json=report()), changes={"workflow_run.event": "push"})
    assert github.requests == []


def test_a_deleted_fork(fork, github):
    """GitHub names no head repository where the fork is gone."""
    fork(zipped(report_json=report()), changes={"workflow_run.head_repository": None})
    assert bodies(github) == []


def test_a_branch_with_a_hostile_name(fork, github):
    """A branch's name is a value of a query and nothing else."""
    branch = "x&state=all&head=evil%0A$(id)"
    github.add_pull_request(NUMBER, branch=branch, sha=SHA, head_repo=FORK)
    fork(zipped(report_json=report()), changes={"workflow_run.head_branch": branch})
    assert len(bodies(github)) == 1
