"""`hook config`: every configuration that is given or found can be read."""

from .conftest import CONFIG

TABLE = '[tool.budgetguard]\nversion = 1\n[tool.budgetguard.budgets.app]\nbundle = "dist"\n'


def test_a_sound_configuration_is_quiet(repo):
    """Nothing is said of what is right, found or given, also from a folder below."""
    assert repo.hook("config").ends(0).said == ""
    assert repo.hook("config", "budgetguard.yml").ends(0).said == ""
    assert repo.hook("config", cwd="dist").ends(0).said == ""


def test_errors_have_their_lines(repo):
    """All problems come at once, each with its file, line and the nearest right word; the exit code is 2."""
    repo.config(CONFIG.replace("raw <= 200 B", "raww <= 200 B").replace("bundle", "bundel"))
    repo.hook("config").ends(2, "budgetguard.yml:3 budgets.app", "did you mean bundle?")
    repo.config(CONFIG.replace("raw <= 200 B", "raww <= 200 B"))
    repo.hook("config").ends(2, "budgetguard.yml:5", "did you mean raw?")


def test_all_given_files_are_read(repo):
    """A project with several configurations is told of every one that is wrong."""
    repo.write({"web/pyproject.toml": f'{TABLE}limits = ["gzop <= 1 kB"]\n'})
    repo.write({"api/pyproject.toml": "[project]\nname = 'x'\n"})
    repo.config("version: 2\n")
    told = repo.hook("config", "budgetguard.yml", "web/pyproject.toml", "api/pyproject.toml")
    told.ends(2, "budgetguard.yml:1 version", "web/pyproject.toml", "did you mean gzip?")
    assert "api" not in told.said


def test_a_pyproject_without_our_table_is_none_of_ours(repo):
    """A file that only depends on budgetguard has nothing to check."""
    repo.write({"api/pyproject.toml": "[project]\ndependencies = ['pytest-budgetguard']\n"})
    assert repo.hook("config", "api/pyproject.toml").ends(0).said == ""


def test_a_broken_pyproject_that_mentions_us(repo):
    """A table that no TOML parser reads is not taken for a missing one."""
    repo.write({"web/pyproject.toml": "[tool.budgetguard\n"})
    repo.hook("config", "web/pyproject.toml").ends(2, "not TOML")


def test_two_configurations_in_one_folder(repo):
    """One of the two would be ignored, so both at once are refused."""
    repo.write({"pyproject.toml": f'{TABLE}limits = ["raw <= 1 kB"]\n'})
    repo.hook("config", "pyproject.toml").ends(2, "keep one of the two")


def test_a_misnamed_file(repo):
    """budgetguard.yaml is read by nobody, and that is told."""
    (repo.folder / "budgetguard.yml").rename(repo.folder / "budgetguard.yaml")
    repo.hook("config", "budgetguard.yaml").ends(2, "rename it to budgetguard.yml")


def test_nothing_to_check(empty):
    """Without any configuration a commit is not stopped."""
    empty.hook("config").ends(0, "no configuration here")
    empty.hook("config", "budgetguard.yml").ends(2, "budgetguard.yml: no such file")
