"""A side that is not measured as it should be ends in an error of its subject, never in a verdict."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from budgetguard.errors import MeasureError
from budgetguard.gate.side import Side
from budgetguard.gate.sides import layout
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.sweep import CANARY_SUBJECT, Served, Subject, SweepOptions, sweep


def few_plugins() -> dict[str, str]:
    """An environment in which a worker starts in a third of the time: it loads what the tests here use."""
    return {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_benchmark.plugin",
    }


class Project:
    """Two checkouts with files of their own, and a sweep over them."""

    def __init__(self, folder: Path, reaper: Reaper) -> None:
        self.folder = folder
        self.options = SweepOptions(
            reaper=reaper, pairs=2, subject_s=4.0, reach_s=60.0, environment=few_plugins()
        )
        self.base, self.head = (
            Side(name, folder / name, sys.executable, root=folder / name)
            for name in ("base", "head")
        )
        self.put("pytest.ini", "[pytest]\naddopts = -p no:randomly\n")

    def put(self, name: str, content: str, *sides: str) -> "Project":
        """Write a file, on both sides where none is named."""
        for side in sides or ("base", "head"):
            file = self.folder / side / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(content))
        return self

    def sweep(self, *items: str, seed: int = 7, **options: object) -> Mapping[Subject, Served]:
        """All subjects by name."""
        chosen = replace(self.options, **options)
        subjects = [Subject(item) for item in items]
        return sweep(self.base, self.head, subjects, seed=seed, options=chosen)

    def of(self, item: str, **options: object) -> Served:
        """What one subject came to."""
        return self.sweep(item, **options)[Subject(item)]


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    with Reaper() as one:
        yield one


@pytest.fixture
def project(tmp_path: Path, reaper: Reaper) -> Project:
    return Project(tmp_path, reaper)


def test_outcomes_that_differ_are_an_error(project: Project) -> None:
    """A body that raises or is skipped on one side only, or has another fixture there, is not compared."""
    project.put("tests/test_a.py", "from shop import *\n", "base", "head")
    tests = """
        import pytest, shop
        def test_raises(): assert shop.GOOD
        def test_skips():
            if not shop.GOOD: pytest.skip("too old")
        def test_later(n=[]):
            n.append(1)
            assert len(n) < 3 or shop.GOOD
        def test_fixture(goods): pass
        def test_asserts(benchmark): assert benchmark(int) == (0 if shop.GOOD else 1)
        def test_tears_down(breaks): pass
        @pytest.fixture
        def breaks():
            yield
            assert shop.GOOD
    """
    project.put("tests/test_a.py", tests)
    project.put("conftest.py", "import pytest, shop\n")
    fixture = "import pytest, shop\n@pytest.fixture\ndef goods(): return 1\n"
    project.put("conftest.py", fixture, "head")
    project.put("shop.py", "GOOD = False\n", "base").put("shop.py", "GOOD = True\n", "head")
    names = ("raises", "skips", "later", "fixture", "asserts", "tears_down")
    served = project.sweep(*(f"tests/test_a.py::test_{name}" for name in names))
    said = {subject.item.rpartition("_")[2]: one.error for subject, one in served.items()}
    for name in ("raises", "asserts", "down"):
        assert "the sides end differently: base fails" in said[name]
        assert "head passes" in said[name]
    assert "base is skipped (call: Skipped: too old), head passes" in said["skips"]
    assert "fixture 'goods' not found" in said["fixture"]
    measured = {subject.item.rpartition("_")[2] for subject, one in served.items() if one.rounds}
    assert measured == {CANARY_SUBJECT.item, "later"}  # that one in a process for each call


def test_the_more_careful_mode_counts_for_both(project: Project) -> None:
    """Where one side's body cannot be called again in place, neither is: a call is the same on both."""
    project.put("tests/test_a.py", "import shop\ndef test_a(tmp_path): shop.use(tmp_path)\n")
    project.put("shop.py", "def use(folder): sum(range(1000))\n", "base")
    project.put("shop.py", "def use(folder): (folder / 'd').mkdir(); sum(range(1000))\n", "head")
    one = project.of("tests/test_a.py::test_a")
    assert (one.error, one.mode) == ("", "called again with fresh fixtures")
    assert len(one.rounds) == 2


