"""`hook baseline`: nothing is looser than before without an accepted entry, in every state git can be in."""

import json
import re

import pytest

from .conftest import CONFIG

WEAKER = CONFIG.replace("200 B", "300 B")
GROUP = """\
version: 1
budgets:
  perf:
    test: tests
    limits: [queries <= baseline]
"""
ITEM = "tests/test_inbox.py::test_inbox"


def pasted(ended):
    """The accepted entries that a message offers."""
    return re.findall(r"^  - \{.*\}$", ended.said, re.MULTILINE)


def test_an_untouched_commit_is_quiet(repo):
    """What has nothing to do with budgets passes without a word."""
    repo.write({"readme.md": "x"}).stage()
    assert repo.hook("baseline").ends(0).said == ""


@pytest.mark.parametrize(
    "changed",
    [
        CONFIG.replace("200 B", "150 B"),
        CONFIG.replace("+ 2%", "+ 1%"),
        CONFIG.replace("baseline]", "baseline, gzip <= 1 kB]"),
        CONFIG + "  more:\n    bundle: dist\n    limits: [files <= 3]\n",
        CONFIG.replace("app:", "renamed:"),
        CONFIG.replace("  app:", "  # why\n  app:"),
    ],
    ids=["tighter", "less room", "one more limit", "one more budget", "renamed", "a comment"],
)
def test_what_is_no_looser_passes(repo, changed):
    """Tightening, adding and renaming need no acceptance."""
    repo.config(changed)
    if "renamed" in changed:
        repo.record(("renamed", "raw", 100))
    repo.stage().hook("baseline").ends(0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (WEAKER, "budgetguard.yml:3: budget app: `raw <= 200 B` became `raw <= 300 B`"),
        (CONFIG.replace("2%", "3%"), "`raw <= baseline + 2%` became `raw <= baseline + 3%`"),
        (CONFIG.replace("2%", "2% or 500 B"), "became `raw <= baseline + 2% or 500 B`"),
        (CONFIG.replace("2%", "500 B"), "became `raw <= baseline + 500 B`"),
    ],
)
def test_a_weaker_limit_needs_the_entry_that_is_offered(repo, changed, told):
    """Each weaker bound is told with its line; with the offered entry pasted it passes."""
    refused = repo.config(changed).stage().hook("baseline").ends(1, told, "under `accepted:`")
    repo.config(changed, accepted=pasted(refused)).stage()
    repo.hook("config").ends(0)
    assert repo.hook("baseline").ends(0).said == ""


def test_a_new_name_hides_nothing(repo):
    """A budget that is renamed and loosened at once is told under its new name, which accepts it."""
    changed = WEAKER.replace("app:", "renamed:")
    refused = repo.config(changed).record(("renamed", "raw", 140)).stage().hook("baseline")
    refused.ends(1, "budget renamed: `raw <= 200 B` became", "140 B is over 102 B")
    repo.config(changed, accepted=pasted(refused)).stage().hook("config").ends(0)
    repo.hook("baseline").ends(0)


def test_an_entry_that_ended_accepts_nothing(repo):
    """An accepted regression holds until its day."""
    entry = '  - {budget: app, limit: "raw <= 300 B", reason: x, until: 2026-01-01}'
    repo.config(WEAKER, accepted=[entry]).stage().hook("baseline").ends(1, "became `raw <= 300 B`")


def test_an_entry_for_less_accepts_no_more(repo):
    """Accepting 250 bytes does not accept 300."""
    entry = '  - {budget: app, limit: "raw <= 250 B", reason: x, until: 2999-01-01}'
    repo.config(WEAKER, accepted=[entry]).stage().hook("baseline").ends(1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (CONFIG.replace("raw <= 200 B, ", ""), "the limit `raw <= 200 B` is gone"),
        ("version: 1\nbudgets: {}\n", "budget app is gone, and its limit `raw <= 200 B`"),
        (CONFIG + "    enforce: false\n", "`enforce: false`, so `raw <= 200 B` stops no build"),
    ],
    ids=["limit", "budget", "not enforced"],
)
def test_what_is_taken_out_is_accepted_one_commit_before(repo, changed, told):
    """Nothing can be accepted of what is not there any more, so its entry is committed first."""
    refused = repo.config(changed).stage().hook("baseline").ends(1, told, "in a later one")
    repo.config(CONFIG, accepted=pasted(refused)).stage().hook("baseline").ends(0)
    repo.commit("accept").config(changed).stage().hook("baseline").ends(0)


