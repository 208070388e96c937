"""How well every exact metric repeats over fresh processes with other hash seeds and test orders.

    python benchmarks/repeatability.py [--runs 50] [--minutes 10]

A project of nine test bodies, each with a limit on every exact test metric, a bundle and a command
that reports numbers is measured by `budgetguard.gate.run.measure`, as `budgetguard check` does it:
one fresh pytest a session. Every session has another seed, which is the hash seed and the order of
the tests. As a control some sessions have one seed: what differs there is due to neither. "Over three
others" is the share of sessions over the highest of any three others, which is how `budgetguard
baseline update` records. Fewer are red: the judge allows for the grain of memory and once more the
spread seen, and `check` measures a near red again in two further sessions.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from start_up import machine_line

from budgetguard.gate.config import load_config
from budgetguard.gate.model import Point, Reading, Readings, Request
from budgetguard.gate.run import measure
from budgetguard.gate.targets import TARGETS

FEWEST_RUNS, RECORDED = 4, 3
CONTROL_SEED, CONTROL_STRIDE = 1, 5
TOLD_CAUSES = 8

BODIES = '''
import asyncio
import dataclasses
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from sqlalchemy import orm

Base = orm.declarative_base()


class Author(Base):
    __tablename__ = "author"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    books = orm.relationship("Book")


class Book(Base):
    __tablename__ = "book"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    author_id = sqlalchemy.Column(sqlalchemy.ForeignKey("author.id"))


@dataclasses.dataclass
class Order:
    number: int
    tags: list


@pytest.fixture
def shelf():
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all(Author(books=[Book(), Book()]) for _ in range(8))
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def table():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE visit (day INTEGER, page TEXT)")
    connection.executemany("INSERT INTO visit VALUES (?, ?)", [(i % 7, f"/{i}") for i in range(500)])
    yield connection
    connection.close()


@pytest.fixture
def kept():
    """What a body leaves behind is closed after it was counted."""
    closing = []
    yield closing
    for close in reversed(closing):
        close()


def test_json():
    rows = [{"id": i, "name": f"name {i}", "tags": [str(i)] * 3} for i in range(300)]
    assert json.loads(json.dumps(rows)) == rows


def test_regex():
    text = " ".join(f"key{i}=value{i}" for i in range(2000))
    assert len(re.findall(r"(\\w+)=(\\w+)", text)) == 2000


def test_sqlite(table):
    for day in range(7):
        table.execute("SELECT page FROM visit WHERE day = ?", (day,)).fetchall()
    table.executemany("UPDATE visit SET page = 'x' WHERE day = ?", [(1,), (2,)])


def test_orm(shelf):
    with orm.Session(shelf) as session:
        assert sum(len(author.books) for author in session.query(Author)) == 16


def test_objects():
    words = {f"word {i}" for i in range(3000)}
    index = {word: {word[:6], word[-1]} for word in words}
    assert len(sorted(index)) == 3000


def test_dataclasses():
    orders = [Order(i, [str(i), str(i + 1)]) for i in range(2000)]
    assert sum(order.number for order in orders) == 1999000


def test_asyncio():
    async def step(number):
        await asyncio.sleep(0)
        return number

    async def main():
        return sum(await asyncio.gather(*(step(i) for i in range(100))))

    assert asyncio.run(main()) == 4950


def test_threads():
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda n: len(str(n) * 100), range(200))) == 49000


def test_http(server):
    for number in range(5):
        with urllib.request.urlopen(f"{server}/{number}", timeout=10) as answer:
            assert answer.read() == b"hello"


def test_left_behind(kept):
    stop, loop = threading.Event(), asyncio.new_event_loop()
    kept += [loop.close, stop.set]
    threading.Thread(target=stop.wait, daemon=True).start()
    kept.append(open(__file__).close)
    ends = socket.socketpair()
    kept += [end.close for end in ends]
    wait = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    kept.append(lambda: wait.communicate(b"\\n", timeout=30))

    async def begin():
        return asyncio.ensure_future(asyncio.sleep(60))

    task = loop.run_until_complete(begin())
    kept.append(lambda: (task.cancel(), loop.run_until_complete(asyncio.sleep(0))))
'''

SERVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *text):
        pass


server = HTTPServer(("127.0.0.1", 0), Hello)
print(server.server_port, flush=True)
server.serve_forever()
"""