LOCKED = """
    import fcntl, time, pytest
    @pytest.fixture
    def told():
        with open({folder!r} + "/told-" + __file__.split("/")[-3], "a") as file:
            yield file
    def work(ms):
        until = time.thread_time() + ms / 1000
        while time.thread_time() < until:
            pass
    def test_short(told):
        began = time.monotonic()
        work(0.3)
        print("short", began, time.monotonic(), file=told)
    def test_long(told):
        began = time.monotonic()
        work(4)
        print("long", began, time.monotonic(), file=told)
    def test_locked():
        with open({folder!r} + "/lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            work(4)
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nothing is placed on one processor")
def test_long_rounds_meet_and_short_ones_do_not(project: Project) -> None:
    """Long calls of both sides run at the same time, unless one waits for the other."""
    project.put("tests/test_a.py", LOCKED.format(folder=str(project.folder)))
    names = ("short", "long", "locked")
    served = project.sweep(*(f"tests/test_a.py::test_{name}" for name in names), pairs=4)
    assert {one.error for one in served.values()} == {""}
    modes = {subject.item.rpartition("::test_")[2]: one.mode for subject, one in served.items()}
    assert modes["long"] == modes["locked"] == "called again in place"
    assert overlaps(project.folder, "long") > 0
    assert overlaps(project.folder, "short") == 0
    locked = served[Subject("tests/test_a.py::test_locked")]
    assert all(cost.blocked_s < 0.25 * cost.cpu_s for pair in locked.rounds for cost in pair)


LATE = 4


def overlaps(folder: Path, name: str) -> int:
    """How many of one side's last calls, all within rounds, ran while one of the other did."""
    base, head = (
        [
            tuple(map(float, words[1:]))
            for words in map(str.split, (folder / side).read_text().splitlines())
            if words[0] == name
        ]
        for side in ("told-base", "told-head")
    )
    return sum(any(a < d and c < b for c, d in head) for a, b in base[-LATE:])


def test_a_test_of_the_head_alone_is_new(project: Project) -> None:
    """New is only what the base knows not; a test the head lacks, or a base that fails, is an error."""
    project.put("tests/test_a.py", "def test_old(): pass\n", "base")
    project.put("tests/test_a.py", "def test_new(): pass\n", "head")
    project.put("tests/test_b.py", "def test_b(): pass\n", "head")
    project.put("tests/test_c.py", "import nowhere\ndef test_c(): pass\n", "base")
    project.put("tests/test_c.py", "def test_c(): pass\n", "head")
    project.put("tests/test_d.py", "import pytest\npytest.skip('no', allow_module_level=True)\n")
    names = ("a.py::test_new", "a.py::test_old", "b.py::test_b", "c.py::test_c", "d.py::test_d")
    served = project.sweep(*(f"tests/test_{name}" for name in names))
    said = {name: served[Subject(f"tests/test_{name}")] for name in names}
    assert said["a.py::test_new"].new
    assert "base: there is no such test in tests/test_a.py" in said["a.py::test_new"].error
    assert said["b.py::test_b"].new
    assert not said["a.py::test_old"].new
    assert "head: there is no such test" in said["a.py::test_old"].error
    assert not said["c.py::test_c"].new
    assert "No module named 'nowhere'" in said["c.py::test_c"].error
    assert "its module was skipped" in said["d.py::test_d"].error


def test_what_a_conftest_takes_out_is_no_new_test(project: Project) -> None:
    """A test that is only left out of the base's run exists there."""
    project.put("tests/test_a.py", "def test_a(): pass\n")
    takes = """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=items[:])
            items.clear()
    """
    project.put("conftest.py", takes, "base")
    one = project.of("tests/test_a.py::test_a")
    assert "takes it out of the run" in one.error
    assert not one.new


