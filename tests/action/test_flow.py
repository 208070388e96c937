"""`budgetguard action run` where something is in its way: it is red, and nothing is lost or left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from budgetguard.action import flow

WAITING = """\
version: 1
budgets:
  slow: {command: "python wait.py", limits: [wall <= 60 s]}
"""


@pytest.fixture
def step(tmp_path, event, monkeypatch):
    """Runs the step in a folder for an event, and returns its outputs and its summary."""
    temp, output, summary = tmp_path / "temp", tmp_path / "output", tmp_path / "summary"
    temp.mkdir()

    def given(folder, name="push", payload=None, **inputs):
        told = tmp_path / "event.json"
        told.write_text(json.dumps(payload or event(name)))
        for file in (output, summary):
            file.write_text("")
        return {
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(told),
            "GITHUB_REPOSITORY": "octo/shop",
            "GITHUB_RUN_ID": "42",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(temp),
            **{f"INPUT_{key.upper()}": value for key, value in inputs.items()},
        }

    def run(folder, name="push", payload=None, **inputs):
        monkeypatch.chdir(folder)
        flow.run(given(folder, name, payload, **inputs))
        lines = output.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines), summary.read_text()

    run.given, run.temp = given, temp
    return run


@pytest.fixture
def shards(repo, step, tmp_path):
    """A folder with the reports of both shards, and nothing else."""
    folder = tmp_path / "join"
    for number in (1, 2):
        outputs, _ = step(repo.folder, shard=f"{number}/2")
        place = folder / "reports" / outputs["artifact"]
        place.mkdir(parents=True)
        shutil.copy(outputs["report"], place)
    return folder


def pull_request(repo, event):
    head, base = repo.git("rev-parse", "HEAD"), repo.git("rev-parse", "HEAD~1")
    return event(
        "pull_request_opened", **{"pull_request.head.sha": head, "pull_request.base.sha": base}
    )


def test_a_join_that_cannot_know_what_is_looser(repo, step, shards, event):
    """Without a checkout the join of a pull request is red, and keeps the verdicts that it has."""
    repo.commit("more")
    outputs, summary = step(
        shards, "pull_request", pull_request(repo, event), merge="reports/**/report.json"
    )
    assert (outputs["status"], outputs["gate"], outputs["guarded"]) == ("unusable", "2", "1 of 1")
    assert "actions/checkout in this job" in summary
    assert "within budget" in summary
    outputs, _ = step(shards, "push", merge=f"{shards}/reports/**/report.json")
    assert outputs["gate"] == "0"


def test_a_join_that_finds_what_is_looser(repo, step, shards, event):
    """With the checkout, the join finds it."""
    text = (repo.folder / "budgetguard.yml").read_text()
    repo.write(budgetguard_yml=text.replace("1 kB", "5 kB")).commit("looser")
    payload = pull_request(repo, event)
    outputs, summary = step(
        repo.folder, "pull_request", payload, merge=f"{shards}/reports/**/report.json"
    )
    assert (outputs["status"], outputs["gate"]) == ("over-budget", "1")
    assert "### ❌ looser than before" in summary


def test_a_configuration_that_is_not_compared(repo, step, event):
    """A pull request cannot hide its limits in a file that nobody compares."""
    (repo.folder / "budgetguard.yml").rename(repo.folder / "perf.yml")
    repo.commit("rename")
    outputs, summary = step(
        repo.folder, "pull_request", pull_request(repo, event), config="perf.yml"
    )
    assert outputs["gate"] == "2"
    assert "only budgetguard.yml and pyproject.toml are compared" in summary
    assert step(repo.folder, config="perf.yml")[0]["gate"] == "0"


def test_a_baseline_that_is_not_whole(repo, step):
    """What could be recorded is uploaded, the step is red, and its command can be pasted as it is."""
    folder = repo.folder / "a b; touch pwned"
    folder.mkdir()
    more = "  none: {bundle: nothing.js, limits: [raw <= 1 kB]}\n"
    (folder / "budgetguard.yml").write_text((repo.folder / "budgetguard.yml").read_text() + more)
    (folder / "app.js").write_text("a")
    repo.commit()
    outputs, summary = step(folder, "workflow_dispatch", update_baseline="true", enforce="false")
    assert (outputs["status"], outputs["gate"]) == ("not-measured", "4")
    assert "git add 'a b; touch pwned/budgetguard.baseline.json'" in summary
    assert list((step.temp).glob("*/upload/a b; touch pwned/budgetguard.baseline.json"))


def test_a_bug_of_ours_is_red(repo, step, monkeypatch, capsys):
    """Whatever breaks in the step, the job hears that nothing was judged."""
    monkeypatch.setattr(flow, "_done", lambda *_: 1 / 0)
    outputs, summary = step(repo.folder)
    assert (outputs["status"], outputs["gate"]) == ("not-measured", "4")
    assert "a bug in budgetguard" in summary
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_the_verdict_outlives_a_full_disk(repo, step, monkeypatch):
    """Outputs are written before everything that can fill a disk."""
    monkeypatch.setattr(flow, "page", lambda *_: 1 / 0)
    repo.write(app_js="a" * 2000).commit()
    with pytest.raises(ZeroDivisionError):
        step(repo.folder)
    output = (step.temp.parent / "output").read_text()
    assert "gate=1\n" in output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_job(repo, step, how):
    """Nothing that was started stays, and no folder."""
    started = repo.folder / "started"
    repo.write(
        budgetguard_yml=WAITING,
        wait_py="import os, time\nopen('started', 'w').write(str(os.getpid()))\ntime.sleep(100)\n",
    ).commit()
    environment = {**os.environ, **step.given(repo.folder)}
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "budgetguard", "action", "run"],
        cwd=repo.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(1200):
        if started.exists() and started.read_text():
            break
        time.sleep(0.05)
    waiting = psutil.Process(int(started.read_text()))
    ours = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(how)
    assert child.wait(timeout=60) == 130
    assert psutil.wait_procs([waiting, *ours], timeout=30)[1] == []
    assert list(step.temp.iterdir()) == []
