"""`budgetguard explain` on a real project."""


def test_tells_what_a_verdict_rests_on(project):
    """Measured, allowed, baseline, rule, evidence and next step of each limit."""
    project.run("baseline", "update")
    project.bundle.write_text("a" * 150)
    told = project.run("explain", "app")

    assert told.code == 0
    assert (
        told.out
        == """\
app  bundle · budgetguard.yml:3 budgets.app

PASS  raw <= 200 B
  measured  150 B
  allowed   200 B
  baseline  100 B
  decided   counted, and compared to the digit
  evidence
    dist/app.js  150 B (100 %)

FAIL  raw <= baseline
  measured  150 B
  allowed   100 B
  baseline  100 B
  change    +50.0 %
  decided   counted; the step is added to the worse end of what was recorded
  because   150 B is over 100 B, +50.0 % from 100 B
  next      find the change, or record it on purpose: budgetguard baseline update app
  evidence
    dist/app.js  150 B (100 %)

"""
    )


def test_sampled_limits(project):
    """The readings and the rule of a sampled limit are told, and what is left to check."""
    project.config.write_text(
        "version: 1\nbudgets:\n  cli:\n    command: python -c pass\n"
        "    limits: [peak_rss <= 1 kB, time <= baseline + 5%]\n"
    )
    told = project.run("explain", "cli")

    assert "readings  5, from " in told.out
    assert "fails when 5 fresh ones are all over" in told.out
    assert "left to check  time <= baseline + 5%" in told.out


def test_unknown_name(project):
    """A name that nothing has is told with the nearest right one."""
    told = project.run("explain", "ap")

    assert told.code == 2
    assert "did you mean app?" in told.err
