"""Same code is only called same when nothing that a benchmark runs or reads can differ."""

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from budgetguard.gate.fingerprint import ChangedFile, Doubt, Same, compare

HERE = Path(__file__).parent / "same_code"
WORKER = Path(__file__).parents[2] / "pytest_plugin" / "budgetguard_worker"
BENCH = "import shop\ndef bench(): shop.total()\n"
EITHER = re.compile(r"\[\[(.*?)\|(.*?)\]\]")
SEEDS = ("1", "2")

SideName = Literal["base", "head"]


@dataclass
class Project:
    """One side of a pair of tiny projects."""

    files: dict[str, str] = field(default_factory=dict)
    compiled: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    benches: list[str] = field(default_factory=lambda: ["bench"])
    pytest: bool = False


@dataclass
class Case:
    """A named pair; `known` is why a fooler gets through."""

    name: str
    base: Project = field(default_factory=Project)
    head: Project = field(default_factory=Project)
    known: str = ""

    def sides(self, name: str) -> list[tuple[int, Project]]:
        """The sides that a heading names; both, if it names none."""
        both = [(0, self.base), (1, self.head)]
        return [both[["base", "head"].index(name)]] if name in ("base", "head") else both


def read_cases(path: Path) -> list[Case]:
    """Pairs as text: `== name`, `!! option`, `-- [base|head|compiled] file`; `[[one|other]]` differs."""
    cases: list[Case] = []
    for block in re.split(r"^== ", path.read_text(), flags=re.MULTILINE)[1:]:
        heading, *parts = re.split(r"^(?=-- )", block, flags=re.MULTILINE)
        name, *options = heading.strip().splitlines()
        case = Case(name)
        for option in options:
            read_option(case, option.removeprefix("!! "))
        for part in parts:
            read_file(case, part)
        cases.append(case)
    return cases


def read_option(case: Case, option: str) -> None:
    """`known: why`, `benches a b`, `base env NAME=VALUE` or `base flag -O`."""
    first, _, rest = option.partition(" ")
    if first == "known:":
        case.known = rest
        return
    kind, _, value = (option if first == "benches" else rest).partition(" ")
    for _, project in case.sides(first):
        if kind == "benches":
            project.benches = value.split()
        elif kind == "env":
            project.env.update([value.split("=", 1)])
        else:
            project.flags.append(value)


def read_file(case: Case, part: str) -> None:
    """One file of one side or of both."""
    heading, _, text = part.partition("\n")
    where, _, path = heading.removeprefix("-- ").rpartition(" ")
    for number, project in case.sides(where):
        body = EITHER.sub(lambda found: found[number + 1], text.rstrip("\n"))  # noqa: B023
        files = project.compiled if where == "compiled" else project.files
        files[path] = f"{body}\n" if body else ""


FOOLERS = read_cases(HERE / "foolers.txt")
SAME = read_cases(HERE / "same.txt")


class Recording:
    """Drivers, one per hash seed, that record in a fork for each job."""

    def __init__(self) -> None:
        self._drivers: dict[str, subprocess.Popen[str]] = {}

    def record(self, root: Path, project: Project, seed: str) -> dict[str, Any]:
        """The payload of a project's last benchmark."""
        job = {"root": str(root), "benches": project.benches, "pytest": project.pytest}
        job["env"] = {key: text.format(root=root) for key, text in project.env.items()}
        site = root.parent / f"{root.name}-environment" / "site-packages"
        job["path"] = [str(site)] if site.exists() else []
        payload: dict[str, Any] = json.loads(self._asked(json.dumps(job), project.flags, seed))
        assert "error" not in payload, payload["error"]
        return payload

    def _asked(self, job: str, flags: list[str], seed: str) -> str:
        command = [sys.executable, *flags, str(HERE / "driver.py"), str(WORKER)]
        env = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        if flags:
            once = [*command, "--once"]
            done = subprocess.run(
                once, input=job, env=env, capture_output=True, text=True, timeout=60
            )
            return done.stdout
        if seed not in self._drivers:
            pipe = subprocess.PIPE
            self._drivers[seed] = subprocess.Popen(
                command, env=env, stdin=pipe, stdout=pipe, text=True
            )
        driver = self._drivers[seed]
        assert driver.stdin
        assert driver.stdout
        driver.stdin.write(f"{job}\n")
        driver.stdin.flush()
        return driver.stdout.readline()

    def close(self) -> None:
        """End the drivers."""
        for driver in self._drivers.values():
            driver.communicate(timeout=30)


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    """Where pairs are recorded."""
    started = Recording()
    yield started
    started.close()


def written(folder: Path, project: Project) -> Path:
    """A project on disk, with what it has compiled."""
    for name, text in {"bench.py": BENCH, **project.files}.items():
        top = f"{folder.name}-environment" if name.startswith("site-packages/") else folder.name
        file = folder.parent / top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{root}", str(folder)))
    for name, text in project.compiled.items():
        compiler = [
            "gcc",
            "-O1",
            "-w",
            "-shared",
            "-fPIC",
            "-x",
            "c",
            "-",
            "-o",
            str(folder / name),
        ]
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([*compiler, include], input=text, text=True, check=True, timeout=60)
    return folder


def changes(case: Case) -> list[ChangedFile]:
    """What git would say of the pair; what is built or installed is not in it."""
    found = []
    for path in sorted({*case.base.files, *case.head.files}):
        old, new = case.base.files.get(path), case.head.files.get(path)
        if old != new and not path.startswith("site-packages/"):
            found.append(ChangedFile(path, "A" if old is None else "D" if new is None else "M"))
    return found