def test_a_broken_file_does_not_spoil_the_others(project: Project) -> None:
    """A conftest that ends the base's session costs the tests below it only."""
    project.put("one/test_a.py", "def test_a(): pass\n")
    project.put("two/test_b.py", "def test_b(): pass\n")
    project.put("two/conftest.py", "import nowhere\n", "base").put("two/conftest.py", "", "head")
    served = project.sweep("one/test_a.py::test_a", "two/test_b.py::test_b")
    assert served[Subject("one/test_a.py::test_a")].rounds
    assert "No module named 'nowhere'" in served[Subject("two/test_b.py::test_b")].error


def test_a_module_of_the_other_side_is_an_error(project: Project) -> None:
    """A base that loads the head's code would be compared with itself."""
    project.put("shop.py", "def buy(): pass\n", "head")
    reach = "import sys\nsys.path.insert(0, {!r})\n".format(str(project.folder / "head"))
    project.put("conftest.py", reach, "base").put("conftest.py", "", "head")
    project.put("tests/test_a.py", "import shop\ndef test_a(): shop.buy()\n")
    one = project.of("tests/test_a.py::test_a")
    assert "base loaded modules of head: shop (" in one.error
    assert one.rounds == ()


def test_an_environment_inside_a_checkout_is_shared(project: Project) -> None:
    """What both sides load from an environment in the head's folder is no foreign module."""
    environment = project.folder / "head" / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    purelib = sysconfig.get_path("purelib")
    pure = environment / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (pure / "theirs.pth").write_text(f"{purelib}\n")
    (pure / "dependency.py").write_text("X = 1\n")
    project.put("tests/test_a.py", "import dependency\ndef test_a(): dependency.X\n")
    python = str(environment / "bin" / "python")
    project.base = replace(project.base, python=python)
    project.head = replace(project.head, python=python)
    assert project.of("tests/test_a.py::test_a").error == ""


@pytest.fixture
def compiled() -> Path:
    """A compiled module to borrow."""
    found = next(Path(sysconfig.get_path("platlib")).rglob("_speedups*.so"), None)
    return found or pytest.skip("none is installed")


def test_other_extension_modules_are_an_error(project: Project, compiled: Path) -> None:
    """A base whose compiled part is missing runs its pure fallback: that is another program."""
    project.put(
        "shop/__init__.py", "try:\n    from shop import _speedups\nexcept ImportError: pass\n"
    )
    shutil.copy(compiled, project.folder / "head" / "shop" / compiled.name)
    project.put("tests/test_a.py", "import shop\ndef test_a(): pass\n")
    one = project.of("tests/test_a.py::test_a")
    assert "the sides load other extension modules: shop._speedups only on head" in one.error


def test_what_a_test_starts_runs_its_own_side(project: Project) -> None:
    """In an environment that both sides share, a child of the base's test loads the base's code."""
    project.put("src/shop.py", "")
    ask = "import pathlib, shop; assert pathlib.Path(shop.__file__).is_relative_to({!r})"
    for side in (project.base, project.head):
        starts = "import subprocess, sys\ndef test_a():\n    subprocess.run([sys.executable, '-c', {!r}], check=True)\n"
        project.put("tests/test_a.py", starts.format(ask.format(str(side.folder))), side.name)
    project.base = replace(project.base, path=(str(project.folder / "base/src"),))
    installed = {**os.environ, "PYTHONPATH": str(project.folder / "head/src")}
    assert project.of("tests/test_a.py::test_a", environment=installed).error == ""


