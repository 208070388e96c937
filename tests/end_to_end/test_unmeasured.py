"""Green by accident, third part: the body runs, but what it does escapes the meters or the judge."""

import pytest

INBOX = "tests/test_inbox.py::test_inbox"


def test_a_connection_from_before_our_hooks(shop):
    """SQL on a connection that a plugin opened while it was imported is an error, not a zero."""
    shop.write(
        {
            "early.py": "import sqlite3\n\nconnection = sqlite3.connect(':memory:')\n",
            "pytest.ini": "[pytest]\naddopts = -p early\npythonpath = .\n",
            "tests/test_inbox.py": "import early\n\n\ndef test_inbox():\n"
            "    early.connection.execute('SELECT 1')\n",
        }
    )

    shop.check(env={"PYTHONPATH": "."}).ends(4, f"ERROR {INBOX}", "queries was not counted")


def test_a_connection_of_a_conftest_without_a_configuration(shop):
    """With markers alone nothing tells us to watch early; pytest then says what it has not seen."""
    (shop.folder / "budgetguard.yml").unlink()
    shop.write(
        {
            "tests/conftest.py": "import sqlite3\n\nCONNECTION = sqlite3.connect(':memory:')\n",
            "tests/test_inbox.py": "import pytest\nfrom conftest import CONNECTION\n\n\n"
            "@pytest.mark.budget('queries <= 3')\ndef test_inbox():\n"
            "    CONNECTION.execute('SELECT 1')\n",
        }
    )

    shop.pytest().ends(1, f"ERROR {INBOX}", "queries was not counted")


def test_a_connection_of_a_conftest(shop):
    """With a configuration the hooks stand before the conftest is imported: its SQL is counted."""
    shop.write(
        {
            "tests/conftest.py": "import sqlite3\n\nCONNECTION = sqlite3.connect(':memory:')\n",
            "tests/test_inbox.py": "from conftest import CONNECTION\n\n\ndef test_inbox():\n"
            "    for number in range(5):\n        CONNECTION.execute('SELECT ?', (number,))\n",
        }
    )

    shop.check().ends(1, f"FAIL {INBOX}", "5 is over 3")


PATCHES = {
    "patched": "import sqlite3\n\n\ndef test_inbox(monkeypatch):\n    plain = sqlite3.connect\n"
    "    monkeypatch.setattr(sqlite3, 'connect', lambda *_: plain(':memory:'))\n"
    "    connection = sqlite3.connect('shop.db')\n",
    "the class": "import sqlite3\n\n\ndef test_inbox():\n"
    "    connection = sqlite3.Connection(':memory:')\n",
    "a subclass": "import sqlite3\n\n\nclass Mine(sqlite3.Connection):\n    pass\n\n\n"
    "def test_inbox():\n    connection = sqlite3.connect(':memory:', factory=Mine)\n",
    "reloaded": "import importlib\nimport sqlite3\n\n\ndef test_inbox():\n"
    "    importlib.reload(sqlite3.dbapi2)\n    importlib.reload(sqlite3)\n"
    "    connection = sqlite3.connect(':memory:')\n",
}


@pytest.mark.parametrize("start", PATCHES.values(), ids=PATCHES)
def test_another_door_to_the_database(shop, start):
    """A connection that was opened past our hooks is counted or told, never a zero."""
    body = "    for number in range(5):\n        connection.execute('SELECT ?', (number,))\n"
    shop.write({"tests/test_inbox.py": f"{start}{body}    connection.close()\n"})

    told = shop.check()
    told.ends(told.code, INBOX)
    assert told.code in (1, 4), told.out
    assert "5 is over 3" in told.words or "queries was not counted" in told.words, told.out


def test_work_in_another_process(shop):
    """What a body has another process do is not counted; against a baseline the loss is told as a gain."""
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n"
            "  perf: {test: tests, limits: [queries <= baseline]}\n",
            "tests/test_inbox.py": "import subprocess\nimport sys\n\nSQL = '''import sqlite3\n"
            "for number in range(9): sqlite3.connect(':memory:').execute('SELECT 1')'''\n\n\n"
            "def test_inbox():\n    subprocess.run([sys.executable, '-c', SQL], check=True)\n",
        }
    )
    shop.recorded((INBOX, "queries", 5))

    shop.check().ends(0, "queries 0, -100.0 %", "better than the baseline")


