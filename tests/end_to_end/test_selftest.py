"""`budgetguard selftest`: every kind of budget turns red when it is broken, and one that is asleep is told."""

import json
import shutil

import pytest

TESTS = """
import asyncio
import sqlite3
import unittest

import pytest


@pytest.mark.budget("time <= baseline + 10%", "peak <= 2 MB", "allocations <= 5000")
def test_plain():
    sum(range(2000))


@pytest.mark.budget("queries <= 2", "wall <= 30 ms")
def test_bench(benchmark):
    benchmark.pedantic(sum, (range(2000),), rounds=3)


class TestClass:
    @pytest.mark.budget("queries <= 2", "peak <= 1 MB")
    @pytest.mark.parametrize("n", [1, 2])
    def test_method(self, n):
        sum(range(n))

    @pytest.mark.budget("fds <= 0", "threads <= 0")
    def test_left(self):
        pass


class TestCase(unittest.TestCase):
    @pytest.mark.budget("queries <= 1")
    def test_unittest(self):
        pass


def test_block(budget):
    with budget("queries <= 3", "cpu <= 20 ms", name="inner"):
        sum(range(10))


@pytest.mark.budget("n_plus_one <= 0", "http_requests <= 0", "query_time <= 5 ms", "slowest_query <= 5 ms")
def test_asks():
    sqlite3.connect(":memory:").execute("select 1").fetchall()


@pytest.mark.budget("sockets <= 0", "children <= 0", "tasks <= 0")
def test_leaves():
    pass


@pytest.mark.asyncio
@pytest.mark.budget("tasks <= 0")
async def test_leaves_tasks():
    await asyncio.sleep(0)


def test_reports(budget):
    budget.record("tokens", 5, "count", exact=True)
    budget.record("hits", 0.9, "ratio", better="higher", exact=True)


@pytest.mark.asyncio
@pytest.mark.budget("queries <= 1", "wall <= 30 ms")
async def test_async():
    await asyncio.sleep(0)
"""


@pytest.fixture
def plugins():
    """Those of the tests: asyncio and benchmark stand beside ours."""
    names = "pytest_budgetguard.plugin,pytest_asyncio.plugin,pytest_benchmark.plugin"
    return {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": names}


CONFIG = """
version: 1
budgets:
  js: {bundle: dist/*.js, limits: [gzip <= 10 kB, raw <= 10 kB, files <= 1]}
  reports:
    test: tests/test_it.py::test_reports
    numbers: {tokens: count exact, hits: ratio higher exact}
    limits: [tokens <= 9, hits >= 80 %]
  start: {command: python -c pass, limits: [cpu <= 600 ms, peak_rss <= 100 MB, time <= baseline + 20%]}
"""


def tried(project, *names):
    """(budget, limit) -> what came of it."""
    ended = project.run("budgetguard", "selftest", "--json", *names)
    return {(one["budget"], one["limit"]): one for one in json.loads(ended.out)}, ended


def test_every_kind_of_budget_turns_red(project):
    """Bytes, seconds, memory, queries and what is left behind, in every form of a test."""
    project.write({"tests/test_it.py": TESTS, "budgetguard.yml": CONFIG, "dist/app.js": "x" * 100})
    found, ended = tried(project)
    assert [one for one in found.values() if one["outcome"] != "FAIL"] == []
    assert len(found) == 32
    ended.ends(0)


def test_nothing_of_the_project_is_changed(project):
    """What grows is a copy, and what is done more is done in memory."""
    project.write({"budgetguard.yml": CONFIG, "dist/app.js": "x" * 100})
    before = {file: file.read_bytes() for file in project.folder.rglob("*") if file.is_file()}
    tried(project, "js")
    assert {
        file: file.read_bytes() for file in project.folder.rglob("*") if file.is_file()
    } == before


def test_a_budget_that_cannot_turn_red_is_asleep(project):
    """A limit on a baseline without a value never fails, and that is told."""
    config = "version: 1\nbudgets:\n  js: {bundle: dist/*.js, limits: [raw <= baseline + 2%]}\n"
    project.write({"budgetguard.yml": config, "dist/app.js": "x" * 100})
    project.run("budgetguard", "selftest").ends(
        1, "asleep", "no value in the baseline yet", "0 of 1"
    )


def test_what_cannot_be_broken_is_told(project):
    """A number of the project's own is beyond us; a run that broke nothing is red."""
    config = (
        "version: 1\nbudgets:\n"
        "  c: {command: \"python -c 'print({})'\", numbers: {tokens: count}, limits: [tokens <= 9]}\n"
    )
    project.write({"budgetguard.yml": config})
    project.run("budgetguard", "selftest").ends(4, "not tried", "1 not tried")


def test_every_file_and_every_archive_grows(project):
    """A limit on one file, or on one in an archive, turns red like the one on the whole."""
    for name in ("a.js", "b.js"):
        project.write({f"dist/{name}": "x" * 100, f"src/{name}": "x" * 100})
    shutil.make_archive(str(project.folder / "out" / "all"), "zip", project.folder / "src")
    shutil.make_archive(str(project.folder / "out" / "all"), "gztar", project.folder / "src")
    config = """
        version: 1
        budgets:
          js: {bundle: dist/*.js, limits: [dist/b.js raw <= 1 kB, files <= 2]}
          zip: {bundle: out/all.zip, limits: [raw <= 1 kB, b.js raw <= 1 kB, files <= 2]}
          tar: {bundle: out/all.tar.gz, limits: [raw <= 1 kB, ./b.js raw <= 1 kB, files <= 2]}
    """
    project.write({"budgetguard.yml": config})
    project.run("budgetguard", "check").ends(0)
    found, ended = tried(project)
    assert [one for one in found.values() if one["outcome"] != "FAIL"] == []
    assert len(found) == 8
    ended.ends(0)


def test_a_bundle_that_is_not_built_does_not_hide_the_others(project):
    """It is told for itself."""
    config = """
        version: 1
        budgets:
          gone: {bundle: gone/*.js, limits: [raw <= 1 kB]}
          js: {bundle: dist/*.js, limits: [raw <= 1 kB]}
    """
    project.write({"budgetguard.yml": config, "dist/app.js": "x" * 100})
    found, ended = tried(project)
    assert [one["outcome"] for one in found.values()] == [None, "FAIL"]
    assert "gone/*.js" in found["gone", "raw <= 1 kB"]["what"]
    ended.ends(0)
