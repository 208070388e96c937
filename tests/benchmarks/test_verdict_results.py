"""What was measured is kept, what is next is fair, and the tables say what is in the file."""

import pytest

from benchmarks.verdict import released, report
from benchmarks.verdict.experiments import JOBS, LEVELS, PEER_LEVELS, experiments, heads, spread
from benchmarks.verdict.ours import verdicts
from benchmarks.verdict.projects import names, sources
from benchmarks.verdict.results import OURS, Judged, Record, append, read
from benchmarks.verdict.schedule import Experiment, following, tries

PAIR = Judged(
    rule=OURS,
    subject="json_codec",
    outcome="red",
    percent=10.0,
    seconds=1.5,
    change=(0.06, 0.1, 0.13),
)


def record(experiment="aa", cell="quiet/identical", took_s=10.0, **more):
    return Record(
        experiment=experiment,
        cell=cell,
        took_s=took_s,
        gate="abc",
        at="2026-11-23T10:00:00",
        **more,
    )


def test_records_come_back_as_they_were(tmp_path):
    """Appending and reading lose nothing and keep the order."""
    file = tmp_path / "deep" / "results.jsonl"
    wanted = [record(verdicts=(PAIR,)), record("layout", "x/unused", numbers={"shift": 0.01})]
    for one in wanted:
        append(file, one)
    assert read(file) == wanted


def test_a_line_that_a_killed_run_left_half_costs_that_line_only(tmp_path):
    """The next run goes on behind it."""
    file = tmp_path / "results.jsonl"
    append(file, record())
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    append(file, record(cell="hog/unused"))
    assert [one.cell for one in read(file)] == ["quiet/identical", "hog/unused"]


def test_lines_of_another_schema_are_left_out(tmp_path):
    """A file of a later laboratory is not misread; none at all is empty."""
    file = tmp_path / "results.jsonl"
    file.write_text('{"schema": 99, "experiment": "aa"}\n')
    assert read(file) == read(tmp_path / "none") == []


def test_time_is_shared_as_asked_for_and_cells_in_turn():
    """After many jobs of different length every experiment has its share and no cell lags behind."""
    plan = [Experiment("a", 0.6, ("x", "y", "z")), Experiment("b", 0.4, ("u",))]
    records = []
    for _ in range(200):
        experiment, cell = following(plan, records, 1e9)
        records.append(record(experiment.name, cell, {"a": 30.0, "b": 7.0}[experiment.name]))
    spent = {name: sum(r.took_s for r in records if r.experiment == name) for name in "ab"}
    assert spent["a"] / (spent["a"] + spent["b"]) == pytest.approx(0.6, abs=0.05)
    counts = [tries("a", cell, records) for cell in "xyz"]
    assert max(counts) - min(counts) <= 1


def test_what_is_done_once_is_not_done_again_and_long_jobs_do_not_begin_late():
    """A cell with a record is done; an experiment whose jobs take longer than is left is passed over."""
    once = Experiment("counts", 0.5, ("x",), once=True)
    long = Experiment("aa", 0.5, ("quiet/identical",))
    assert following([once], [record("counts", "x")], 100.0) is None
    assert following([once], [record("counts", "x", error="none")], 100.0) == (once, "x")
    assert following([long], [record(took_s=60.0)], 59.0) is None
    assert following([long], [record(took_s=60.0)], 61.0) == (long, "quiet/identical")


def test_every_workload_gets_every_level_once_in_a_cycle():
    """Slowdowns are spread over workloads and jobs as in a Latin square."""
    for levels in (LEVELS, PEER_LEVELS):
        cycle = [spread(levels, job) for job in range(len(levels))]
        for name in names():
            assert sorted(job[name] for job in cycle) == sorted(levels)
    text = heads({"json_codec": 10.0, "sleeping": 0.0}, 0)
    assert "UNITS = 220" in text["json_codec"]
    assert text["sleeping"] == sources(["sleeping"])["sleeping"]


