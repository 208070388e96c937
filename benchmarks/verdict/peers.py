"""The same projects judged by the peers, each run as its documentation says."""

import json
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.verdict import rules, sampling
from benchmarks.verdict.environments import LIBRARIES, run
from benchmarks.verdict.projects import (
    PACKAGE,
    Project,
    commit,
    copy_of,
    sources,
    tree,
    two_commits,
)
from benchmarks.verdict.results import Judged

PYTEST_BENCHMARK = ("min:5%", "mean:5%", "median:10%")
ASV_FACTORS = (1.1, 1.05)
"""asv's own default, and the limit that the others have."""
PAIRS = 100
"""criterion's `sample_size`."""
TIMEOUT_S = 1200.0
STATUS = {"regressed": "red", "improved": "green", "unchanged": "green", "inconclusive": "open"}

ASV_BENCHMARK = """\
from {package} import {name}


class {name}_:
    def setup(self):
        self.opened = {name}.prepared()
        self.state = self.opened.__enter__()

    def teardown(self):
        self.opened.__exit__(None, None, None)

    def time_run(self):
        {name}.run(self.state)
"""
ASV_INSTALL = """\
import pathlib, shutil, sys, sysconfig

target = pathlib.Path(sysconfig.get_path("purelib"), "kernels")
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(pathlib.Path(sys.argv[1], "kernels"), target)
"""
MATRIX = '''\
"""One workload as a matrix of one cell."""

from contextlib import ExitStack
from functools import partial

from benchmatrix import BenchmarkCase, make_benchmark_test

from {package} import {name}

opened = ExitStack()
work = partial({name}.run, opened.enter_context({name}.prepared()))
cases = [BenchmarkCase.from_values("all", work_units=200, work_unit_name="units")]
test_matrix = make_benchmark_test({{"{name}": work}}, cases, metrics=["single_call_latency"])
'''


def pytest_benchmark(python: Path, project: Project, percents: Mapping[str, float]) -> list[Judged]:
    """`pytest --benchmark-compare-fail` on head against a run of base that was saved just before."""
    base = copy_of(project, project.base, project.folder.with_name("base"))
    store = project.folder.with_name("saved")
    options = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--benchmark-storage=file://{store}",
    ]
    began_s = time.monotonic()
    run([python, *options, "--benchmark-save=base"], base, TIMEOUT_S)
    # one option with all rules: of several it takes the last
    fails = ["--benchmark-compare-fail", *PYTEST_BENCHMARK]
    done = run(
        [python, *options, "--benchmark-compare=0001", *fails],
        project.folder,
        TIMEOUT_S,
        allowed=(0, 1),
    )
    share_s = (time.monotonic() - began_s) / len(percents)
    red = regressions(done.out + done.err)
    if done.code and not red:
        raise RuntimeError(f"pytest-benchmark failed otherwise: {done.out[-500:]}")
    return [
        Judged(rule=f"pytest-benchmark {rule}", subject=name, outcome="red" if (name, rule.partition(":")[0]) in red else "green", percent=percent, seconds=share_s)
        for rule in PYTEST_BENCHMARK
        for name, percent in percents.items()
    ]  # fmt: skip


def regressions(text: str) -> set[tuple[str, str]]:
    """The benchmarks and fields that pytest-benchmark says have regressed."""
    return set(re.findall(r"test_(\w+) \([^)]*\) - Field '(\w+)' has failed", text))


def asv(
    python: Path, work: Path, texts: Mapping[str, str], percents: Mapping[str, float]
) -> list[Judged]:
    """`asv continuous BASE HEAD` in environments that asv made, then its own comparison at each factor."""
    home = work / "asv"
    first, second = _asv_project(home, texts, percents)
    more = {"HOME": str(home), "PATH": f"{python.parent}:/usr/bin:/bin"}
    program = python.with_name("asv")
    shutil.rmtree(home / "results", ignore_errors=True)
    run([program, "machine", "--yes"], home, TIMEOUT_S, more=more)
    # environments are no part of the time; its exit code is 1 where it succeeds, too (asv 0.6.6)
    run([program, "setup"], home, TIMEOUT_S, allowed=(0, 1), more=more)
    began_s = time.monotonic()
    run([program, "continuous", first, second], home, TIMEOUT_S, allowed=(0, 1), more=more)
    share_s = (time.monotonic() - began_s) / len(percents)
    found = []
    for factor in ASV_FACTORS:
        compare = ["compare", first, second, "--factor", str(factor)]
        rows = asv_rows(run([program, *compare], home, TIMEOUT_S, more=more).out)
        rule = f"asv continuous, factor {factor}"
        found += [
            Judged(
                rule=rule,
                subject=name,
                outcome=rows.get(name, "error"),
                percent=percent,
                seconds=share_s,
            )
            for name, percent in percents.items()
        ]
    return found


