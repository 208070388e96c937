"""The marker: what carries it, what wins where several stand, and what a wrong one says."""

import pytest


def test_a_broken_budget_is_a_failed_test_with_few_lines_and_no_traceback(project):
    """A red test tells numbers, culprit and next step in 3 to 6 lines, and exits 1."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= 2")
        def test_many(db):
            ask(db, 5)
        """
    )
    result = project.run("-q")
    assert result.ret == 1
    text = result.stdout.str()
    assert "Traceback" not in text
    assert "pytest_budgetguard/" not in text
    start = result.outlines.index("over budget: queries <= 2")
    block = result.outlines[
        start : result.outlines.index(next(x for x in result.outlines[start:] if "next:" in x)) + 1
    ]
    assert 3 <= len(block) <= 6
    assert block[1].strip() == "5 is over 2"
    assert "select ?" in block[2]
    assert "database.py" in block[2]
    assert "test_it.py:5" in block[-1]
    result.stdout.fnmatch_lines(
        ["FAILED test_it.py::test_many - Failed: over budget: queries <= 2"]
    )


def test_many_broken_limits_are_still_few_lines(project):
    """Six broken limits of one test are told in at most 6 lines."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries < 1", "rows < 1", "n_plus_one < 1", "roundtrips < 0",
                            "threads < 0", "fds < 0", "sockets < 0")
        def test_many(db):
            db.execute("select 1").fetchall()
        """
    )
    result = project.run("-q", "--no-header")
    start = next(n for n, line in enumerate(result.outlines) if line.startswith("over budget"))
    end = next(n for n, line in enumerate(result.outlines) if "next:" in line)
    assert 3 <= end - start + 1 <= 6
    assert "more limits" in result.stdout.str()


