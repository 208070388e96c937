"""The ledger: exact sums, from many processes, that nothing but a movement ever changes."""

import csv
import io
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetguard.cache import ledger as module
from budgetguard.cache.ledger import Kind, Ledger, LedgerError, Movement, Row, Sums
from budgetguard.cache.movements import exported, money, whole
from budgetguard.cache.policy import Place
from budgetguard.cache.prices import UNKNOWN
from budgetguard.errors import UsageError

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
AT = NOON.timestamp()
DAY_S = 86_400


def moved(kind=Kind.LOAD, operation="openai.chat", at=AT, count=1, usd="0"):
    return Movement(operation=operation, at=at, kind=kind, count=count, usd=Decimal(usd))


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", clock=lambda: AT)


def sums_of(ledger: Ledger) -> dict:
    """All counts and money by operation and kind."""
    found = defaultdict(lambda: (0, Decimal(0)))
    for row in ledger.rows():
        for kind, count in row.counts.items():
            before = found[row.operation, kind]
            found[row.operation, kind] = before[0] + count, before[1] + row.usd[kind]
    return dict(found)


def test_an_hour_of_an_operation_is_one_row(ledger):
    """Loads are spent, hits and shared loads are saved, and each place is told apart."""
    ledger.add(
        [
            moved(Kind.LOAD, count=3, usd="0.06"),
            moved(Kind.ERROR, usd="0.001"),
            moved(Kind.HIT_MEMORY, count=5, usd="0.1"),
            moved(Kind.HIT_REDIS, count=2, usd="0.04"),
            moved(Kind.HIT_SQL, usd="0.02"),
        ]
    )
    ledger.add([moved(Kind.COALESCED, count=4, usd="0.08"), moved(Kind.REFUSED, at=AT + 600)])
    (row,) = ledger.rows()
    assert (row.start, row.hours, row.operation) == (NOON.replace(minute=0), 1, "openai.chat")
    assert (row.loads, row.errors, row.coalesced, row.refused, row.unpriced) == (3, 1, 4, 1, 0)
    assert row.hits == {Place.MEMORY: 5, Place.REDIS: 2, Place.SQL: 1}
    assert (row.spent, row.saved, row.calls) == (Decimal("0.061"), Decimal("0.24"), 16)


def test_callers_that_share_a_load_save_a_call_each_and_are_nothing_else(ledger):
    """Of 100 who ask at once one pays and 99 save: no caller's money is in the sums twice."""
    ledger.add([moved(Kind.LOAD, usd="0.01"), moved(Kind.COALESCED, count=99, usd="0.99")])
    (row,) = ledger.rows()
    assert (row.calls, row.spent, row.saved) == (100, Decimal("0.01"), Decimal("0.99"))


def test_loads_without_a_price_are_counted_apart(ledger):
    """A cost that nobody knows is no cost of nothing: one can see how many loads the money lacks."""
    free = moved(Kind.LOAD, count=2)
    unknown = Movement(operation="openai.chat", at=AT, kind=Kind.LOAD, count=3, usd=UNKNOWN)
    ledger.add([free, unknown])
    (row,) = ledger.rows()
    assert (row.loads, row.unpriced, row.spent) == (5, 3, 0)


def test_rows_are_apart_by_hour_and_operation_and_chosen_by_span(ledger):
    """`since` is part of a span, `until` is not."""
    hour = timedelta(hours=1)
    ledger.add([moved(at=AT + 3600 * i, operation=f"o{i % 2}", usd="1") for i in range(6)])
    start = NOON.replace(minute=0)
    assert [row.start for row in ledger.rows()] == [start + i * hour for i in range(6)]
    span = ledger.rows(since=start + hour, until=start + 3 * hour)
    assert [(row.start - start, row.operation) for row in span] == [(hour, "o1"), (2 * hour, "o0")]
    assert ledger.rows(since=start + hour + timedelta(microseconds=1))[0].start == start + 2 * hour
    totals = ledger.totals(since=start + hour)
    assert {name: sums.spent for name, sums in totals.items()} == {"o0": 2, "o1": 3}
    assert Sums.of(totals.values()).loads == 5
    with pytest.raises(UsageError, match="time zone"):
        ledger.rows(since=datetime(2026, 1, 1))