def test_a_recorded_value_beyond_its_room(repo):
    """A value that its limit would have refused is no new baseline; with the offered entry it is."""
    refused = repo.record(("app", "raw", 140)).stage().hook("baseline")
    refused.ends(1, "app raw: 140 B is over 102 B, +40.0 % from 100 B", "`raw <= baseline + 2%`")
    assert "raw <= baseline + 2% or 40 B" in pasted(refused)[0]
    repo.config(accepted=pasted(refused)).stage()
    repo.hook("config").ends(0)
    repo.hook("baseline").ends(0)


@pytest.mark.parametrize("value", [102, 100, 50])
def test_a_recorded_value_within_its_room(repo, value):
    """What the limit lets through, and what got better, is recorded without a word."""
    assert repo.record(("app", "raw", value)).stage().hook("baseline").ends(0).said == ""


def test_a_dropped_value(repo):
    """A limit on the baseline without a value would be NEW, which is green."""
    repo.record(("other", "raw", 1)).stage().hook("baseline").ends(1, "app raw is dropped")


def test_a_value_under_another_key_may_go(empty):
    """An update drops what was recorded on other machines; one that is left is enough."""
    empty.config().record(("app", "raw", 100, "", "one"), ("app", "raw", 100, "", "two")).commit()
    empty.record(("app", "raw", 100, "", "one")).stage().hook("baseline").ends(0)


def test_a_part_that_is_gone_is_no_loosening(empty):
    """A file of a bundle that a glob meant has another name after the next build."""
    empty.config(CONFIG.replace("raw <= baseline + 2%", '"*.js raw <= baseline + 2%"'))
    empty.record(("app", "raw", 100, "dist/a1.js"), ("app", "raw", 100, "dist/b.js")).commit()
    empty.record(("app", "raw", 100, "dist/a2.js"), ("app", "raw", 100, "dist/b.js")).stage()
    empty.hook("baseline").ends(0)
    empty.record(("app", "raw", 100, "dist/a2.js"), ("app", "raw", 150, "dist/b.js")).stage()
    empty.hook("baseline").ends(1, "app dist/b.js raw: 150 B is over 102 B")


def test_values_of_tests(empty):
    """A group's limit judges the values of its tests; without one, a worse value is told and passes."""
    empty.config(GROUP).record((ITEM, "queries", 3), ("lib/test_x.py::test_x", "queries", 3))
    empty.commit().record((ITEM, "queries", 3), ("lib/test_x.py::test_x", "queries", 9)).stage()
    empty.hook("baseline").ends(0, "note", "test_x queries went from 3 to 9", "markers are not")
    empty.record((ITEM, "queries", 5), ("lib/test_x.py::test_x", "queries", 3)).stage()
    refused = empty.hook("baseline").ends(1, "5 is over 3", "`queries <= baseline`")
    empty.config(GROUP, accepted=pasted(refused)).stage().hook("config").ends(0)
    empty.hook("baseline").ends(0)


def test_a_moved_base_of_time_is_told(repo):
    """`baseline update --time` forgets what was lost before; that is no error, and no secret."""
    repo.record(time="2026-02-02T00:00:00Z").stage().hook("baseline").ends(0, "2026-02-02")


def test_another_target_is_told(repo):
    """A budget that measures less keeps its numbers."""
    repo.config(CONFIG.replace("bundle: dist", "bundle: dist/app.js")).stage()
    repo.hook("baseline").ends(0, "budget app measures something else than before")


def test_deleted_and_moved_files(repo):
    """A deleted baseline or configuration is a loosening; both moved to another folder together are none."""
    repo.git("rm", "-q", "budgetguard.baseline.json")
    repo.hook("baseline").ends(1, "budgetguard.baseline.json: is deleted", "git checkout HEAD --")
    repo.git("rm", "-q", "budgetguard.yml")
    repo.hook("baseline").ends(1, "budget app is gone")
    repo.git("reset", "-q", "--hard")
    (repo.folder / "web").mkdir()
    repo.git("mv", "budgetguard.yml", "budgetguard.baseline.json", "web")
    assert repo.hook("baseline").ends(0).said == ""
    repo.config(WEAKER, folder="web").stage()
    repo.hook("baseline").ends(1, "web/budgetguard.yml:3: budget app")


