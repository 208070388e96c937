"""The Action judges, tells and gates: each time a real job, run by act."""

import pytest

from budgetguard.gate.report.reading import read_report

OVER = "a" * 2000


def test_within_budget(act, repo):
    """A job within budget is green, and says so in its outputs, its summary and its report."""
    job = act(repo)
    assert job.code == 0, job.log
    assert job.outputs["status"] == "within-budget"
    assert job.outputs["exit-code"] == "0"
    assert job.outputs["guarded"] == "1 of 1"
    assert job.outputs["over-budget"] == "0"
    assert "within budget" in job.summary
    assert job.annotations == []
    report = read_report(job.artifacts / job.outputs["artifact"] / "report.json")
    assert [one.budget for one in report.verdicts] == ["app"]


def test_over_budget_stops_the_job_and_names_the_line(act, repo):
    """What is over fails the step with the exit code of `check`; later steps see the outputs."""
    repo.write(app_js=OVER).commit()
    job = act(repo)
    assert job.code == 1
    assert job.outputs["status"] == "over-budget"
    assert job.outputs["exit-code"] == "1"
    assert job.outputs["over-budget"] == "1"
    assert "job goes on" in job.log
    assert "| ❌ | <code>app</code>" in job.summary
    level, file, line, title, message = job.annotations[0]
    assert (level, file, line) == ("error", "budgetguard.yml", "3")
    assert title == "FAIL app  raw <= 1 kB"
    assert message.startswith("2 kB is over 1 kB\napp.js  2 kB (100 %)")
    assert [file.name for file in (job.artifacts / "budgetguard-report").iterdir()] == [
        "report.json"
    ]


def test_not_enforced(act, repo):
    """`enforce: false` tells the same and stops nothing; a configuration that is wrong stops it."""
    repo.write(app_js=OVER).commit()
    job = act(repo, enforce="false")
    assert job.code == 0
    assert job.outputs["status"] == "over-budget"
    assert job.outputs["exit-code"] == "1"
    assert job.annotations[0][0] == "error"
    repo.write(budgetguard_yml="version: 1\nbudgets: 3\n").commit()
    job = act(repo, enforce="false")
    assert job.code == 1
    assert job.outputs["status"] == "unusable"


def test_a_mistake_in_the_configuration(act, repo):
    """It is told in the summary and on its line, with no traceback; a folder below is led to."""
    (repo.folder / "web").mkdir()
    (repo.folder / "web" / "budgetguard.yml").write_text(
        "version: 1\nbudgets:\n  app:\n    bundle: app.js\n    limits: [raww <= 1 kB]\n"
    )
    repo.commit()
    job = act(repo, working_directory="web")
    assert job.outputs["status"] == "unusable"
    assert job.outputs["exit-code"] == "2"
    assert "did you mean raw?" in job.summary
    level, file, line, _, message = job.annotations[0]
    assert (level, file, line) == ("error", "web/budgetguard.yml", "5")
    assert "no metric 'raww' here" in message
    assert "Traceback" not in job.log
    assert not (job.artifacts / "budgetguard-report" / "report.json").exists()


def test_inputs_that_are_wrong(act, repo):
    """All of them are told at once, before anything is measured."""
    job = act(repo, exact="yes", shard="4/3", max_annotations="11", comment="sometimes")
    assert job.code == 1
    assert job.outputs["exit-code"] == "2"
    for told in ("input exact: got 'yes'", "input shard", "0 to 10", "always, red, never"):
        assert told in job.summary.replace("&#39;", "'"), job.summary
    assert "guarded" not in job.log


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"only": "test"}, "measured nothing"),
        ({"args": "app --json"}, '"budget": "app"'),
        ({"config": "budgetguard.yml"}, "guarded 1 of 1"),
    ],
)
def test_inputs_reach_the_check(act, repo, inputs, words):
    """Inputs are the options of `budgetguard check` of the same name."""
    job = act(repo, **inputs)
    assert words in job.log + job.summary, job.log


def test_no_input_is_ever_a_command(act, repo):
    """Whatever an input holds, a shell never reads it."""
    evil = '$(touch "$GITHUB_WORKSPACE/pwned"); `touch pwned` "; touch pwned; "'
    job = act(repo, args=f"'{evil}'", comment_key="a;touch pwned")
    assert job.code == 1
    assert not list(act.folder.rglob("pwned"))