def test_a_copy_without_its_extension_is_an_error(project: Project, compiled: Path) -> None:
    """Also where the project is installed as a copy: pure Python on one side is another program."""
    code = "try:\n    from shop import _speedups\nexcept ImportError: pass\n"
    for side in (project.base, project.head):
        url = f'{{"url": "{side.folder.as_uri()}", "dir_info": {{}}}}'
        env = f"{side.name}-env"
        project.put("site-packages/shop/__init__.py", code, env)
        project.put("site-packages/shop-1.dist-info/RECORD", "shop/__init__.py,,", env)
        project.put("site-packages/shop-1.dist-info/direct_url.json", url, env)
        path = (str(project.folder / env / "site-packages"),)
        setattr(project, side.name, replace(side, path=path))
    shutil.copy(compiled, project.folder / "head-env/site-packages/shop")
    project.put("tests/test_a.py", "import shop\ndef test_a(): pass\n")
    assert "shop._speedups only on head" in project.of("tests/test_a.py::test_a").error


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), 9)",
        "os.closerange(3, 1 << 16)",
        "time.sleep(600)",
    ],
    ids=["killed", "closes", "hangs"],
)
def test_who_ends_a_worker_loses_its_own_rounds_only(project: Project, body: str) -> None:
    """A worker that dies or hangs in mid-block costs its subject, after a second try; the rest is measured."""
    dies = f"""
        import os, time, shop
        CALLS = []
        def test_dies():
            CALLS.append(1)
            if shop.BAD and len(CALLS) > 4:
                {body}
            time.sleep(0.012)
        def test_before(): pass
        def test_after(): pass
    """
    project.put("tests/test_a.py", dies)
    project.put("shop.py", "BAD = False\n", "base").put("shop.py", "BAD = True\n", "head")
    names = [f"tests/test_a.py::test_{name}" for name in ("before", "dies", "after")]
    served = project.sweep(*names, round_s=4.0, pairs=3, subject_s=8.0)
    died = served[Subject(names[1])]
    assert died.error.startswith("head: the process ")
    assert died.error.endswith(", twice")
    assert died.rounds == ()
    for name in (names[0], names[2]):
        assert len(served[Subject(name)].rounds) == 3


def test_closed_low_descriptors_do_no_harm(project: Project) -> None:
    """A body that closes what a process usually has open goes on being measured."""
    project.put("tests/test_a.py", "import os\ndef test_a(): os.closerange(3, 256)\n")
    assert len(project.of("tests/test_a.py::test_a").rounds) == 2


def test_a_side_without_pytest_says_so(project: Project) -> None:
    """An interpreter that lacks pytest, and one that is not there, are told by name."""
    project.put("tests/test_a.py", "def test_a(): pass\n")
    environment = project.folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    project.base = replace(project.base, python=str(environment / "bin" / "python"))
    one = project.of("tests/test_a.py::test_a")
    assert "base: the process ended pytest" in one.error
    assert "No module named 'pytest'" in one.error
    project.base = replace(project.base, python=str(environment / "bin" / "nothing"))
    with pytest.raises(MeasureError, match=r"base: cannot start .*nothing"):
        project.of("tests/test_a.py::test_a")


def test_unknown_options_in_addopts_say_so(project: Project) -> None:
    """What pytest says of its usage reaches the report."""
    project.put("pytest.ini", "[pytest]\naddopts = --no-such-option\n", "base")
    project.put("tests/test_a.py", "def test_a(): pass\n")
    assert "--no-such-option" in project.of("tests/test_a.py::test_a").error


def test_more_work_is_seen(project: Project) -> None:
    """Half as much CPU time again moves the median of the pairs' ratios by more than 20 %."""
    project.put("tests/test_a.py", "import shop\ndef test_a(): shop.work()\n")
    work = "def work(): return sum(n * n for n in range({}))\n"
    project.put("shop.py", work.format(4000), "base").put("shop.py", work.format(6000), "head")
    ratios = []
    for seed in range(3):
        one = project.sweep("tests/test_a.py::test_a", seed=seed, pairs=8)
        pairs = one[Subject("tests/test_a.py::test_a")].rounds
        ratios.append(median(head.cpu_s / base.cpu_s for base, head in pairs))
    assert median(ratios) > 1.2