CONFTEST = """
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def server():
    script = Path(__file__).with_name("serve.py")
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.communicate(timeout=30)
"""

COMMAND = """
import json

words = {f"word {i % 700}" for i in range(5000)}
print(json.dumps({"words": len(words), "letters": sum(map(len, words))}))
"""

CONFIG = """\
version: 1
budgets:
  bundle:
    bundle: assets
    limits: [{bundle}]
  command:
    command: python report.py
    numbers: {{words: count exact, letters: count exact}}
    limits: [words <= baseline, letters <= baseline]
  tests:
    test: test_bodies.py
    limits: [{test}]
"""


@dataclass
class Cell:
    """What one metric of one body was read as, session by session."""

    values: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(self, reading: Reading, *, control: bool) -> None:
        """Keep a reading with those of the control, or with those whose seeds differ."""
        if reading.error or reading.skipped:
            self.errors.append(reading.error or "skipped")
        else:
            (self.control if control else self.values).append(reading.value)


def spread(values: Sequence[float]) -> float:
    """(max - min) / median; where the median is 0, the distance itself."""
    if not values:
        return 0.0
    distance, middle = max(values) - min(values), abs(statistics.median(values))
    return distance / middle if middle else distance


def red_share(values: Sequence[float], step: float) -> float:
    """How often a value exceeds the highest of `RECORDED` others by more than the step, over all choices."""
    choices = len(values) * math.comb(len(values) - 1, RECORDED)
    lower = (sum(value > other * (1 + step) for other in values) for value in values)
    return sum(math.comb(count, RECORDED) for count in lower) / choices if choices else 0.0