def asv_rows(text: str) -> dict[str, str]:
    """The outcome of each benchmark in asv's table: `+` is its mark for worse, `!` `x` `*` for a failure."""
    row = r"^\| *([-+x!*]?) *\|.*\| *kernels_bench\.(\w+)_\.time_run *\|$"
    outcomes = {"+": "red", "-": "green", "": "green"}
    return {name: outcomes.get(mark, "error") for mark, name in re.findall(row, text, re.MULTILINE)}


def _asv_project(
    home: Path, texts: Mapping[str, str], percents: Mapping[str, float]
) -> tuple[str, str]:
    """A lasting repository, whose environments asv keeps, with two new commits; their names."""
    repository, benches = home / "repository", home / "benches"
    before = tree(sources(list(percents)))
    if not repository.exists():
        two_commits(repository, before, before)
    names = [commit(repository, files, day) for day, files in ((1, before), (2, tree(texts)))]
    benches.mkdir(exist_ok=True)
    text = "\n\n".join(ASV_BENCHMARK.format(package=PACKAGE, name=name) for name in percents)
    (benches / "__init__.py").touch()
    (benches / "kernels_bench.py").write_text(text)
    (home / "install.py").write_text(ASV_INSTALL)
    (home / "asv.conf.json").write_text(json.dumps(_asv_settings(home), indent=1))
    return names[0], names[1]


def _asv_settings(home: Path) -> dict[str, object]:
    return {
        "version": 1,
        "project": PACKAGE,
        "repo": str(home / "repository"),
        "branches": ["main"],
        "environment_type": "virtualenv",
        "pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
        "matrix": {"req": {name: [version] for name, _, version in (one.partition("==") for one in LIBRARIES)}},
        "benchmark_dir": "benches",
        "env_dir": "environments",
        "results_dir": "results",
        "html_dir": "html",
        "build_command": ["in-dir={build_dir} python -c pass"],
        "install_command": [f"in-dir={{env_dir}} python {home / 'install.py'} {{build_dir}}"],
        "uninstall_command": ["return-code=any in-dir={env_dir} python -c pass"],
    }  # fmt: skip


def benchmatrix(python: Path, folder: Path, name: str, percent: float, text: str) -> list[Judged]:
    """`benchmatrix collect-paired` and `compare --paired` with its own defaults and a threshold of 5 %."""
    matrix = {"matrix/test_matrix.py": MATRIX.format(package=PACKAGE, name=name)}
    project = two_commits(
        folder / "head", {**tree(sources([name])), **matrix}, {**tree({name: text}), **matrix}
    )
    base = copy_of(project, project.base, folder / "base")
    measure: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "--benchmark-only",
        "matrix/test_matrix.py",
    ]
    program = python.with_name("benchmatrix")
    began_s = time.monotonic()
    where: list[str | Path] = [
        "--output",
        "runs",
        "--baseline-cwd",
        base,
        "--candidate-cwd",
        project.folder,
    ]
    run([program, "collect-paired", *where, "--", *measure, ":::", *measure], folder, TIMEOUT_S)
    compare = [
        "compare",
        "runs",
        "--paired",
        "--no-config",
        "--threshold",
        "5%",
        "--format",
        "json",
    ]
    cell = json.loads(run([program, *compare], folder, TIMEOUT_S).out)["comparisons"][0]
    took_s = time.monotonic() - began_s
    return [Judged(rule="benchmatrix paired, 5 %", subject=name, outcome=STATUS.get(cell["regression"], "error"),
                   percent=percent, seconds=took_s, reason=cell["reason"][:300])]  # fmt: skip


def sampled(
    python: Path, project: Project, percents: Mapping[str, float], seed: int
) -> list[Judged]:
    """The rules of criterion and tango on pairs of rounds taken in turn, on the clock on the wall."""
    folders = (copy_of(project, project.base, project.folder.with_name("base")), project.folder)
    found = []
    for name, percent in percents.items():
        began_s = time.monotonic()
        taken = sampling.rounds(
            python, folders, f"{PACKAGE}.{name}", PAIRS, seed=seed, pinned=False
        )
        took_s = time.monotonic() - began_s
        base, head = zip(*((float(b.wall_ns), float(h.wall_ns)) for b, h in taken), strict=True)
        red = {
            "criterion's rule": rules.criterion(base, head, seed),
            "tango's rule": rules.tango(base, head),
        }
        found += [
            Judged(
                rule=rule,
                subject=name,
                outcome="red" if said else "green",
                percent=percent,
                seconds=took_s,
            )
            for rule, said in red.items()
        ]
    return found
