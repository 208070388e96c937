"""What a test raises may hold a password of the environment: no report shows it."""

import pytest

CONFIG = "version: 1\nbudgets:\n  tests: {test: tests, limits: [queries <= 3, wall <= 9 s]}\n"
TOKEN = "hunter2-" + "x" * 150
BODIES = {
    "a body that fails": 'raise OSError(f"no access with {TOKEN}")',
    "a skip": 'pytest.skip(f"no access with {TOKEN}")',
    "a body that fails when it is called again": (
        "if os.path.exists('called'): raise OSError(f'no access with {TOKEN}')\n"
        "    open('called', 'w').close()"
    ),
    "a message that is cut": 'raise OSError("x" * 100 + TOKEN)',
    "what pytest prints last": "print(TOKEN, file=sys.__stdout__, flush=True); os._exit(3)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_secret_in_what_a_test_raises(project, body):
    """The report names the variable in the place of its value, in all formats."""
    project.write(
        {
            "budgetguard.yml": CONFIG,
            "tests/test_it.py": "import os, pytest, sys\n\nTOKEN = os.environ['DEPLOY_TOKEN']\n"
            f"\n\ndef test_it():\n    {body}\n",
        }
    )
    reports = [part for name in ("r.md", "r.json") for part in ("--report", name)]
    ended = project.check(*reports, env={"DEPLOY_TOKEN": TOKEN})

    assert ended.code != 0
    shown = ended.words + (project.folder / "r.md").read_text()
    shown += (project.folder / "r.json").read_text()
    assert "hunter2" not in shown
    if "_exit" not in body:
        assert "$DEPLOY_TOKEN" in shown


def test_a_secret_of_a_module_that_cannot_be_imported(project):
    """A failing import, and a module that skips itself, are told without the secret."""
    fails = "import os\n\nraise OSError(os.environ['DEPLOY_TOKEN'])\n"
    skips = (
        "import os, pytest\n\npytest.skip(os.environ['DEPLOY_TOKEN'], allow_module_level=True)\n"
    )
    marked = "\n\n@pytest.mark.budget('queries <= 3')\ndef test_it(): pass\n"
    project.write(
        {
            "budgetguard.yml": CONFIG,
            "tests/test_fails.py": fails,
            "tests/test_skips.py": skips + marked,
        }
    )
    ended = project.check("--report", "r.json", env={"DEPLOY_TOKEN": TOKEN})

    assert ended.code == 4
    shown = ended.words + (project.folder / "r.json").read_text()
    assert "hunter2" not in shown
    assert "$DEPLOY_TOKEN" in shown
