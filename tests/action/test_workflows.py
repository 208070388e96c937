"""action.yml, the example workflows and our own, as their schemas and two linters see them.

Each tool also has to find mistakes put into a copy: one that finds nothing anywhere is no check.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKED = ("action.yml", ".github", "examples/workflows")
PUBLISHED = "OWNER/budgetguard@v"
TIMEOUT_S = 60

WORKFLOWS = (".github/workflows/*.yml", "examples/workflows/*.yml")
SCHEMA = ("check-jsonschema", "--builtin-schema")
ACTIONLINT = ("actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
ZIZMOR = ("zizmor", "--offline", "--no-progress", "--color=never", "--min-severity=medium")
TOOLS = {
    "schema of actions": (*SCHEMA, "vendor.github-actions", "action.yml"),
    "schema of workflows": (*SCHEMA, "vendor.github-workflows", *WORKFLOWS),
    "schema of dependabot": (*SCHEMA, "vendor.dependabot", ".github/dependabot.yml"),
    "actionlint": (*ACTIONLINT, *WORKFLOWS),
    # Given folders, zizmor passes over workflows that are in none called .github/workflows.
    "zizmor": (
        *ZIZMOR,
        "--config=.github/zizmor.yml",
        "action.yml",
        ".github/dependabot.yml",
        *WORKFLOWS,
    ),
}

START, SHARDED = "examples/workflows/pull-request.yml", "examples/workflows/sharded.yml"
FORK, NIGHTLY = "examples/workflows/fork-comment.yml", "examples/workflows/push-and-nightly.yml"
CI, DEPENDABOT = ".github/workflows/ci.yml", ".github/dependabot.yml"
INSTALL = "python -m pip install -e '.[test]'"
INJECTED = "run: echo ${{ inputs.args }}; exit "
GRANTED = "    permissions:\n      contents: read\n"
SEEDS = [
    ("schema of actions", "action.yml", "      shell: bash\n", "", "'shell'"),
    ("schema of actions", "action.yml", "icon: shield", "icon: sheild", "'sheild'"),
    ("schema of actions", "action.yml", "using: composite", "using: composit", "runs"),
    ("schema of workflows", START, "runs-on:", "run-on:", "run-on"),
    ("schema of workflows", START, "timeout-minutes: 30", "timeout-minutes: soon", "soon"),
    ("schema of dependabot", DEPENDABOT, "monthly", "sometimes", "sometimes"),
    ("actionlint", SHARDED, "shard: ${{", "shards: ${{", '"shards" is not defined'),
    ("actionlint", SHARDED, "matrix.shard }}/3", "matrix.part }}/3", '"part" is not defined'),
    ("actionlint", SHARDED, "needs: measure", "needs: measured", '"measured"'),
    ("actionlint", CI, "budgets.outputs.status", "budgets.outputs.state", '"state" is not defined'),
    ("actionlint", START, INSTALL, "echo ${{ github.head_ref }}", "potentially untrusted"),
    ("zizmor", START, "actions/checkout@", "actions/checkout@v7 # ", "unpinned-uses"),
    ("zizmor", NIGHTLY, GRANTED, "    permissions: write-all\n", "excessive-permissions"),
    ("zizmor", START, "        with:\n          persist-credentials: false\n", "", "artipacked"),
    ("zizmor", START, "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ("zizmor", START, INSTALL, "echo ${{ github.head_ref }}", "template-injection"),
    ("zizmor", FORK, "# zizmor: ignore[dangerous-triggers]", "#", "dangerous-triggers"),
    ("zizmor", "action.yml", "run: exit ", INJECTED, "template-injection"),
    ("zizmor", DEPENDABOT, "default-days: 7", "default-days: 1", "dependabot-cooldown"),
]


@pytest.fixture
def copy(tmp_path):
    """A copy of what is checked; its examples name the action.yml beside them, so that inputs are resolved."""
    (tmp_path / ".git").mkdir()
    for name in CHECKED:
        given = ROOT / name
        (shutil.copytree if given.is_dir() else shutil.copy)(given, tmp_path / name)
    return tmp_path


def run(tool, folder):
    """The exit code of a tool over the files of its patterns, and what it said; each pattern has to match."""
    name, *words = TOOLS[tool]
    found = [
        sorted(folder.glob(word)) if word.endswith(".yml") and "=" not in word else [word]
        for word in words
    ]
    assert all(found), f"{words} match nothing in {folder}"
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(name, path=scripts)
    if program is None:
        reason = f"{name} is not installed"
        if os.environ.get("BUDGETGUARD_TEST_STRICT"):  # CI: nothing is skipped for want of a part
            pytest.fail(reason)
        pytest.skip(reason)
    kept = {
        key: value for key, value in os.environ.items() if key not in ("GH_TOKEN", "GITHUB_TOKEN")
    }
    done = subprocess.run(
        [program, *(str(word) for words in found for word in words)],
        cwd=folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stdout


def change(file, old, new):
    """Replace the first of a passage that has to be there."""
    text = file.read_text()
    assert old in text, f"{file.name} has changed: {old!r} is not in it; mend the seed"
    file.write_text(text.replace(old, new, 1))


def resolve_ours(folder):
    """Let the examples use the action.yml of the copy: of one elsewhere nothing knows the inputs."""
    version = (folder / START).read_text().partition(PUBLISHED)[2].split()[0]
    for file in (folder / "examples/workflows").glob("*.yml"):
        change(file, f"{PUBLISHED}{version}", "./")
        file.write_text(file.read_text().replace(f"{PUBLISHED}{version}", "./"))


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_found(copy, tool):
    """Every file is as its schema says, and no linter has anything to say of medium weight or more."""
    if tool == "actionlint":
        resolve_ours(copy)
    code, said = run(tool, copy)
    assert code == 0, said


@pytest.mark.parametrize(("tool", "name", "old", "new", "cause"), SEEDS)
def test_a_mistake_is_found(copy, tool, name, old, new, cause):
    """A mistake of each kind that is checked for ends red and is named."""
    if tool == "actionlint":
        resolve_ours(copy)
    change(copy / name, old, new)
    code, said = run(tool, copy)
    assert code != 0, said
    assert cause in said, said