def write_project(folder: Path) -> Path:
    """All files of the project; returns its configuration."""
    texts = {
        "test_bodies.py": BODIES,
        "serve.py": SERVER,
        "conftest.py": CONFTEST,
        "report.py": COMMAND,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    plugins = "django randomly cacheprovider timeout cov xdist"
    addopts = " ".join(f"-p no:{name}" for name in plugins.split())
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    (folder / "assets").mkdir()
    for number in range(20):
        lines = (f"export const item{line} = {line * number}\n" for line in range(200))
        (folder / "assets" / f"chunk{number}.js").write_text("".join(lines))
    config = folder / "budgetguard.yml"
    limits = {name: exact_limits(name) for name in ("bundle", "test")}
    config.write_text(CONFIG.format(**limits))
    return config


def exact_limits(target: str) -> str:
    """A limit on each exact metric of a target; judging is not what is asked here."""
    metrics = TARGETS[target].METRICS.values()
    return ", ".join(f"{metric.name} <= baseline" for metric in metrics if metric.exact)


def schedule(runs: int) -> Iterator[tuple[int, bool]]:
    """The seed of each session, and whether it is one of the control, which come in between."""
    stride = max(1, min(CONTROL_STRIDE, runs // 2))
    for number in range(1, runs + 1):
        yield CONTROL_SEED + number, False
        if number % stride == 0:
            yield CONTROL_SEED, True


def repeat(
    file: Path, runs: int, until_s: float
) -> tuple[dict[Point, Cell], int, int, set[tuple[str, ...]]]:
    """Measure until runs or time are used up: cells, sessions of either kind, orders of the tests."""
    config = load_config(file)
    cells: defaultdict[Point, Cell] = defaultdict(Cell)
    counts, orders = [0, 0], set()
    for seed, control in schedule(runs):
        if counts[False] >= FEWEST_RUNS and time.monotonic() > until_s:
            break
        readings = measure(config, Request(seed=seed, exact=True)).readings
        for point, reading in readings.items():
            cells[point].take(reading, control=control)
        counts[control] += 1
        orders.add(order_of(readings))
    return dict(cells), *counts, orders


def order_of(readings: Readings) -> tuple[str, ...]:
    """The tests in the order in which a session told of them."""
    return tuple(dict.fromkeys(point.budget for point in readings if "::" in point.budget))


def table(cells: Mapping[Point, Cell]) -> list[str]:
    """One row per metric over all bodies that it was read of."""
    heads = ["metric", "bodies", "not 0 in", "exact in", "most values", "widest spread", "one seed"]
    heads += ["worst body", "over three others", "by more than 2 %", "errors"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    known = [name for target in TARGETS.values() for name in target.METRICS]
    found = {point.metric for point in cells}
    for metric in [*filter(found.__contains__, known), *sorted(found.difference(known))]:
        own = {point.budget: cell for point, cell in cells.items() if point.metric == metric}
        lines.append(f"| {metric or '(the whole body)'} | {' | '.join(row(own))} |")
    return lines


def row(own: Mapping[str, Cell]) -> list[str]:
    """The cells of one metric, put together."""
    read = {body: cell for body, cell in own.items() if cell.values}
    exact = sum(len(set(cell.values + cell.control)) == 1 for cell in read.values())
    worst = max(read, key=lambda body: spread(read[body].values), default="")
    widest = spread(read[worst].values) if worst else 0.0
    reds = [max((red_share(c.values, s) for c in read.values()), default=0.0) for s in (0.0, 0.02)]
    controls = [cell.control for cell in read.values() if len(cell.control) > 1]
    one_seed = max(map(spread, controls), default=0.0)
    return [
        str(len(own)),
        str(sum(any(cell.values) for cell in read.values())),
        str(exact),
        str(max((len(set(cell.values)) for cell in read.values()), default=0)),
        f"{widest:.3%}" if widest else "0",
        f"{one_seed:.3%}" if one_seed else "0" if controls else "too few",
        worst.rpartition("::")[2] if widest else "",
        *(f"{red:.1%}" if red else "0" for red in reds),
        str(sum(len(cell.errors) for cell in own.values())),
    ]


def inexact(cells: Mapping[Point, Cell]) -> list[str]:
    """What is not exact, by name, the widest first; then why something could not be read."""
    moved = {point: cell.values + cell.control for point, cell in cells.items()}
    moved = {point: values for point, values in moved.items() if len(set(values)) > 1}
    lines = ["Not exact: none."] if not moved else ["Not exact:", ""]
    for point, values in sorted(moved.items(), key=lambda pair: -spread(pair[1])):
        seen = f"{min(values):.10g} to {max(values):.10g}, median {statistics.median(values):.10g}"
        name = " ".join(part.rpartition("::")[2] for part in point if part)
        lines.append(f"- {name}: {seen}; {len(set(values))} values in {len(values)}")
    causes = dict.fromkeys(error for cell in cells.values() for error in cell.errors)
    lines += ["", "Could not be read:", ""] if causes else []
    return [*lines, *(f"- {cause}" for cause in list(causes)[:TOLD_CAUSES])]


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument(
        "--runs", type=int, default=50, help="sessions with own seeds (default: 50)"
    )
    reader.add_argument("--minutes", type=float, default=10.0, help="when to stop (default: 10)")
    asked = reader.parse_args()
    until_s = time.monotonic() + asked.minutes * 60
    with tempfile.TemporaryDirectory(prefix="repeatability-") as made:
        file = write_project(Path(made).resolve())
        cells, own, control, orders = repeat(file, max(asked.runs, FEWEST_RUNS), until_s)
    if not any(cell.values for cell in cells.values()):
        sys.exit("nothing was read:\n" + "\n".join(inexact(cells)))
    sessions = f"{own} fresh processes, each with its seed, and {control} with one seed"
    print(f"{machine_line()}; {sessions}; {len(orders)} orders of the tests\n")
    print("\n".join([*table(cells), "", *inexact(cells)]))


if __name__ == "__main__":
    main()