def test_from_yaml_to_toml(repo):
    """The same budgets in the other file are the same budgets."""
    repo.git("rm", "-q", "budgetguard.yml")
    table = '[tool.budgetguard]\nversion = 1\n[tool.budgetguard.budgets.app]\nbundle = "dist"\n'
    limits = 'limits = ["raw <= {} B", "raw <= baseline + 2%"]\n'
    repo.write({"pyproject.toml": table + limits.format(200)}).stage().hook("baseline").ends(0)
    repo.write({"pyproject.toml": table + limits.format(300)}).stage()
    refused = repo.hook("baseline").ends(1, "pyproject.toml: budget app", "became `raw <= 300 B`")
    entry = refused.said.partition("end:\n")[2]
    repo.write({"pyproject.toml": table + limits.format(300) + entry}).stage()
    repo.hook("config", "pyproject.toml").ends(0)
    repo.hook("baseline").ends(0)


def test_a_repository_without_a_commit(empty):
    """There is nothing to compare with, and a broken baseline is refused all the same."""
    empty.hook("baseline").ends(0, "no commit yet")
    empty.config().record().stage().hook("baseline").ends(0, "no commit yet")
    (empty.folder / "budgetguard.baseline.json").write_text("{")
    empty.stage().hook("baseline").ends(2, "budgetguard.baseline.json: not JSON")


def test_an_unborn_branch_beside_others(repo):
    """A new branch without a parent has nothing to be compared with, whatever other branches hold."""
    repo.git("checkout", "-q", "--orphan", "other")
    repo.config(WEAKER).stage().hook("baseline").ends(0, "no commit yet")


def test_outside_of_git(tmp_path, empty):
    """The nearest baseline is read; there is nothing to compare it with."""
    (empty.folder / ".git").rename(tmp_path / "elsewhere")
    empty.config().record().hook("baseline").ends(0, "no git repository here")
    (empty.folder / "budgetguard.baseline.json").write_text("<<<<<<< ours\n")
    empty.hook("baseline").ends(2, "marks of a git conflict")


def unsorted(text):
    rows = [line for line in text.splitlines() if line.startswith('    {"budget"')]
    return text.replace(rows[0], "#").replace(rows[1], rows[0]).replace("#", rows[1])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> x\n", "marks of a git conflict"),
        (lambda text: text.replace('"schema": 1', '"schema": 9'), "schema 9"),
        (lambda text: text[:-9], "not JSON"),
        (lambda text: text.replace("100", "NaN"), "is not a number from 0 up"),
        (lambda text: json.dumps([]), "expected an object"),
        (unsorted, "entries out of order: bpp raw stands where app raw belongs"),
    ],
    ids=["conflict", "schema", "cut", "NaN", "list", "order"],
)
def test_a_baseline_that_cannot_be_read(empty, spoil, told):
    """Whatever is staged of a baseline is read whole, committed and pushed included; exit code 2."""
    file = empty.config().record(("app", "raw", 100), ("bpp", "raw", 7)).commit().folder
    file = file / "budgetguard.baseline.json"
    file.write_text(spoil(file.read_text()))
    empty.stage().hook("baseline").ends(2, "budgetguard.baseline.json", told)
    empty.hook("baseline", "budgetguard.baseline.json").ends(2, told)
    empty.commit()
    empty.hook("baseline").ends(2, told)
    empty.hook("baseline", PRE_COMMIT_FROM_REF="HEAD~1", PRE_COMMIT_TO_REF="HEAD").ends(2, told)
    empty.record(("app", "raw", 100)).stage()
    empty.hook("baseline").ends(0, "not compared with the version before")


def test_a_configuration_that_cannot_be_read(repo):
    """A staged one is refused with its line; one that was broken before can be mended."""
    repo.config(CONFIG.replace("raw <= 200 B", "raww <= 200 B")).stage()
    repo.hook("baseline").ends(2, "budgetguard.yml:5", "did you mean raw?")
    repo.commit().config().stage().hook("baseline").ends(0, "budgetguard.yml as it was:5")


def test_a_baseline_that_is_a_link(repo):
    """Of a link git keeps the name only, so its values would be in no commit."""
    file = repo.folder / "budgetguard.baseline.json"
    file.rename(repo.folder / "values.json")
    file.symlink_to("values.json")
    repo.stage().hook("baseline").ends(2, "budgetguard.baseline.json: is a link")


