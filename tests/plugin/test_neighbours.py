"""Other plugins in the same run."""

import pytest


@pytest.mark.parametrize(
    ("coverage", "guarded"),
    [
        (["-p", "no:cov"], "guarded 5 of 5 limits"),
        (["--cov=test_it", "--cov-report=term"], "guarded 2 of 5 limits"),
    ],
)
def test_randomly_cov_and_timeout_beside_budgets(project, coverage, guarded):
    """Random order and coverage change no count; a time limit of a test holds for each call of its body."""
    project.write(
        test_it="""
        import time, pytest
        from database import ask

        @pytest.mark.budget("queries <= 2", "wall <= 9 s", "peak <= 640 MiB")
        def test_a(db): ask(db, 2)

        @pytest.mark.budget("queries <= 2")
        def test_b(db): ask(db, 3)

        # 60 calls take longer than the limit of a single test
        @pytest.mark.timeout(1)
        @pytest.mark.budget("p95 <= 9 s")
        def test_c(): time.sleep(0.03)
        """
    )
    result = project.pytester.runpytest_subprocess(
        "-p",
        "no:cacheprovider",
        "-p",
        "randomly",
        *coverage,
        timeout=120,
    )
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str()
    assert "3 is over 2" in text
    assert guarded in text
    assert ("TOTAL" in text) is ("--cov=test_it" in coverage)


def test_a_body_over_its_timeout_fails_by_itself(project):
    """pytest-timeout's failure is the test's own."""
    project.write(
        test_it="""
        import time, pytest
        @pytest.mark.timeout(0.2)
        @pytest.mark.budget("wall <= 9 s")
        def test_a(): time.sleep(5)
        """
    )
    result = project.start()
    result.assert_outcomes(failed=1)
    assert "Timeout" in result.stdout.str()
    assert "the test fails by itself" in result.stdout.str()


def test_memray_active_on_all_tests_makes_memory_an_error(project):
    """Under `--memray` its tracker stands around every body: memory is ERROR with the reason, counts are judged."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("peak <= 64 MiB", "threads <= 0")
        def test_a(): pass

        @pytest.mark.limit_memory("64 MB")
        def test_other(): bytearray(1000)

        def test_plain(): pass
        """
    )
    result = project.start("--memray")
    result.assert_outcomes(passed=3)
    assert result.ret == 1
    assert "another memray tracker runs already" in result.stdout.str()
    assert "guarded 1 of 2 limits" in result.stdout.str()
    without = project.start()
    without.assert_outcomes(passed=3)
    assert without.ret == 0
    assert "guarded 2 of 2 limits" in without.stdout.str()


def test_django_and_its_database_fixture(project):
    """A test with pytest-django's `db`, and a django TestCase, are counted and called again."""
    project.put(
        "settings.py",
        """
        SECRET_KEY = "x"
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        USE_TZ = True
        """,
    )
    project.put("conftest.py", "")
    project.config()
    project.write(
        test_it="""
        import pytest

        @pytest.mark.budget("queries <= 2", "wall <= 9 s", "peak <= 640 MiB")
        def test_a(db):
            from django.contrib.auth.models import User
            User.objects.create(username="a")
            assert User.objects.count() == 1

        @pytest.mark.django_db
        @pytest.mark.budget("queries <= 2")
        def test_over():
            from django.contrib.auth.models import User
            for n in range(3): User.objects.count()

        from django.test import TestCase

        class TestIt(TestCase):
            def setUp(self):
                from django.contrib.auth.models import User
                User.objects.create(username="a")

            @pytest.mark.budget("queries <= 1", "wall <= 9 s")
            def test_method(self):
                from django.contrib.auth.models import User
                assert User.objects.count() == 1
        """
    )
    result = project.pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:randomly", "--ds=settings", timeout=120
    )
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str()
    assert "3 is over 2" in text
    assert "guarded 6 of 6 limits" in text
