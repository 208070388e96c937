"""The `budget` fixture: limits on a part of a test, and numbers that it reports."""

import pytest


def test_a_block_is_judged_by_its_own_limits(project):
    """Only what runs inside the block counts, once per call."""
    project.write(
        test_it="""
        from database import ask

        def test_good(budget, db):
            ask(db, 9)
            with budget("queries <= 2", "wall <= 5 s", "peak <= 64 MiB"):
                ask(db, 2)
            ask(db, 9)

        def test_bad(budget, db):
            with budget("queries <= 2"):
                ask(db, 3)
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=1, failed=1)
    assert "test_bad - Failed: over budget: block queries <= 2" in result.stdout.str()
    assert "guarded 4 of 4 limits" in result.stdout.str()


def test_nested_blocks_are_judged_apart(project):
    """An outer block counts what its inner one does, and both are judged."""
    project.write(
        test_it="""
        from database import ask

        def test_it(budget, db):
            with budget("queries <= 3", "wall <= 5 s", name="outer"):
                ask(db, 1)
                with budget("queries <= 2", "peak <= 64 MiB", name="inner"):
                    ask(db, 2)

        def test_bad(budget, db):
            with budget("queries <= 3", name="outer"):
                with budget("queries <= 2", name="inner"):
                    ask(db, 3)
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=1, failed=1)
    assert "over budget: inner queries <= 2" in result.stdout.str()
    assert "guarded 6 of 6 limits" in result.stdout.str()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('with budget("queries <= 2"): pass\n    with budget("queries <= 2"): pass', "name="),
        ('with budget("querys <= 2"): pass', "did you mean queries?"),
        ("with budget(): pass", "expected at least one limit"),
        ('with budget("queries <= 2", "queries <= 3"): pass', "says again"),
        ("with budget(3): pass", "budget(3)"),
        ('with budget("inner queries <= 2"): pass', "names a part of a block"),
        ('with budget("queries <= 2", name="a  b"): pass', "single spaces"),
        ('with budget("queries <= 2", name=" a"): pass', "single spaces"),
        ('with budget("queries <= 2", name="a\\nb"): pass', "printable words"),
        ('with budget("queries <= 2", name="a\\x1bb"): pass', "printable words"),
        ('with budget("queries <= 2", name="a <= b"): pass', "no operator"),
        ('with budget("queries <= 2", name=3): pass', "budget(name=3)"),
        ('budget.record("tokens", 3, "loaves")', "unknown unit 'loaves'"),
        ('budget.record("tokens", "many", "count")', "expected a number; got 'many'"),
        ('budget.record("tokens", float("nan"), "count")', "expected a number; got nan"),
        ('[budget.record("tokens", n, "count") for n in (3, 3)]', "recorded twice in one call"),
    ],
)
def test_a_wrong_call_fails_its_test_with_one_line(project, body, expected):
    """A wrong call of the fixture says what was expected, without a traceback."""
    project.write(test_it=f"def test_it(budget):\n    {body}\n")
    result = project.run("-p", "no:terminalreporter")
    result = project.run()
    result.assert_outcomes(failed=1)
    assert expected in result.stdout.str()
    assert "def test_it" not in result.stdout.str()


