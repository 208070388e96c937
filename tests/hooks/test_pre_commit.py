"""The hooks as people run them: installed by pre-commit and by prek from a repository, in a real one."""

import re

import pytest
import yaml

from .conftest import CONFIG, HOOKS_FILE, REVISION, ROOT, or_skip

WEAKER = CONFIG.replace("200 B", "300 B")
IDS = ("budgetguard-config", "budgetguard-baseline", "budgetguard-bundle", "budgetguard-quick")
USED = """\
repos:
- repo: {hooks}
  rev: {revision}
  hooks:
  - id: budgetguard-config
  - id: budgetguard-baseline
  - id: budgetguard-bundle
    additional_dependencies: []
  - id: budgetguard-quick
"""
TESTS = """\
import sqlite3

import pytest


@pytest.mark.budget("queries <= {most}")
def test_one():
    sqlite3.connect(":memory:").execute("SELECT 1")
"""


@pytest.fixture
def used(repo, hooks, homes, runner):
    """A repository that uses all our hooks; their environment is built once, here."""
    repo.variables.update(homes)
    text = USED.format(hooks=hooks, revision=REVISION)
    (repo.folder / ".pre-commit-config.yaml").write_text(text)
    (repo.folder / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
    repo.commit("hooks")
    or_skip(repo.run(runner, "install-hooks" if runner == "pre-commit" else "prepare-hooks")).ends(
        0
    )
    return repo


@pytest.fixture(params=["pre-commit", "prek"])
def runner(request):
    """The program that runs hooks."""
    return request.param


def outcomes(ended):
    """How each hook came out, by its name."""
    return dict(
        re.findall(r"^(budgetguard [a-z ]+?)\.+(?:\([^)]*\))?(\w+)$", ended.said, re.MULTILINE)
    )


def test_a_commit_through_the_hooks(used, runner):
    """A broken configuration and a weaker limit stop `git commit`; what is accepted passes."""
    used.run(runner, "install").ends(0)
    used.config(CONFIG.replace("raw <= 200 B", "raww <= 200 B")).stage()
    used.run("git", "commit", "-m", "x").ends(1, "budgetguard.yml:5", "did you mean raw?")
    used.config(WEAKER).stage()
    refused = used.run("git", "commit", "-m", "x")
    refused.ends(1, "budgetguard configuration", "became `raw <= 300 B`")
    entry = re.search(r"^ *(- \{.*\})$", refused.said, re.MULTILINE)[1]
    used.config(WEAKER, accepted=[f"  {entry}"]).stage()
    used.run("git", "commit", "-m", "x").ends(0)
    used.git("rm", "-q", "budgetguard.baseline.json")
    used.run("git", "commit", "-m", "x").ends(1, "budgetguard.baseline.json: is deleted")


def test_a_push_through_the_hooks(used, runner, tmp_path):
    """What was committed past the hooks is found when it is pushed, bundles and exact budgets too."""
    used.git("init", "-q", "--bare", str(tmp_path / "server"))
    used.git("remote", "add", "origin", str(tmp_path / "server"))
    used.git("push", "-q", "--no-verify", "origin", "main")
    used.run(runner, "install", "--hook-type", "pre-push").ends(0)
    used.write({"tests/test_one.py": TESTS.format(most=0), "dist/app.js": "a" * 400})
    used.config(WEAKER).commit("past the hooks")
    refused = used.run("git", "push", "origin", "main")
    refused.ends(1, "became `raw <= 300 B`", "400 B is over 300 B", "1 is over 0")
    used.write({"tests/test_one.py": TESTS.format(most=1), "dist/app.js": "a" * 100})
    used.config().commit("better")
    used.run("git", "push", "origin", "main").ends(0)


@pytest.mark.parametrize("runner", ["pre-commit"], indirect=True)
def test_ci_repeats_what_no_verify_skipped(used, runner):
    """`run --from-ref --to-ref` finds on a server what `git commit --no-verify` let through."""
    used.config(WEAKER).commit("past the hooks")
    refused = used.run(runner, "run", "--from-ref", "HEAD~1", "--to-ref", "HEAD")
    assert refused.code == 1
    assert outcomes(refused) == {
        "budgetguard configuration": "Passed",
        "budgetguard baseline": "Failed",
    }
    used.run(runner, "run", "--all-files").ends(0)


def test_try_repo(repo, hooks, homes):
    """`pre-commit try-repo` builds one hook from a folder and runs it."""
    repo.variables.update(homes)
    told = or_skip(
        repo.run("pre-commit", "try-repo", str(hooks), "budgetguard-config", "--all-files")
    )
    told.ends(0, "budgetguard configuration", "Passed")


def test_the_manifest_says_what_is_promised():
    """Ids, stages and the oldest pre-commit are what docs/pre-commit.md tells."""
    manifest = {one["id"]: one for one in yaml.safe_load((ROOT / HOOKS_FILE).read_text())}
    told = (ROOT / "docs" / "pre-commit.md").read_text()
    assert tuple(manifest) == IDS
    for name, hook in manifest.items():
        assert hook["minimum_pre_commit_version"] == "3.2.0"
        assert {"pre-push", "manual"} <= set(hook["stages"])
        assert ("pre-commit" in hook["stages"]) is (name in IDS[:2])
        assert f"`{name}`" in told