def test_the_hash_seed_and_the_order_are_those_of_the_block(project: Project) -> None:
    """Both sides get one hash seed and one order of items, other ones in another block."""
    body = """
        import os, pytest
        NOTES = os.path.join(os.path.dirname(__file__), "..", "..", "notes")
        @pytest.mark.parametrize("n", range(6))
        def test_a(n, request):
            with open(NOTES, "a") as notes:
                side = os.path.basename(os.getcwd())
                print(side, os.environ["PYTHONHASHSEED"], n, file=notes)
    """
    project.put("tests/test_a.py", body)
    items = [f"tests/test_a.py::test_a[{n}]" for n in range(6)]
    seen = []
    for seed in (1, 2):
        project.sweep(*items, seed=seed, pairs=1)
        lines = (project.folder / "notes").read_text().splitlines()
        (project.folder / "notes").unlink()
        of_side = {
            side: list(
                dict.fromkeys(line.split(" ", 1)[1] for line in lines if line.startswith(side))
            )
            for side in ("base", "head")
        }
        assert of_side["base"] == of_side["head"]
        assert {line.split()[0] for line in of_side["head"]} == {str(seed)}
        seen.append([line.split()[1] for line in of_side["head"]])
    assert sorted(seen[0]) == sorted(seen[1])
    assert seen[0] != seen[1]


def test_the_coordinator_killed_leaves_nothing(tmp_path: Path, reaper: Reaper) -> None:
    """Workers, what they started and their temporary files go with a coordinator that is killed."""
    project = Project(tmp_path, reaper)
    body = """
        import os, subprocess, sys, time
        def test_a():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
            with open("ready", "w") as file: file.write(os.environ["TMPDIR"])
            time.sleep(120)
    """
    project.put("tests/test_a.py", body)
    code = f"""
        import sys
        from pathlib import Path
        from budgetguard.gate.side import Side
        from budgetguard.gate.sides.reaper import Reaper
        from budgetguard.gate.sides.sweep import Subject, SweepOptions, sweep
        top = Path({str(tmp_path)!r})
        sides = [Side(name, top / name, sys.executable, root=top / name) for name in ("base", "head")]
        with Reaper() as reaper:
            sweep(*sides, [Subject("tests/test_a.py::test_a")], seed=1, options=SweepOptions(reaper=reaper))
    """
    coordinator = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    marks = [tmp_path / side / "ready" for side in ("base", "head")]
    assert eventually(lambda: all(mark.exists() and mark.read_text() for mark in marks), 60)
    scratch = Path(marks[0].read_text()).parent
    assert below(tmp_path)
    coordinator.send_signal(signal.SIGKILL)
    coordinator.wait(10)
    assert eventually(lambda: not below(tmp_path) and not scratch.exists(), 30)


def test_an_interrupt_ends_both_workers(tmp_path: Path, reaper: Reaper, monkeypatch) -> None:
    """Whatever ends a sweep, nobody is left: here an interrupt of the person who waits."""
    project = Project(tmp_path, reaper)
    project.put("tests/test_a.py", "def test_a(): pass\n")

    def interrupted(name: str) -> None:
        if name != CANARY_SUBJECT.item:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project.of("tests/test_a.py::test_a", watch=interrupted)
    assert eventually(lambda: not below(tmp_path), 10)


def below(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def eventually(holds, seconds: float) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@pytest.mark.skipif(not layout.fixed(), reason="this system draws addresses whatever we ask")
def test_addresses_are_those_of_the_block(project: Project) -> None:
    """What both sides load lies at the same addresses, and elsewhere in the next block."""
    body = """
        import shop
        def test_a():
            with open({folder!r} + "/addresses", "a") as file:
                print(id(shop), id(shop.LARGE), file=file)
    """
    project.put("tests/test_a.py", body.format(folder=str(project.folder)))
    project.put("shop.py", "LARGE = [0] * 1000\n")
    seen = []
    for seed in (1, 300):
        assert project.sweep("tests/test_a.py::test_a", seed=seed, pairs=1)
        file = project.folder / "addresses"
        seen.append(set(file.read_text().splitlines()))
        file.unlink()
    assert [len(one) for one in seen] == [1, 1]
    assert seen[0] != seen[1]