def judged(case: Case, recording: Recording, folder: Path) -> Same | Doubt:
    """Both sides recorded with two seeds, and compared."""
    base = written(folder / "base", case.base)
    head = written(folder / "a longer head", case.head)
    pairs = [
        (recording.record(base, case.base, seed), recording.record(head, case.head, seed))
        for seed in SEEDS
    ]
    return compare(pairs, changes(case))


def marked(case: Case) -> Any:
    """A fooler that is known to get through fails here, and is told when it no longer does."""
    marks = [pytest.mark.xfail(reason=case.known, strict=True)] if case.known else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in FOOLERS])
def test_a_change_that_hides_is_timed(case: Case, recording: Recording, tmp_path: Path) -> None:
    """Whatever changes cost or result of a benchmark is never called the same code."""
    verdict = judged(case, recording, tmp_path)
    assert isinstance(verdict, Doubt)
    assert str(verdict).startswith("timed, because ")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in SAME])
def test_a_change_that_does_not_matter_is_not_timed(
    case: Case, recording: Recording, tmp_path: Path
) -> None:
    """A change that no benchmark can feel is called the same code, in another folder and by two seeds."""
    verdict = judged(case, recording, tmp_path)
    assert isinstance(verdict, Same), verdict
    assert re.search(r"[1-9]\d* code objects", str(verdict))


TESTS = {
    "tests/conftest.py": "import pytest\n@pytest.fixture(scope='session')\ndef shop():\n    import shop\n    return shop\n",
    "tests/test_shop.py": "def test_total(shop): assert shop.total() == 1\ndef test_more(shop, tmp_path):\n    (tmp_path / 'x').write_text('x')\n    assert shop.more() == 3 + len((tmp_path / 'x').read_text())\n",
    "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
}
SHOP = "from dataclasses import dataclass\n@dataclass\nclass Cart:\n    n: int = 3\ndef total(): return 1\ndef more(): return Cart().n + 1\n"


def test_items_of_a_real_pytest_run_are_settled_one_by_one(recording, tmp_path) -> None:
    """In a sweep, a change settles what it does not reach, and is named where it does."""
    project = Project(pytest=True, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    slow = SHOP.replace("Cart().n + 1", "Cart().n + int(1.0)")
    for name, text in {"base": SHOP, "same": f"# longer\n\n{SHOP}", "slow": slow}.items():
        written(tmp_path / name, Project({**TESTS, "shop.py": text}))
    told = {
        name: [recording.record(tmp_path / name, project, seed) for seed in SEEDS]
        for name in ("base", "same", "slow")
    }
    total, more = "tests/test_shop.py::test_total", "tests/test_shop.py::test_more"
    pairs = {
        (name, item): [(a[item], b[item]) for a, b in zip(told["base"], told[name], strict=True)]
        for name in ("same", "slow")
        for item in (total, more)
    }
    changes = [ChangedFile("shop.py", "M")]
    assert isinstance(compare(pairs["same", total], changes), Same)
    assert isinstance(compare(pairs["same", more], changes), Same)
    assert isinstance(compare(pairs["slow", total], changes), Same)
    assert str(compare(pairs["slow", more], changes)) == "timed, because more in shop.py differs"


@pytest.fixture
def payload(recording, tmp_path) -> dict[str, Any]:
    """What a small project recorded."""
    project = Project({"shop.py": "def total(): return 1\n"})
    return recording.record(written(tmp_path / "base", project), project, "1")


def test_a_side_that_differs_from_itself_is_timed(payload) -> None:
    """A path taken at random, or by the hash seed, is never settled, even where the sides agree."""
    other = {**payload, "code": {}}
    verdict = compare([(payload, payload), (other, other)], [])
    assert isinstance(verdict, Doubt)
    assert verdict.reasons[0].startswith("two records of the base differ: ")


def test_what_only_an_earlier_benchmark_ran_is_said(payload) -> None:
    """Code of a benchmark before it may have left something behind: alone, it could be settled."""
    verdict = compare([(payload, {**payload, "earlier": "other"})], [])
    assert isinstance(verdict, Doubt)
    assert verdict.alone


@pytest.mark.parametrize(
    "broken", [{}, {"format": 2}, {"code": None}, {"doubts": "x"}, {"digest": None}]
)
def test_a_record_that_is_not_whole_is_timed(payload, broken) -> None:
    """What a worker sends is judged by its form first."""
    given = {**payload, **broken} if broken else {}
    assert compare([(payload, given)], []) == Doubt(("a record is not whole",))
    assert compare([], []) == Doubt(("nothing was recorded",))


@pytest.mark.parametrize(
    ("path", "status", "same"),
    [
        ("docs/guide.md", "A", True),
        ("uv.lock", "M", True),
        ("scripts/release.py", "A", True),
        ("prices.csv", "M", False),
        ("vendor/library", "M", False),
        ("src/fast.c", "M", False),
        ("shop.py", "T", False),
        ("other.py", "A", False),
        ("newpackage/__init__.py", "A", False),
        ("setup.py", "A", True),
        ("docs/with space.md", "D", True),
    ],
)
def test_every_changed_file_is_explained(payload, path: str, status: str, same: bool) -> None:
    """A changed file that nothing explains forces the timing, and is named."""
    verdict = compare([(payload, payload)], [ChangedFile(path, status)])
    assert isinstance(verdict, Same) is same
    assert same or path in str(verdict)
