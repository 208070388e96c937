"""A matrix of jobs that judge a part each, and their joint verdict."""

import json

import pytest

CONFIG = """\
version: 1
budgets:
  perf: {test: tests, limits: [queries <= 3]}
  app: {bundle: dist, limits: [raw <= 1 kB]}
  start: {command: python -c pass, limits: [peak_rss <= 1 GB]}
"""
TEST = """\
import pytest


@pytest.mark.parametrize("number", [1, 2])
def test_query(db, number):
    open("{ran}", "a").write("{file} ")
    for _ in range({queries}):
        db.execute("SELECT 1")
"""
FILES = [f"tests/test_{letter}.py" for letter in "abcdef"]
OF = 3


@pytest.fixture
def many(shop):
    """Six files of two tests each, a bundle and a command; each test writes down that it ran."""
    files = {"budgetguard.yml": CONFIG, "dist/app.js": "a" * 100}
    files |= {file: query_test(shop, file, 2) for file in FILES}
    (shop.folder / "tests/test_inbox.py").unlink()
    return shop.write(files)


def query_test(shop, file, queries):
    return TEST.format(ran=shop.folder / "ran.txt", file=file, queries=queries)


def jobs(project, *options, of=OF):
    """Run every shard; how each ended."""
    return [
        project.check("--shard", f"{number}/{of}", "--report", f"{number}.json", *options)
        for number in range(1, of + 1)
    ]


def merged(project, *options, of=OF):
    names = [f"{number}.json" for number in range(1, of + 1)]
    return project.run("budgetguard", "report", "merge", *names, *options)


def document(project, name):
    return json.loads((project.folder / name).read_text())


def judged(told):
    return sorted((one["budget"], one["limit"], one["outcome"]) for one in told["verdicts"])


def test_the_parts_are_the_whole(many):
    """Every test runs in exactly one job, no job misses what others hold, and the join is the whole run."""
    whole = many.check("--json")
    many.update().ends(0)
    (many.folder / "ran.txt").unlink()
    for told in jobs(many):
        told.ends(0, "only; the verdict on all of them: budgetguard report merge")
    ran = (many.folder / "ran.txt").read_text().split()
    merged(many, "--report", "all.json").ends(0, "guarded 14 of 14 limits · exit 0")

    assert sorted(ran) == sorted(FILES * 2)
    assert all(document(many, f"{number}.json")["verdicts"] for number in range(1, OF + 1))
    assert judged(document(many, "all.json")) == judged(json.loads(whole.out))
    assert document(many, "all.json")["whole"] is True
    assert document(many, "1.json")["whole"] is False


def test_one_red_job_and_one_lost_benchmark(many):
    """What is over and what vanished is red in its own job only, and in the join."""
    many.update().ends(0)
    many.write({FILES[0]: query_test(many, FILES[0], 5)})
    (many.folder / FILES[1]).unlink()

    codes = [told.code for told in jobs(many)]
    assert sorted(codes) == [0, 1, 4]
    merged(many).ends(1, "2 over budget · 2 vanished")
    (many.folder / FILES[0]).write_text(query_test(many, FILES[0], 2))
    again = codes.index(1) + 1
    many.check("--shard", f"{again}/{OF}", "--report", f"{again}.json").ends(0)
    merged(many).ends(4, f"VANISHED {FILES[1]}::test_query[1] queries")


def test_a_file_that_cannot_be_imported_is_told_once(many):
    """pytest sees it in every job; it is the error of the one that it belongs to."""
    many.write({FILES[2]: "import nothing_of_this_name\n"})

    assert sorted(told.code for told in jobs(many)) == [0, 0, 4]
    merged(many).ends(4, f"ERROR {FILES[2]}", "nothing_of_this_name", "1 not measured")


def test_a_group_without_tests_is_told_by_the_join(many):
    """No job can know that no other has a test of it."""
    many.write({"budgetguard.yml": CONFIG + "  lost: {test: tests/old, limits: [rows <= 9]}\n"})

    assert {told.code for told in jobs(many, "--exact")} == {0}
    merged(many).ends(4, "ERROR lost", "no test matches 'tests/old'")


def test_what_is_missing_or_of_another_run_is_refused(many):
    """A lost job, one given twice, another commit and other options end in 2, and nothing is written."""
    for told in jobs(many, "--only", "bundle", of=2):
        told.ends(0)
    merge = ("budgetguard", "report", "merge")

    many.run(*merge, "1.json", "--report", "x.json").ends(2, "shard 2/2 is missing")
    many.run(*merge, "1.json", "1.json").ends(2, "1.json is given twice")
    (many.folder / "copy.json").write_text((many.folder / "1.json").read_text())
    many.run(*merge, "1.json", "copy.json").ends(2, "are both of shard 1/2")
    many.check("--only", "bundle", "--report", "w.json").ends(0)
    many.run(*merge, "1.json", "w.json").ends(2, "w.json: is no report of a shard")
    other = {**document(many, "2.json"), "commit": "b" * 40}
    many.write({"other.json": json.dumps(other)})
    many.run(*merge, "1.json", "other.json").ends(2, "different commits")
    many.check("--shard", "2/2", "--only", "command", "--report", "o.json")
    many.run(*merge, "1.json", "o.json").ends(2, "different options")
    assert not (many.folder / "x.json").exists()


def test_more_jobs_than_budgets(shop):
    """A job that holds nothing is green; if none holds anything, the join is red."""
    assert {told.code for told in jobs(shop, "--exact", of=2)} == {0}
    merged(shop, "--json", of=2).ends(0, '"limits": 1')
    jobs(shop, "--only", "bundle", of=2)
    merged(shop, of=2).ends(4, "nothing was measured")


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x", "1"])
def test_what_is_no_shard(shop, shard):
    """A wrong shard would leave a part of the budgets to nobody."""
    shop.check("--shard", shard).ends(2, "expected I/N")


def test_a_shard_has_no_names(shop):
    """A name and a shard would each narrow the run, and the join could not tell what is missing."""
    shop.check("--shard", "1/2", "perf").ends(2, "give one of both")