BODIES = {
    "swallowed": (
        (
            "def test_inbox(budget, db):\n    try:\n        with budget('queries <= 1'):\n"
            "            db.execute('SELECT 1')\n            raise ValueError\n"
            "    except ValueError:\n        pass\n"
        ),
        "left by an exception that the test swallowed",
    ),
    "never reached": (
        (
            "def test_inbox(budget):\n    if budget is None:\n        with budget('queries <= 1'):\n"
            "            pass\n"
        ),
        "reached no block with a limit",
    ),
    "twice": (
        (
            "def test_inbox(budget):\n    for _ in range(2):\n        with budget('queries <= 1'):\n"
            "            pass\n"
        ),
        "give",
    ),
    "an unread limit": (
        "def test_inbox(budget):\n    with budget('querys <= 1'):\n        pass\n",
        "queries",
    ),
    "no limit": (
        "def test_inbox(budget):\n    with budget():\n        pass\n",
        "at least one limit",
    ),
}


@pytest.mark.parametrize(("test", "cause"), BODIES.values(), ids=BODIES)
def test_a_block(project, test, cause):
    """A block that was left early, never met, met twice or misspelt is an error."""
    config = "version: 1\nbudgets:\n  app: {bundle: dist, limits: [raw <= 1 kB]}\n"
    conftest = (
        "import sqlite3\n\nimport pytest\n\n\n@pytest.fixture\ndef db():\n"
        "    connection = sqlite3.connect(':memory:')\n    yield connection\n    connection.close()\n"
    )
    project.write({"budgetguard.yml": config, "dist/a.js": "a", "conftest.py": conftest})
    project.write({"tests/test_inbox.py": test})

    project.check().ends(4, INBOX, cause)


def test_nested_and_named_blocks(project):
    """A block within a block is judged by itself; the outer one has the sum."""
    project.write(
        {
            "budgetguard.yml": "version: 1\nbudgets: {}\n",
            "tests/test_inbox.py": "import sqlite3\n\n\ndef test_inbox(budget):\n"
            "    db = sqlite3.connect(':memory:')\n"
            "    with budget('queries <= 1', name='outer'):\n        db.execute('SELECT 1')\n"
            "        with budget('queries <= 1', name='inner'):\n"
            "            db.execute('SELECT 2')\n    db.close()\n",
        }
    )

    told = project.check().ends(1, "outer queries <= 1", "2 is over 1", "guarded 2 of 2")
    assert "FAIL" in told.out
    assert told.words.count("FAIL tests/") == 1


def test_a_block_that_raises(project):
    """An exception inside a block fails the test by itself; the block is not judged."""
    project.write(
        {
            "budgetguard.yml": "version: 1\nbudgets: {}\n",
            "tests/test_inbox.py": "def test_inbox(budget):\n"
            "    with budget('queries <= 1'):\n        raise RuntimeError('no mail')\n",
        }
    )

    project.check().ends(4, f"ERROR {INBOX}", "the test fails by itself", "no mail")


EXITS = {
    "os._exit": "import os\n\n\ndef test_inbox():\n    os._exit(0)\n",
    "killed": "import os\n\n\ndef test_inbox():\n    os.kill(os.getpid(), 9)\n",
    "exec": "import os\nimport sys\n\n\ndef test_inbox():\n"
    "    os.execv(sys.executable, [sys.executable, '-c', 'pass'])\n",
}


@pytest.mark.parametrize("test", EXITS.values(), ids=EXITS)
def test_a_test_that_ends_the_process(shop, test):
    """A session that ended half-way is an error, whatever its exit code was."""
    shop.write({"tests/test_inbox.py": test})

    shop.check().ends(4, "the session ended half-way", "guarded 0 of 1")


INTERRUPTS = {
    "KeyboardInterrupt": "def test_a():\n    raise KeyboardInterrupt\n",
    "pytest.exit": "import pytest\n\n\ndef test_a():\n    pytest.exit('enough', returncode=0)\n",
    "SystemExit": "import sys\n\n\ndef test_a():\n    sys.exit(0)\n",
}


@pytest.mark.parametrize("test", INTERRUPTS.values(), ids=INTERRUPTS)
def test_a_test_that_stops_the_session(shop, test):
    """The tests behind one that stops the session are missed, or measured all the same."""
    shop.write({"tests/test_a.py": test})

    told = shop.check().ends(4, "ERROR tests/test_a.py::test_a")
    assert INBOX in told.words


