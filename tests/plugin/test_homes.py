"""Which configuration an item has: the nearest from its file upwards, whatever pytest's root is."""


def test_two_configurations_in_one_session_judge_their_own(project):
    """Each package's group and baseline hold for its own tests, by names relative to it."""
    for name, allowed in (("a", 1), ("b", 3)):
        project.config(
            f"perf: {{test: tests, limits: [queries <= {allowed}, rows <= baseline]}}",
            folder=f"packages/{name}",
        )
        project.baseline(
            {"budget": "tests/test_it.py::test_a", "metric": "rows", "value": 0},
            folder=f"packages/{name}",
        )
        project.put(
            f"packages/{name}/tests/test_it.py",
            "from database import ask\ndef test_a(db): ask(db, 2)\n",
        )
    result = project.run("-rA", "--import-mode=importlib")
    result.assert_outcomes(passed=1, failed=1)
    assert "PASSED packages/b/tests/test_it.py::test_a" in result.stdout.str()
    assert "packages/a/budgetguard.yml" in result.stdout.str()
    assert "guarded 4 of 4 limits" in result.stdout.str()


def test_the_root_of_pytest_does_not_matter(project):
    """With a rootdir below or above the configuration the names in the baseline are the same."""
    project.config("perf: {test: sub/tests, limits: [queries <= baseline]}")
    project.baseline({"budget": "sub/tests/test_it.py::test_a", "metric": "queries", "value": 1})
    project.put("sub/conftest.py", "from database import db\n")
    project.put("sub/tests/test_it.py", "from database import ask\ndef test_a(db): ask(db, 2)\n")
    for arguments in ([], ["--rootdir=sub", "sub"], ["--rootdir=/tmp", "sub/tests/test_it.py"]):
        result = project.run("-c", "/dev/null", *arguments)
        assert result.ret == 1, arguments
        assert "budgetguard baseline update sub/tests/test_it.py::test_a" in result.stdout.str()


def test_a_configuration_in_pyproject(project):
    """[tool.budgetguard] is a configuration like the file."""
    project.put(
        "pyproject.toml",
        """
        [tool.budgetguard]
        version = 1
        [tool.budgetguard.budgets.perf]
        test = "test_it.py"
        limits = ["queries <= 1"]
        """,
    )
    project.write(test_it="from database import ask\ndef test_a(db): ask(db, 2)\n")
    result = project.run()
    result.assert_outcomes(failed=1)


def test_a_baseline_limit_without_a_configuration_is_an_error(project):
    """Counted or timed, it says what is missing; the absolute limits of the test are judged."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= baseline", "queries <= 9", "time <= baseline + 5%")
        def test_a(db): ask(db, 2)

        def test_b(db, budget):
            with budget("queries <= baseline"): pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=2)
    assert result.ret == 1
    text = result.stdout.str()
    assert text.count("no budgetguard.yml from its folder upwards") == 3
    assert "ERROR test_it.py::test_a time <= baseline + 5%" in text
    assert "budgetguard init" in text
    assert "guarded 1 of 4 limits" in text


def test_a_configuration_above_the_repository_is_not_ours(project):
    """The search ends at the root of the repository."""
    project.config("perf: {test: ., limits: [queries <= 1]}")
    project.put("repo/.git/HEAD", "ref: refs/heads/main\n")
    project.put("repo/tests/test_it.py", "from database import ask\ndef test_a(db): ask(db, 2)\n")
    result = project.run("repo")
    result.assert_outcomes(passed=1)
    assert "guarded" not in result.stdout.str()