def test_recorded_numbers_are_judged_by_declared_limits(project):
    """`budget.record` feeds limits on numbers that the marker or a group declares."""
    project.config("perf: {test: test_it.py, numbers: {words: count exact}, limits: [words <= 10]}")
    project.write(
        test_it="""
        import pytest

        @pytest.mark.budget("tokens <= 100", "speed >= 5 /s", numbers={"tokens": "count exact", "speed": "per second higher"})
        def test_good(budget):
            budget.record("tokens", 99, "count", exact=True)
            budget.record("speed", 9, "/s", better="higher")
            budget.record("words", 10, "count", exact=True)

        @pytest.mark.budget("tokens <= 100", numbers={"tokens": "count exact"}, may_skip="")
        def test_bad(budget):
            budget.record("tokens", 101, "count", exact=True)
            budget.record("words", 1, "count", exact=True)

        @pytest.mark.budget("tokens <= 100", numbers={"tokens": "count"})
        def test_declared_otherwise(budget):
            budget.record("tokens", 101, "count", exact=True)

        @pytest.mark.budget("tokens <= 100", numbers={"tokens": "count"})
        def test_forgotten(budget):
            budget.record("words", 1, "count", exact=True)

        def test_undeclared_numbers_are_no_ones_business(budget):
            budget.record("words", 1, "count", exact=True)
            budget.record("cost", 1, "count")
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=3, failed=2)
    text = result.stdout.str()
    assert "over budget: tokens <= 100" in text
    assert "declared as count, lower, sampled; recorded as count, lower, exact" in text
    assert "the test did not record it" in text
    assert result.ret == 1


def test_a_body_that_raises_in_a_block_fails_by_itself(project):
    """The test fails as it always did, nothing of the block is judged and nothing stays switched on."""
    project.write(
        test_it="""
        import http.client
        from database import ask
        before = http.client.HTTPConnection.putrequest

        def test_raises(budget, db):
            with budget("queries <= 0", "http_requests <= 0", "wall <= 1 ns"):
                ask(db, 3)
                raise ValueError("by itself")

        def test_later(db):
            from budgetguard.database import recording
            assert http.client.HTTPConnection.putrequest is before
            assert not recording.recording_now()
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "ValueError: by itself" in text
    assert "over budget" not in text
    assert "site-packages" not in text
    assert "pytest_budgetguard/" not in text
    assert "the test fails by itself" in text


def test_a_swallowed_exception_is_an_error_of_the_block(project):
    """A block left by an exception that the test catches was not measured: exit 1, no traceback."""
    project.write(
        test_it="""
        def test_it(budget):
            try:
                with budget("queries <= 2"):
                    raise ValueError
            except ValueError:
                pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert "left by an exception that the test swallowed" in result.stdout.str()


def test_a_body_that_swallows_its_own_exceptions_is_measured(project):
    """What a body catches itself is its own business."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= 1", "wall <= 5 s", "peak <= 64 MiB")
        def test_it(db):
            try:
                ask(db, 1)
                raise ValueError
            except ValueError:
                pass
        """
    )
    result = project.run()
    assert result.ret == 0
    assert "guarded 3 of 3 limits" in result.stdout.str()


def test_a_block_that_a_further_call_does_not_reach_is_an_error(project):
    """A block under a condition that holds only once cannot be read by a second meter."""
    project.write(
        test_it="""
        calls = []
        def test_it(budget):
            calls.append(1)
            if len(calls) == 1:
                with budget("wall <= 5 s"):
                    pass
        """
    )
    result = project.run()
    assert result.ret == 1
    assert "the measured body was not reached" in result.stdout.str()


def test_a_block_in_a_loop_needs_a_name(project):
    """Entering one block twice in a call fails the test and says what to do."""
    project.write(
        test_it="""
        def test_it(budget):
            for n in range(2):
                with budget("queries <= 2"):
                    pass

        def test_named(budget):
            for n in range(2):
                with budget("queries <= 2", name=f"step-{n}"):
                    pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert "give it a name= of its own" in result.stdout.str()


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\n@pytest.fixture\ndef wrong(budget):\n    with budget('queries <= 1'): yield\n\ndef test_it(wrong): pass\n",
        "def test_it(request):\n    with request.getfixturevalue('budget')('queries <= 1'): pass\n",
    ],
)
def test_a_block_that_could_not_be_measured_is_never_silently_green(project, source):
    """In a set-up, or fetched by name, the fixture fails instead of doing nothing."""
    project.write(test_it=source)
    result = project.run()
    assert result.ret == 1
    assert "it measures the body of a test that takes it as an argument" in result.stdout.str()


def test_a_projects_own_budget_fixture_is_left_alone(project):
    """A fixture that a project calls `budget` is no budget: a skipped test stays a skipped test."""
    project.write(
        test_it="""
        import pytest

        @pytest.fixture
        def budget(): return 1000

        def test_it(budget): assert budget == 1000

        def test_skipped(budget): pytest.skip("why")
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0
    assert "guarded" not in result.stdout.str()


@pytest.mark.parametrize("name", ["first page (cold)", "größe [1]", "a->b", "wall", "*"])
def test_a_block_may_be_called_by_any_words(project, name):
    """A name with brackets, arrows or the words of a limit is the part that its limits are judged on."""
    project.write(
        test_it=f"""
        from database import ask
        def test_it(budget, db):
            with budget("queries <= 2", "rows  <=  9", name={name!r}): ask(db, 2)
        """
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str()
    assert "guarded 2 of 2 limits" in result.stdout.str()


def test_a_test_that_only_records_is_not_left(project):
    """It ran and has no limit: nothing of it is left to check."""
    project.write(test_it='def test_it(budget): budget.record("words", 3, "count")\n')
    result = project.run()
    assert result.ret == 0
    assert "not run in this session" not in result.stdout.str()


def test_a_number_is_recorded_once_in_each_call_of_the_body(project):
    """A further reading calls the body again, which is no second record."""
    project.write(
        test_it="""
        import pytest

        @pytest.mark.budget("speed <= 5 s", "wall <= 9 s", numbers={"speed": "seconds"})
        def test_it(budget):
            budget.record("speed", 6, "seconds")
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(failed=1)
    assert "recorded twice" not in result.stdout.str()
    assert "over budget: speed <= 5 s" in result.stdout.str()