def test_nothing_is_added_of_nothing(ledger):
    """An empty batch is no row, and an empty ledger has no sums."""
    ledger.add([])
    assert (ledger.rows(), ledger.totals(), ledger.export()) == ([], {}, [])
    assert Sums.of([]).calls == Sums.of([]).spent == 0


USD = st.integers(0, 10**16).map(money)
MOVEMENTS = st.builds(
    Movement,
    operation=st.sampled_from(["a", "b", "ü"]),
    at=st.floats(0, 60 * DAY_S),
    kind=st.sampled_from([kind for kind in Kind if kind not in (Kind.REFUSED, Kind.UNPRICED)]),
    count=st.integers(1, 1000),
    usd=USD,
)


def expected(movements) -> dict:
    found = defaultdict(lambda: (0, Decimal(0)))
    for each in movements:
        before = found[each.operation, each.kind]
        found[each.operation, each.kind] = before[0] + each.count, before[1] + each.usd
    return dict(found)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.lists(MOVEMENTS, max_size=12), max_size=5),
    nows=st.lists(st.integers(0, 500), min_size=6, max_size=6),
)
def test_summing_hours_into_days_never_changes_a_sum(tmp_path_factory, batches, nows):
    """Whatever comes in what order, on whatever day it is: counts and money are those of the movements."""
    now = [0.0]
    ledger = Ledger(tmp_path_factory.mktemp("sums") / "ledger.db", clock=lambda: now[0])
    for batch, days in zip(batches, nows, strict=False):
        now[0] = days * DAY_S + 5.0
        ledger.add(batch)
        oldest = now[0] // DAY_S * DAY_S - 400 * DAY_S
        hours = [row for row in ledger.rows() if row.hours == 1]
        assert not batch or all(row.start.timestamp() >= oldest for row in hours)
    everything = [each for batch in batches for each in batch]
    assert sums_of(ledger) == expected(everything)
    now[0] = 1e9
    ledger.add([moved(at=1e9, operation="last")])
    rows = ledger.rows()
    assert all(row.hours == 24 for row in rows if row.operation != "last")
    assert sums_of(ledger) == expected([*everything, moved(at=1e9, operation="last")])
    days = {(row.start, row.operation) for row in rows}
    assert len(days) == len(rows)


def test_hours_are_kept_for_400_days(tmp_path):
    """An hour of the day 400 days ago is still an hour; that of the day before is in its day."""
    now = datetime(2026, 11, 20, 3, tzinfo=UTC)
    ledger = Ledger(tmp_path / "l.db", clock=now.timestamp)
    kept = now.replace(hour=0) - timedelta(days=400)
    for hour in range(-24, 24):
        ledger.add([moved(at=(kept + timedelta(hours=hour)).timestamp(), usd="0.000000000001")])
    rows = ledger.rows()
    assert [(row.hours, row.start) for row in rows[:2]] == [
        (24, kept - timedelta(days=1)),
        (1, kept),
    ]
    assert len(rows) == 25
    assert rows[0].spent == 24 * Decimal("1e-12")


@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(st.lists(MOVEMENTS, max_size=6), min_size=3, max_size=3),
    late=st.lists(MOVEMENTS, max_size=4),
    seed=st.integers(0, 1000),
)
def test_merging_in_any_order_and_any_number_of_times_counts_once(
    tmp_path_factory, parts, late, seed
):
    """Three machines' ledgers end in the same sums, however and how often they were merged."""
    folder, rng = tmp_path_factory.mktemp("merge"), random.Random(seed)
    now = [0.0]
    ledgers = [Ledger(folder / f"{i}.db", clock=lambda: now[0]) for i in range(3)]
    for one, batch in zip(ledgers, parts, strict=True):
        one.add(batch)
    for _ in range(6):
        into, other = rng.sample(ledgers, 2)
        into.merge(other.path)
        now[0] = rng.choice([0.0, 1e9])
    ledgers[0].add(late)
    for into in (ledgers[1], ledgers[2]):
        for other in ledgers:
            if other is not into:
                into.merge(other.path)
    everything = [*(each for batch in parts for each in batch), *late]
    assert sums_of(ledgers[1]) == sums_of(ledgers[2]) == expected(everything)
    assert ledgers[1].merge(ledgers[2].path) == 0