def test_a_fork_in_the_body(shop):
    """What a forked child executes is not counted, so the count is an error and no number."""
    shop.write(
        {
            "tests/test_inbox.py": "import os\n\n\ndef test_inbox(db):\n    pid = os.fork()\n"
            "    for number in range(5):\n        db.execute('SELECT ?', (number,))\n"
            "    if pid == 0:\n        os._exit(0)\n    os.waitpid(pid, 0)\n"
        }
    )

    shop.check().ends(4, f"ERROR {INBOX}", "a child process was forked")


def test_a_fork_that_comes_back(shop):
    """A forked child that goes on as if it were the session ends in no second, better report."""
    shop.write(
        {
            "tests/test_inbox.py": "import os\n\n\ndef test_inbox(db):\n    pid = os.fork()\n"
            "    if pid:\n        os.waitpid(pid, 0)\n        for number in range(5):\n"
            "            db.execute('SELECT ?', (number,))\n"
        }
    )

    told = shop.check()
    assert told.code in (1, 4), told.out
    assert INBOX in told.words


def test_a_thread_left_behind(shop):
    """A thread that outlives the body is over a limit on threads, and is named."""
    limits = "version: 1\nbudgets:\n  perf: {test: tests, limits: [threads <= 0]}\n"
    shop.write(
        {
            "budgetguard.yml": limits,
            "tests/test_inbox.py": "import threading\n\n\ndef test_inbox():\n"
            "    threading.Thread(target=threading.Event().wait, daemon=True, name='poller').start()\n",
        }
    )

    shop.check().ends(1, f"FAIL {INBOX}", "1 is over 0", "poller")


def test_queries_of_a_thread(shop):
    """What the body lets a thread do is counted with it."""
    shop.write(
        {
            "tests/test_inbox.py": "import sqlite3\nimport threading\n\n\ndef work():\n"
            "    connection = sqlite3.connect(':memory:')\n    for number in range(5):\n"
            "        connection.execute('SELECT ?', (number,))\n    connection.close()\n\n\n"
            "def test_inbox():\n    thread = threading.Thread(target=work)\n    thread.start()\n"
            "    thread.join()\n"
        }
    )

    shop.check().ends(1, f"FAIL {INBOX}", "5 is over 3")


def test_a_body_that_cannot_be_repeated(shop):
    """A body that works once in its life, and not in a fresh process either, has no time."""
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n  perf: {test: tests, limits: [wall <= 1 s]}\n",
            "tests/test_inbox.py": "from pathlib import Path\n\n\ndef test_inbox():\n"
            "    Path(__file__).with_name('once').mkdir()\n",
        }
    )

    shop.check().ends(4, f"ERROR {INBOX}", "cannot be called again", "FileExistsError")


NUMBERS = {
    "never recorded": ("pass", "the test did not record it"),
    "under another name": ("budget.record('words', 1, 'count')", "the test did not record it"),
    "in another unit": ("budget.record('tokens', 1, 'bytes')", "declared as count"),
    "not a number": ("budget.record('tokens', float('nan'), 'count', exact=True)", "nan"),
    "infinite": ("budget.record('tokens', float('-inf'), 'count', exact=True)", "inf"),
}


@pytest.mark.parametrize(("body", "cause"), NUMBERS.values(), ids=NUMBERS)
def test_a_number_of_the_test(shop, body, cause):
    """A limit on a number that a test did not record, or not soundly, is never kept."""
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n  perf:\n    test: tests\n"
            "    numbers: {tokens: exact count}\n    limits: [tokens <= 800]\n",
            "tests/test_inbox.py": f"def test_inbox(budget):\n    {body}\n",
        }
    )

    told = shop.check().ends(4, f"ERROR {INBOX}", cause)
    assert "guarded 0 of 1" in told.words


def test_a_tracker_that_is_active_already(shop):
    """Memory cannot be read beside another memray tracker, which is told."""
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n"
            "  perf: {test: tests, limits: [peak <= 1 MB]}\n",
            "tests/conftest.py": "import memray\nimport pytest\n\n\n@pytest.fixture(autouse=True)\n"
            "def tracked(tmp_path):\n    with memray.Tracker(tmp_path / 'own.bin'):\n        yield\n",
            "tests/test_inbox.py": "def test_inbox():\n    pass\n",
        }
    )

    shop.check().ends(4, f"ERROR {INBOX}", "peak", "memray")


def test_a_selector_without_a_match(shop):
    """A limit on a part that the test does not have is an error."""
    shop.write(
        {
            "budgetguard.yml": "version: 1\nbudgets:\n"
            "  perf: {test: tests, limits: [checkout queries <= 3]}\n"
        }
    )

    shop.check().ends(4, f"ERROR {INBOX}", "'checkout' matches no part")
