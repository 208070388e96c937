"""What a commit waits for: the hooks load nothing that a commit does not need."""

import sys

import pytest

from .conftest import CONFIG

HEAVY = [
    "pytest",
    "_pytest",
    "locust",
    "memray",
    "sqlalchemy",
    "PIL",
    "numpy",
    "brotli",
    "zstandard",
    "requests",
]
GATE = [
    "yaml",
    "psutil",
    "budgetguard.gate.config",
    "budgetguard.gate.judge",
    "budgetguard.gate.targets",
]
CODE = """\
import sys
from budgetguard.cli import run
code = run(sys.argv[2:])
print(*sorted(set(sys.argv[1].split()) & set(sys.modules)), sep="\\n")
sys.exit(code)
"""


def loaded(repo, names, *arguments):
    """Which modules of `names` a hook has loaded when it ends, after whatever it said."""
    return repo.run(sys.executable, "-c", CODE, " ".join(names), "hook", *arguments)


@pytest.mark.parametrize("hook", ["config", "baseline"])
def test_heavy_libraries_are_never_imported(repo, hook):
    """Neither a hook that has something to say nor one that has not loads a heavy library."""
    assert loaded(repo, HEAVY, hook).ends(0).said == "\n"
    repo.config(CONFIG.replace("200 B", "300 B")).stage()
    told = loaded(repo, HEAVY, hook).ends(int(hook == "baseline")).said.splitlines()
    assert not set(told) & set(HEAVY)


def test_an_untouched_commit_loads_git_and_little_more(repo):
    """Where no budget was touched not even the configuration is read."""
    repo.write({"readme.md": "x"}).stage()
    assert loaded(repo, [*HEAVY, *GATE], "baseline").ends(0).said == "\n"