def test_every_experiment_has_a_job_and_a_share():
    """Shares make a whole."""
    plan = experiments()
    assert {one.name for one in plan} == JOBS.keys()
    assert sum(one.share for one in plan) == pytest.approx(1.0)
    assert all(len(set(one.cells)) == len(one.cells) > 0 for one in plan)


def test_a_report_of_check_is_read():
    """Outcomes, reasons and numbers of limits on time; what was left to check is an error."""
    fields = {
        "metric": "time",
        "outcome": "FAIL",
        "change": [0.06, 0.1, 0.13],
        "visible": 0.02,
        "reason": "slower",
    }
    document = {
        "verdicts": [{"budget": "perf/test_json_codec.py::test_json_codec", **fields}],
        "left": [
            {"budget": "perf/test_sleeping.py::test_sleeping", "limit": "time", "reason": "why"}
        ],
    }
    red, lost = verdicts_of_left(document)
    assert (red.subject, red.outcome, red.percent, red.change, red.seconds) == (
        "json_codec", "red", 10.0, (0.06, 0.1, 0.13), 2.0,
    )  # fmt: skip
    assert (lost.subject, lost.outcome, lost.reason) == ("sleeping", "error", "why")


def verdicts_of_left(document):
    return verdicts(document, {"json_codec": 10.0}, 4.0)


def test_the_table_of_releases_is_whole():
    """At least eight slower and eight that are not, each with its benchmark and counts that agree."""
    pairs = released.pairs()
    assert len({pair.name for pair in pairs}) == len(pairs)
    assert sum(pair.expected == "red" for pair in pairs) >= 8
    assert sum(pair.expected == "green" for pair in pairs) >= 8
    for pair in pairs:
        assert (released.FOLDER / f"{pair.module}.py").exists()
        if pair.expected == "red":
            assert min(pair.changes) >= 0.10, pair.name
        else:
            assert max(pair.changes) < 0.02, pair.name


def test_false_reds_are_counted_with_their_bound():
    """One red of a hundred: 1 %, at most 4.7 %; an error is no verdict and is told."""
    same = Judged(rule=OURS, subject="json_codec", outcome="green", seconds=1.0)
    found = [same] * 99 + [Judged(rule=OURS, subject="x", outcome="red", seconds=1.0)]
    lost = Judged(rule=OURS, subject="x", outcome="error", seconds=1.0)
    text = "\n".join(report.tables([record(verdicts=(*found, lost))]))
    assert "| **all** | 100 | 1 | 1.0% | 4.66% |" in text
    assert "| 1 of 2 | 0 | 1 | 1.0, most 1 |" in text


def test_detection_names_the_worst_workload():
    """Ten of twelve found; the workload with the misses is named."""
    missed = Judged(rule=OURS, subject="sleeping", outcome="green", percent=10.0)
    text = "\n".join(
        report.tables([record("power", "quiet", verdicts=(PAIR,) * 10 + (missed,) * 2)])
    )
    assert "| 10 % | 12 | 83.3% |" in text
    assert "sleeping: 0 of 2" in text


def test_every_kind_of_record_has_its_table():
    """Peers, layout, releases, counts and failures are told; nothing measured is no table."""
    pair = released.pairs()[0]
    peer = Judged(rule="tango's rule", subject="json_codec", outcome="red")
    records = [
        record("samples", "hog", verdicts=(peer,)),
        record("layout", "json_codec/unused", numbers={"shift": 0.04, "error": 0.001}),
        record("layout", "json_codec/identical", numbers={"shift": 0.0, "error": 0.001}),
        record(
            "releases",
            pair.name,
            verdicts=(Judged(rule=OURS, subject=pair.name, outcome=pair.expected),),
        ),
        record("counts", "json_codec", numbers={"5": 0.0501}),
        record("asv", "quiet", error="RuntimeError: no asv"),
    ]
    text = "\n".join(report.tables(records))
    for wanted in (
        "| tango's rule | 1 | 100.0% |",
        "+4.00%",
        pair.name,
        "+5.01%",
        "asv: RuntimeError: no asv",
    ):
        assert wanted in text
    assert "###" not in "\n".join(report.tables([]))