def test_an_old_copy_brings_nothing_back(ledger, tmp_path):
    """A backup of the ledger itself is merged as what it is: something already counted."""
    ledger.add([moved(usd="1")])
    copy = tmp_path / "copy.db"
    with sqlite3.connect(ledger.path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    ledger.add([moved(usd="2")])
    assert ledger.merge(copy) == 0
    assert ledger.totals()["openai.chat"].spent == 3


def test_merging_what_is_not_there_begins_no_ledger(ledger, tmp_path):
    """A mistyped path is an error, not an empty file."""
    with pytest.raises(UsageError, match="no such ledger"):
        ledger.merge(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


WRITER = """
import sys
from decimal import Decimal
from budgetguard.cache.ledger import Kind, Ledger, Movement
path, number = sys.argv[1], int(sys.argv[2])
sys.stdin.readline()
for i in range(25):
    Ledger(path, clock=lambda: 1.8e9).add([
        Movement(operation="shared", at=1.79e9 + i * 600, kind=Kind.LOAD, usd=Decimal("0.000000000001")),
        Movement(operation=f"own{number}", at=1.7e9, kind=Kind.HIT_SQL, count=2, usd=Decimal("0.1")),
    ])
"""


def test_several_processes_begin_and_fill_one_ledger(tmp_path):
    """Six processes that begin the file together lose no movement and see no error."""
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-c", WRITER, path]
    writers = [
        subprocess.Popen(
            [*command, str(i)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for i in range(6)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    failures = [writer.communicate(timeout=120)[1] for writer in writers]
    assert failures == [""] * 6
    totals = Ledger(path, clock=lambda: 1.8e9).totals()
    assert (totals["shared"].loads, totals["shared"].spent) == (150, 150 * Decimal("1e-12"))
    assert [totals[f"own{i}"].saved for i in range(6)] == [Decimal("2.5")] * 6
    assert {each.name for each in tmp_path.iterdir()} <= {
        "ledger.db", "ledger.db-wal", "ledger.db-shm",
    }  # fmt: skip


def test_several_threads_fill_one_ledger(ledger):
    """A ledger may be shared by threads."""
    threads = [
        threading.Thread(target=lambda: [ledger.add([moved(usd="0.1")]) for _ in range(20)])
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.totals()["openai.chat"].spent == 10


def test_merging_and_adding_wait_for_each_other(ledger, tmp_path):
    """A merge reads before it writes, and still loses to nobody who writes meanwhile."""
    other, errors = Ledger(tmp_path / "other.db", clock=lambda: AT), []

    def merges() -> None:
        try:
            for _ in range(30):
                other.add([moved(operation="other", usd="1")])
                ledger.merge(other.path)
        except LedgerError as error:
            errors.append(error)

    thread = threading.Thread(target=merges)
    thread.start()
    added = 0
    while thread.is_alive():
        ledger.add([moved(usd="0.5")])
        added += 1
    thread.join()
    assert errors == []
    totals = ledger.totals()
    assert (totals["other"].spent, totals["openai.chat"].loads) == (30, added)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_may_go_on(ledger):
    """No connection is carried over a fork."""
    ledger.add([moved(usd="1")])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ledger.add([moved(usd="2")])
            code = 0
        finally:
            os._exit(code)
    ledger.add([moved(usd="4")])
    assert os.waitpid(child, 0)[1] == 0
    assert ledger.totals()["openai.chat"].spent == 7


KILLED = """
import sys
from decimal import Decimal
from budgetguard.cache.ledger import Kind, Ledger, Movement
ledger = Ledger(sys.argv[1], clock=lambda: 1.8e9)
while True:
    ledger.add([
        Movement(operation=name, at=1.79e9, kind=Kind.LOAD, usd=Decimal("1")) for name in ("a", "b", "c")
    ])
    print("added", flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_batches(tmp_path):
    """SIGKILL in the midst of writing: a batch is there in full, or not at all."""
    path = tmp_path / "ledger.db"
    for batches in (1, 4):
        command = [sys.executable, "-c", KILLED, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(batches):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
    totals = Ledger(path, clock=lambda: 1.8e9).totals()
    assert totals["a"] == totals["b"] == totals["c"]
    assert totals["a"].loads >= 5


def test_only_its_owner_reads_it(tmp_path):
    """The file and what SQLite puts beside it are 0600, whatever the umask."""
    before = os.umask(0)
    try:
        ledger = Ledger(tmp_path / "ledger.db")
        holder = sqlite3.connect(ledger.path)
        ledger.add([moved(at=0)])
        holder.execute("SELECT count(*) FROM budgetguard_ledger").fetchall()
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        holder.close()
    finally:
        os.umask(before)
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_money_is_never_a_float(ledger):
    """Thousands of amounts with twelve decimals add up exactly, and are integers in the file."""
    usd = "0.001000000001"
    ledger.add([moved(usd=usd)] * 5000)
    assert ledger.totals()["openai.chat"].spent == 5000 * Decimal(usd)
    with sqlite3.connect(ledger.path) as connection:
        types = connection.execute(
            "SELECT DISTINCT typeof(money), typeof(count) FROM budgetguard_ledger"
        )
        assert types.fetchall() == [("integer", "integer")]
    connection.close()


@given(st.integers(0, 10**30))
def test_units_and_dollars_are_one(units):
    """No amount changes on its way into the file and out of it."""
    assert whole(money(units)) == units


def test_what_is_finer_than_a_unit_is_rounded_to_even():
    """Half a unit goes to the even one, so that many of them do not drift."""
    assert [whole(Decimal(f"{n}.5e-12")) for n in range(4)] == [0, 2, 2, 4]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"count": 0}, "count of 1 or more"),
        ({"usd": Decimal(-1)}, "from 0 to 1000000 US dollars"),
        ({"usd": Decimal("NaN")}, "from 0 to 1000000 US dollars"),
        ({"usd": Decimal(2_000_000)}, "from 0 to 1000000 US dollars"),
        ({"at": -1.0}, "seconds since 1970"),
        ({"at": float("nan")}, "seconds since 1970"),
        ({"at": 1.7e12 * 1000}, "seconds since 1970"),
        ({"operation": ""}, "the name of an operation"),
        ({"operation": "a\nb"}, "the name of an operation"),
        ({"operation": "x" * 201}, "the name of an operation"),
        ({"kind": Kind.REFUSED, "usd": Decimal(1)}, "no money for refused"),
        ({"kind": Kind.UNPRICED, "usd": Decimal(1)}, "no money for unpriced"),
    ],
)
def test_movements_that_cannot_be(change, told):
    """A wrong movement is told where it is made, before it is in any sum."""
    with pytest.raises(UsageError, match=told):
        Movement(**{"operation": "a", "at": AT, "kind": Kind.LOAD, **change})


def test_a_sum_that_is_too_large_adds_nothing(ledger):
    """Beyond what the file can hold exactly there is an error, and no part of the batch is added."""
    ledger.add([moved(usd="1000000")] * 9)
    with pytest.raises(LedgerError, match=r"would pass 9\.2 million"):
        ledger.add([moved(operation="other", usd="1"), moved(usd="1000000")])
    with pytest.raises(LedgerError, match=r"would pass 9\.2 million"):
        ledger.add([moved(usd="1000000")] * 10)
    assert {name: sums.spent for name, sums in ledger.totals().items()} == {
        "openai.chat": 9_000_000
    }


def test_rows_are_exported_for_json_and_csv(ledger):
    """Money is text with every digit, and both forms can be read back without loss."""
    ledger.add([moved(usd="0.000000000001"), moved(Kind.HIT_REDIS, count=2, usd="1234.5")])
    rows = ledger.export()
    assert json.loads(json.dumps(rows)) == rows
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    (read,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert read["start"] == "2026-11-20T12:00:00Z"
    assert (read["loads"], read["hits_redis"], read["hits_memory"]) == ("1", "2", "0")
    assert Decimal(read["spent_usd"]) == Decimal("1e-12")
    assert Decimal(read["saved_usd"]) == Decimal("1234.5")
    empty = Row(start=NOON, hours=1, operation="a")
    assert list(exported(empty)) == list(rows[0])


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def newer(path: Path) -> None:
    Ledger(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()


def damaged(path: Path) -> None:
    ledger = Ledger(path)
    ledger.add([moved(operation=f"o{i}", at=i * 3600.0 + 1.6e9) for i in range(400)])
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 100] = bytes(range(100))
    path.write_bytes(content)


def truncated(path: Path) -> None:
    damaged(path)
    path.write_bytes(path.read_bytes()[:5000])


FILES = [
    (foreign, UsageError, "is a database of something else; expected a ledger"),
    (newer, UsageError, "is a ledger of format 9; expected 1; upgrade"),
    (damaged, LedgerError, "is no ledger, or a damaged one"),
    (truncated, LedgerError, "is no ledger, or a damaged one"),
    (lambda path: path.write_bytes(b"%PDF-1.7 " * 1000), LedgerError, "is no ledger"),
    (lambda path: path.write_bytes(b""), UsageError, "something else"),
    (lambda path: path.mkdir(), LedgerError, "unable to open"),
]


@pytest.mark.parametrize(("make", "error", "told"), FILES)
def test_files_that_are_no_ledger(tmp_path, make, error, told):
    """Foreign, newer, damaged: each is told with its name, and left as it is."""
    path = tmp_path / "some.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(error, match=rf"some\.db: .*{told}"):
        Ledger(path).rows()
    with pytest.raises(error, match=told):
        Ledger(tmp_path / "good.db").merge(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_ledger_that_was_deleted_is_an_error(ledger):
    """Sums do not begin anew behind one's back."""
    ledger.path.unlink()
    with pytest.raises(LedgerError, match=r"ledger\.db: .*see that it is there"):
        ledger.add([moved()])
    assert not ledger.path.exists()


def test_a_folder_that_is_not_there(tmp_path):
    """Where to put it is the user's choice; the error says what is missing."""
    with pytest.raises(UsageError, match=r"there is no folder .*none; create it"):
        Ledger(tmp_path / "none" / "ledger.db")


def test_a_ledger_that_is_held_by_another(ledger, monkeypatch):
    """A process that hangs with the file ends in an error that says so, after a while; reading goes on."""
    monkeypatch.setattr(module, "_BUSY_TIMEOUT_S", 0.1)
    ledger.add([moved(usd="1")])
    holder = sqlite3.connect(ledger.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LedgerError, match="locked; another process has held it"):
            ledger.add([moved(usd="1")])
        assert ledger.totals()["openai.chat"].spent == 1
    finally:
        holder.close()
    ledger.add([moved(usd="1")])
    assert ledger.totals()["openai.chat"].spent == 2


FULL = """
import resource, signal, sys
from budgetguard.cache.ledger import Kind, Ledger, LedgerError, Movement
ledger = Ledger(sys.argv[1], clock=lambda: 1.8e9)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
added = 0
try:
    while added < 1000:
        ledger.add([
            Movement(operation=f"{added}-{i}", at=1.79e9, kind=Kind.LOAD) for i in range(100)
        ])
        added += 1
except LedgerError as error:
    print(added, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_disk_that_is_full(tmp_path):
    """Where a file cannot grow there is an error, and what was added before is whole."""
    path = tmp_path / "ledger.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    added, text = done.stdout.split(maxsplit=1)
    assert "ledger.db: " in text
    assert len(Ledger(path, clock=lambda: 1.8e9).totals()) == int(added) * 100