def test_parametrized_tests_have_a_budget_each(project):
    """Each parameter is judged by itself, markers of `pytest.param` included."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.budget("queries <= 2")
        @pytest.mark.parametrize("times", [1, 2, 3, pytest.param(4, marks=pytest.mark.budget("queries <= 4"))])
        def test_ask(db, times):
            ask(db, times)
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=3, failed=1)
    assert "FAILED test_it.py::test_ask[3] - Failed: over budget" in result.stdout.str()


def test_the_nearest_of_stacked_markers_wins_per_metric(project):
    """A function's marker wins over its class's and its module's, metric by metric."""
    project.write(
        test_it="""
        import pytest
        from database import ask
        pytestmark = pytest.mark.budget("queries <= 1", "rows <= 0")

        @pytest.mark.budget("queries <= 2")
        class TestIt:
            @pytest.mark.budget("queries <= 3")
            def test_three(self, db):
                ask(db, 3)

            def test_two(self, db):
                ask(db, 3)

            def test_rows_of_the_module(self, db):
                db.execute("select 1").fetchall()

        @pytest.mark.budget("queries <= 9")
        @pytest.mark.budget("queries <= 3", "threads <= 0")
        def test_lowest_decorator_is_nearest(db):
            ask(db, 4)
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=1, failed=3)
    text = result.stdout.str()
    assert "PASSED test_it.py::TestIt::test_three" in text
    assert "test_two - Failed: over budget: queries <= 2" in text
    assert "test_rows_of_the_module - Failed: over budget: row" in text
    assert "test_lowest_decorator_is_nearest - Failed: over budget" in text


def test_every_call_of_a_method_has_an_instance_of_its_own(project):
    """A further pass sees no attribute that the pass before has set on `self`."""
    project.write(
        test_it="""
        import pytest

        class TestIt:
            @pytest.mark.budget("wall <= 5 s", "peak <= 64 MiB")
            def test_fresh(self):
                assert not hasattr(self, "seen")
                self.seen = True

            @pytest.mark.budget("wall <= 5 s")
            @pytest.mark.parametrize("n", [1])
            def test_fresh_too(self, n):
                assert not hasattr(self, "seen")
                self.seen = True
        """
    )
    project.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("base", ["TestCase", "IsolatedAsyncioTestCase"])
def test_unittest_methods_are_measured_without_their_setup(project, base):
    """Methods of unittest classes are judged; setUp and tearDown do not count."""
    word = "async " if base.startswith("Isolated") else ""
    project.write(
        test_it=f"""
        import sqlite3, unittest, pytest
        from database import ask

        class TestIt(unittest.{base}):
            def setUp(self):
                self.db = sqlite3.connect(":memory:")
                ask(self.db, 7)

            def tearDown(self):
                ask(self.db, 7)
                self.db.close()

            @pytest.mark.budget("queries <= 2", "wall <= 5 s", "peak <= 64 MiB")
            {word}def test_good(self):
                ask(self.db, 2)

            @pytest.mark.budget("queries <= 2")
            {word}def test_bad(self):
                ask(self.db, 3)

            @pytest.mark.budget("queries <= 2")
            {word}def test_fails_by_itself(self):
                self.assertEqual(1, 2)

            @pytest.mark.budget("queries <= 2", may_skip="not here")
            {word}def test_skips(self):
                self.skipTest("why")
        """
    )
    result = project.run("-rA")
    result.assert_outcomes(passed=1, failed=2, skipped=1)
    text = result.stdout.str()
    assert "test_bad - Failed: over budget: queries <= 2" in text
    assert "guarded 4 of 6 limits" in text


def test_all_wrong_markers_are_one_usage_error(project):
    """Exit 4 lists every wrong marker with its place, and no test runs."""
    project.write(
        test_it="""
        import pytest

        @pytest.mark.budget("querys <= 2")
        def test_a(): print("executed")

        @pytest.mark.budget("wall <= 2 kB", "wall >= 2 s", 7)
        def test_b(): pass

        @pytest.mark.budget(limit="queries <= 2")
        def test_c(): pass

        @pytest.mark.budget("queries <= 2", "queries <= 3")
        def test_d(): pass

        @pytest.mark.budget()
        def test_e(): pass

        @pytest.mark.budget("tokens <= 2", numbers={"tokens": "loaves"})
        def test_f(): pass

        @pytest.mark.budget("wall <= baseline + 5%")
        def test_g(): pass

        @pytest.mark.budget("queries <= 2", numbers=3)
        def test_h(): pass
        """
    )
    result = project.run("-s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    for expected in (
        "test_it.py:4: `querys <= 2`: no metric 'querys' here; did you mean queries?",
        "test_it.py:7: `wall <= 2 kB`",
        "test_it.py:7: `wall >= 2 s`",
        "test_it.py:7: 7 is not a limit",
        "test_it.py:10: budget() takes no 'limit'",
        "test_it.py:13: `queries <= 3` says again",
        "test_it.py:16: budget() without a limit",
        "loaves",
        "put the relative limit on time",
        "test_it.py:25: budget(numbers=)",
    ):
        assert expected in text, expected
    assert "Traceback" not in text
    assert "executed" not in result.stdout.str()


def test_a_group_of_the_configuration_gives_budgets_and_markers_win(project):
    """A group limits its tests by path, glob and marker expression; a marker beats it for its metric."""
    project.config(
        "perf: {test: perf, limits: [queries <= 1, threads <= 0]}",
        "slow: {test: -m slow and not odd, limits: [rows <= 0]}",
        "named: {test: 'test_*d.py', limits: [http_requests <= 0]}",
    )
    project.write(
        perf__test_a="""
        import pytest
        from database import ask

        def test_group(db): ask(db, 2)

        @pytest.mark.budget("queries <= 2")
        def test_marker(db): ask(db, 2)
        """,
        test_b="""
        import pytest
        @pytest.mark.slow
        def test_slow(db): db.execute("select 1").fetchall()

        @pytest.mark.slow
        @pytest.mark.odd
        def test_odd(db): db.execute("select 1").fetchall()
        """,
        test_d="def test_it(): pass",
    )
    result = project.run("-rA", "-W", "ignore")
    result.assert_outcomes(passed=3, failed=2)
    text = result.stdout.str()
    assert "test_group - Failed: over budget: queries <= 1" in text
    assert "test_slow - Failed: over budget: rows <= 0" in text
    assert "guarded 6 of 6 limits" in text


@pytest.mark.parametrize("expression", ["-m slow and", "-m (slow"])
def test_a_wrong_marker_expression_of_a_group_is_a_usage_error(project, expression):
    """Exit 4 with the place in the configuration."""
    project.config(f"slow: {{test: '{expression}', limits: [rows <= 0]}}")
    project.write(test_it="def test_it(): pass")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is not a marker expression" in result.stderr.str()
    assert "budgets.slow" in result.stderr.str()


def test_markers_of_absent_plugins_are_honoured(project):
    """`max_queries` and `limit_memory` are limits where their own plugin is absent."""
    project.write(
        test_it="""
        import pytest
        from database import ask

        @pytest.mark.max_queries(2)
        def test_ask(db): ask(db, 3)

        @pytest.mark.limit_memory("1 MB")
        def test_hold(): bytearray(3 * 2**20)
        """
    )
    result = project.run("-p", "no:memray", "--strict-markers")
    result.assert_outcomes(failed=2)
    assert "test_ask - Failed: over budget: queries <= 2" in result.stdout.str()
    assert "test_hold - Failed: over budget: peak <= 1 MiB" in result.stdout.str()


def test_a_marker_whose_plugin_is_present_is_left_to_it(project):
    """With pytest-memray installed its `limit_memory` is not read by us."""
    project.write(
        test_it="""
        import pytest

        @pytest.mark.limit_memory("1 MB")
        def test_hold(): bytearray(3 * 2**20)
        """
    )
    result = project.start()
    result.assert_outcomes(failed=1)
    assert "over budget" not in result.stdout.str()
    assert "guarded" not in result.stdout.str()


def test_a_broken_memory_budget_names_the_line(project):
    """The culprit of a broken memory limit is the user's own line, of a whole body and of a benchmark."""
    project.write(
        test_it="""
        import pytest

        def hold(): return bytearray(3 * 2**20)

        @pytest.mark.budget("peak <= 1 MiB")
        def test_body(): bytearray(3 * 2**20)

        @pytest.mark.budget("allocated <= 1 MiB")
        def test_bench(benchmark): benchmark.pedantic(hold, rounds=1)

        def test_block(budget):
            with budget("peak <= 1 MiB"):
                deep()

        def deep(): hold()
        """
    )
    result = project.run("-p", "no:memray")
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "test_it.py:7 test_body  3.15 MB" in text
    assert text.count("test_it.py:4 hold  3.15 MB") == 2


def test_the_nearest_numbers_win(project):
    """A number declared on the test is what it is there, whatever its class and its group declare."""
    project.config("perf: {test: test_it.py, numbers: {size: count}, limits: [queries <= 1]}")
    project.write(
        test_it="""
        import pytest

        @pytest.mark.budget(numbers={"size": "seconds"})
        class TestIt:
            @pytest.mark.budget("size <= 1 kB", numbers={"size": "bytes"})
            def test_a(self, budget): budget.record("size", 9, "bytes")

            @pytest.mark.budget("size <= 1 s")
            def test_b(self, budget): budget.record("size", 0.5, "seconds")
        """
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    assert "guarded 4 of 4 limits" in result.stdout.str()
