"""Pull requests: real jobs run by act, in real clones, that comment on the fake of GitHub's API."""

from html import unescape

import pytest

from budgetguard.gate.report.reading import read_report

OVER = "a" * 2000
RELATIVE = """\
version: 1
budgets:
  app:
    bundle: app.js
    limits: [raw <= 1 kB, raw <= baseline + 2%]
"""


@pytest.fixture
def proposed(repo, tmp_path, github, event, action_fakes):
    """A shallow clone of a pull request, as actions/checkout brings it, and its event."""

    def propose(*, merge=True, **files):
        """Change files on a branch, while the base goes on; `merge` is GitHub's own merge commit."""
        repo.git("checkout", "-q", "-b", "changes")
        head = repo.write(**files).commit("propose")
        repo.git("checkout", "-q", "main")
        repo.write(meanwhile_txt="more").commit("meanwhile")
        base = repo.git("rev-parse", "main")
        if merge:
            repo.git("checkout", "-q", "--detach", "main")
            repo.git("merge", "-q", "--no-ff", "-m", "merge", head)
            repo.git("update-ref", "refs/pull/2/merge", "HEAD")
            repo.git("checkout", "-q", "main")
        what = "refs/pull/2/merge" if merge else "refs/heads/changes"
        clone = repo.checked_out(tmp_path / "checkout", what)
        github.add_pull_request(2, branch="changes", sha=head)
        facts = {"pull_request.head.sha": head, "pull_request.base.sha": base}
        return clone, event("pull_request_opened", **facts)

    return propose


def test_a_comment_is_written_and_replaced(act, proposed, github, action_fakes):
    """A red pull request gets one comment; the next run replaces it in place."""
    act.api = github.url
    clone, payload = proposed(app_js=OVER)
    job = act(clone, "pull_request", payload, token=action_fakes.TOKEN)
    assert job.code == 1
    [comment] = github.comments_of(2)
    assert "| ❌ | <code>app</code>" in comment.body
    assert job.outputs["comment-url"].endswith(f"#issuecomment-{comment.id}")
    clone.write(app_js="a").commit()
    job = act(clone, "pull_request", payload, token=action_fakes.TOKEN)
    assert job.code == 0, job.log
    [comment] = github.comments_of(2)
    assert "within budget" in comment.body
    assert action_fakes.TOKEN not in str(job.lines)


@pytest.mark.parametrize("merge", [True, False])
def test_what_a_pull_request_loosens_itself(act, proposed, repo, github, action_fakes, merge):
    """The yardstick is the merge base's, fetched into a shallow clone: a hook can be skipped, this not."""
    repo.write(budgetguard_yml=RELATIVE).commit()
    repo.record("main")
    loose = RELATIVE.replace("1 kB", "3 kB")
    clone, payload = proposed(merge=merge, budgetguard_yml=loose, app_js=OVER)
    job = act(clone, "pull_request", payload, comment="never")
    assert job.code == 1
    assert job.outputs["exit-code"] == "1"
    assert "looser than before, and nobody accepted it" in job.summary
    assert "became `raw <= 3 kB`" in unescape(job.summary)
    places = [(level, file, line) for level, file, line, *_ in job.annotations]
    assert places == [("error", "budgetguard.yml", "3")] * 2
    assert "raw <= baseline + 2%" in unescape(
        job.summary
    )  # judged by the base's copy of the baseline
    assert job.outputs["over-budget"] == "1"
    report = read_report(job.artifacts / "budgetguard-report" / "report.json")
    assert any(note.startswith("looser than before") for note in report.notes)


def test_a_token_that_may_not_write(act, proposed, github, action_fakes):
    """403 changes no verdict: the comment becomes a file, and the log says what to permit."""
    act.api = github.url
    github.tokens["weak"] = action_fakes.installation(contents="read")
    clone, payload = proposed(other_txt="x")
    job = act(clone, "pull_request", payload, token="weak")
    assert job.code == 0, job.log
    assert job.outputs["comment-url"] == ""
    assert job.outputs["comment-file"].endswith("comment.md")
    [(level, *_, title, message)] = job.annotations
    assert (level, title) == ("warning", "budgetguard: no comment")
    assert "pull-requests: write" in message


def test_hostile_names(act, proposed, github, event, action_fakes):
    """Titles, branches and authors of a pull request are never run, printed or commented."""
    act.api = github.url
    clone, payload = proposed(app_js=OVER)
    evil = '"; touch pwned; $(touch pwned) `touch pwned` ${{ github.token }} ::error::evil'
    payload["pull_request"]["title"] = payload["pull_request"]["head"]["ref"] = evil
    payload["pull_request"]["body"] = payload["pull_request"]["user"]["login"] = evil
    job = act(clone, "pull_request", payload, token=action_fakes.TOKEN)
    assert job.outputs["status"] == "over-budget"
    assert not list(act.folder.rglob("pwned"))
    assert "evil" not in job.log + job.summary + github.comments_of(2)[0].body


def test_a_fork_from_end_to_end(act, proposed, github, event, action_fakes):
    """The fork's run may not comment; a second workflow without a checkout posts its red verdict."""
    act.api = github.url
    github.tokens["fork"] = action_fakes.installation(contents="read")
    clone, payload = proposed(app_js=OVER)
    sha = payload["pull_request"]["head"]["sha"]
    job = act(clone, "pull_request", payload, token="fork")
    assert job.code == 1
    assert github.comments == []
    fork = "octocat/Hello-World"
    github.add_pull_request(2, branch="changes", sha=sha, head_repo=fork)
    github.add_artifact(289782451, "budgetguard-report", job.zipped())
    finished = event("workflow_run_fork", **{"workflow_run.head_sha": sha})
    posted = act(clone, "workflow_run", finished, checkout=False, token=action_fakes.TOKEN)
    assert posted.code == 0, posted.log
    [comment] = github.comments_of(2)
    assert "| ❌ | <code>app</code>" in comment.body
    assert posted.outputs["comment-url"]
    assert posted.outputs["status"] == ""  # nothing was measured here


def test_pull_request_target(act, proposed, github):
    """The event that hands a fork the repository's secrets is refused with what to use instead."""
    clone, payload = proposed(app_js=OVER)
    job = act(clone, "pull_request_target", payload)
    assert job.outputs["status"] == "unusable"
    assert "workflow_run" in job.summary.replace("&#95;", "_")


def test_a_base_that_cannot_be_had(act, proposed, repo):
    """A clone that can neither be deepened nor ends in the base is told the depth to write."""
    clone, payload = proposed(app_js=OVER)
    clone.git("remote", "set-url", "origin", "file:///nowhere")
    job = act(clone, "pull_request", payload)
    assert job.outputs["status"] == "not-measured"
    assert "fetch-depth: 0" in job.log
    assert job.code == 1