def test_what_is_staged_counts(repo):
    """The index is compared, not the work tree, also that of `git commit FILE`."""
    repo.config(WEAKER).hook("baseline").ends(0)
    repo.stage().config().hook("baseline").ends(1)
    repo.config(WEAKER).write({"readme.md": "x"}).installed("pre-commit").git(
        "add", "-N", "readme.md"
    )
    repo.git("commit", "-q", "-m", "only this", "readme.md")
    repo.run("git", "commit", "-q", "-m", "the rest").ends(1, "became `raw <= 300 B`")
    repo.run("git", "commit", "-q", "-a", "-m", "all of it").ends(1, "became `raw <= 300 B`")


def test_a_merge_brings_what_was_reviewed(repo):
    """What one parent has was accepted there; what neither has was not. Finished by git or by hand."""
    repo.git("branch", "side")
    repo.config(WEAKER).commit("weaker")
    repo.git("checkout", "-q", "side")
    repo.write({"readme.md": "x"}).commit("other").installed("pre-merge-commit", "pre-commit")
    repo.git("merge", "-q", "--no-edit", "main")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.git("merge", "-q", "--no-commit", "main")
    assert repo.hook("baseline").ends(0).said == ""
    repo.config(CONFIG.replace("200 B", "400 B")).stage()
    repo.hook("baseline").ends(1, "`raw <= 200 B` became `raw <= 400 B`")


def test_a_conflict(repo):
    """A baseline that git could not merge names the command that settles it."""
    repo.git("branch", "side")
    repo.record(("app", "raw", 90)).commit("ours")
    repo.git("checkout", "-q", "side")
    repo.record(("app", "raw", 80)).commit("theirs")
    assert repo.run("git", "merge", "main").code
    repo.hook("baseline").ends(2, "git still lists a conflict", "budgetguard baseline merge")


def test_a_push_is_compared_with_what_it_left(repo):
    """The pushed commits count, from where they left the other side, whatever is staged."""
    repo.git("branch", "side")
    repo.config(CONFIG.replace("200 B", "150 B")).commit("tighter, later")
    repo.git("checkout", "-q", "side")
    repo.write({"readme.md": "x"}).commit("other").config(WEAKER).stage()
    refs = {"PRE_COMMIT_FROM_REF": "main", "PRE_COMMIT_TO_REF": "side"}
    repo.hook("baseline", **refs).ends(0)
    repo.hook("baseline").ends(1)
    repo.commit("weaker").hook("baseline", **refs).ends(1, "became `raw <= 300 B`")
    refs["PRE_COMMIT_FROM_REF"] = "nowhere"
    repo.hook("baseline", **refs).ends(2, "'nowhere' is no commit", "git fetch --unshallow")


def test_a_submodule_is_its_own_repository(tmp_path, repo):
    """Within it the hook works; the repository around it sees a commit, and no baseline."""
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repo.folder), "sub")
    repo.commit("submodule")
    inner = type(repo)(repo.folder / "sub")
    inner.config(WEAKER).stage().hook("baseline").ends(1, "became `raw <= 300 B`")
    inner.git("config", "user.name", "x")
    inner.git("config", "user.email", "x@example.org")
    inner.commit("weaker")
    repo.stage().hook("baseline").ends(0)


def test_a_linked_work_tree(repo, tmp_path):
    """`git worktree` has its index elsewhere."""
    repo.git("worktree", "add", "-q", str(tmp_path / "other"))
    linked = type(repo)(tmp_path / "other")
    linked.config(WEAKER).stage().hook("baseline").ends(1)
    repo.hook("baseline").ends(0)


def test_hostile_names(repo):
    """A path with a line break, a name that looks like an option: an error or a verdict, no traceback."""
    for folder in ("--cached", "ä b\t", "[x]"):
        (repo.folder / folder).mkdir()
        repo.config(folder=folder)
    repo.stage().hook("baseline").ends(0)
    repo.commit().config(WEAKER, folder="[x]").stage()
    repo.hook("baseline").ends(1, "[x]/budgetguard.yml:3")
    (repo.folder / "a\nb").mkdir()
    repo.config(folder="a\nb").stage().hook("baseline").ends(2, "line break")
    repo.hook("baseline", PRE_COMMIT_FROM_REF="--output=x", PRE_COMMIT_TO_REF="HEAD").ends(2)


def test_without_git(repo, tmp_path):
    """Where git is missing that is told."""
    repo.hook("baseline", PATH=str(tmp_path)).ends(2, "git is not installed")


def test_a_repository_that_git_refuses(repo):
    """A checkout of another user, as in a container, is not taken for a folder without git."""
    told = repo.hook("baseline", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    told.ends(2, "git cannot read the repository", "dubious ownership")