def test_what_is_measured_commands_nothing(act, repo):
    """Output and names of what is measured are no workflow commands, and set no output."""
    repo.write(
        budgetguard_yml="""\
version: 1
budgets:
  evil: {bundle: "*.js", limits: [raw <= 1 B]}
  tests: {test: test_evil.py, limits: [queries <= 1]}
""",
        test_evil_py="""\
import os, sqlite3, sys
import pytest

@pytest.mark.parametrize("x", [1], ids=["::set-output name=status::owned"])
def test_evil(x):
    os.write(2, b"\\n::warning::evil\\n##[error]evil\\n::add-mask::a\\n")
    for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY"):
        if name in os.environ:
            open(os.environ[name], "a").write("status=evil\\n")
    db = sqlite3.connect(":memory:")
    for _ in range(3):
        db.execute("select '::error::evil', '##[error]evil'")
""",
    )
    (repo.folder / "##[error]evil.js").write_text(OVER)
    repo.commit()
    job = act(repo)
    assert job.outputs["status"] == "over-budget", job.log
    assert job.outputs["over-budget"] == "2"
    known = {"stop-commands", "error", "set-output", "summary"}
    assert {one for one in job.commands if len(one) != 32} <= known  # the rest ends stop-commands
    assert [level for level, *_ in job.annotations] == ["error", "error"]
    assert [title.partition(" ")[0] for *_, title, _ in job.annotations] == ["FAIL", "FAIL"]
    assert "status=evil" not in job.summary


def test_annotations_have_an_end(act, repo):
    """Of more verdicts than GitHub shows the worst are annotated, and the last one tells how many more."""
    budgets = "".join(
        f"  b{number}: {{bundle: app.js, limits: [raw <= 1 B]}}\n" for number in range(14)
    )
    repo.write(budgetguard_yml=f"version: 1\nbudgets:\n{budgets}").commit()
    job = act(repo)
    assert len(job.annotations) == 10
    assert job.annotations[-1][-1] == "5 more in the summary of this job"
    assert len(act(repo, max_annotations="3").annotations) == 3
    assert act(repo, max_annotations="0").annotations == []


def test_shards_and_their_join(act, repo, tmp_path):
    """Shards upload under names of their own and annotate nothing; the join is one verdict."""
    budgets = "".join(
        f"  b{number}: {{bundle: app.js, limits: [raw <= 1 B]}}\n" for number in range(4)
    )
    repo.write(budgetguard_yml=f"version: 1\nbudgets:\n{budgets}").commit()
    parts = [act(repo, shard=f"{number}/2") for number in (1, 2)]
    names = [part.outputs["artifact"] for part in parts]
    assert names == ["budgetguard-report-1-of-2", "budgetguard-report-2-of-2"]
    assert not any(part.annotations for part in parts)
    for part, name in zip(parts, names, strict=True):
        (part.artifacts / name).rename(repo.folder / name)
    repo.commit("what download-artifact brings")
    job = act(repo, merge="budgetguard-report-*/report.json")
    assert job.code == 1
    assert job.outputs["guarded"] == "4 of 4"
    assert len(job.annotations) == 4
    alone = act(repo, merge="budgetguard-report-1-*/report.json")
    assert alone.outputs["status"] == "unusable"
    assert "shard 2/2 is missing" in alone.summary
    assert "matches no file" in act(repo, merge="nothing/*.json").summary


def test_a_new_baseline(act, repo):
    """`update-baseline` records, uploads the file at its place, and tells how to commit it."""
    (repo.folder / "web").mkdir()
    for name in ("budgetguard.yml", "app.js"):
        (repo.folder / name).rename(repo.folder / "web" / name)
    repo.commit()
    job = act(repo, "workflow_dispatch", working_directory="web", update_baseline="true")
    assert job.code == 0, job.log
    file = job.artifacts / "budgetguard-baseline" / "web" / "budgetguard.baseline.json"
    assert '"app' in file.read_text()
    uploaded = [one for one in (job.artifacts / "budgetguard-baseline").rglob("*") if one.is_file()]
    assert uploaded == [file]  # it is unpacked at the top of the repository
    assert "--name budgetguard-baseline --dir ." in job.log
    assert "git add web/budgetguard.baseline.json" in job.summary
    (repo.folder / "web" / "app.js").unlink()
    repo.commit()
    job = act(repo, "workflow_dispatch", working_directory="web", update_baseline="true")
    assert job.code == 1
    assert job.outputs["status"] in ("not-measured", "unusable")
