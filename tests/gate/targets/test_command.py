"""The target `command`, on real processes."""

import json
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Point, Request, Where
from budgetguard.gate.section import Node, Problems, Section
from budgetguard.gate.side import Side
from budgetguard.gate.targets import command
from budgetguard.gate.targets.base import Target

AS_TARGET: Target = command


def node(value):
    """A YAML value as the configuration reads it: every scalar is text."""
    if isinstance(value, dict):
        return Node({key: node(entry) for key, entry in value.items()}, 1)
    if isinstance(value, list):
        return Node([node(entry) for entry in value], 1)
    return Node(value, 1)


def parsed(folder, **keys):
    """The options and problems of a budget with these keys."""
    problems = Problems("budgetguard.yml")
    options = command.parse(Section(node(keys), "budgets.cli", problems, folder))
    return options, problems.found


def budget_of(folder, *limits, **keys):
    """A valid budget."""
    options, problems = parsed(folder, **keys)
    assert problems == []
    known = command.metrics(options)
    return Budget(
        name="cli",
        target="command",
        limits=tuple(parse_limit(limit, known) for limit in limits),
        where=Where("budgetguard.yml"),
        options=options,
    )


def rounds(folder, count, *limits, seed=None, **keys):
    """The readings of `count` rounds of one probe."""
    budget = budget_of(folder, *limits, **keys)
    (job,) = command.plan([budget], Request(seed=seed), folder)
    with job.start(Side("head", folder, sys.executable)) as probe:
        assert list(probe.budgets()) == [budget]
        return [probe.round([budget]) for _ in range(count)]


def one(folder, *limits, **keys):
    """The readings of one round, by metric."""
    (readings,) = rounds(folder, 1, *limits, **keys)
    assert all(point.budget == "cli" and point.selector == "" for point in readings)
    return {point.metric: reading for point, reading in readings.items()}


def failure(folder, **keys):
    """The one error of a command that could not be measured."""
    readings = one(folder, "wall <= 1 s", "peak_rss <= 1 GB", **keys)
    assert list(readings) == [""], "the budget as a whole has the error"
    return readings[""]


ALL = ("time <= 9 s", "cpu <= 9 s", "blocked <= 9 s", "wall <= 9 s", "peak_rss <= 1 GB")


def test_reads_what_the_limits_ask_for(tmp_path):
    """One round runs the command once and gives a reading per metric, in seconds and bytes."""
    code = "import time; sum(range(10**6)); time.sleep(0.05); print('ran')"
    readings = one(tmp_path, *ALL, command=["python", "-c", code])
    assert set(readings) == {"time", "cpu", "blocked", "wall", "peak_rss"}
    assert not any(reading.error for reading in readings.values())
    assert readings["time"].value == pytest.approx(
        readings["cpu"].value + readings["blocked"].value
    )
    assert readings["blocked"].value > 0.04
    assert readings["wall"].value >= readings["cpu"].value > 0
    assert readings["peak_rss"].value > 1e6


def test_every_round_is_a_fresh_process(tmp_path):
    """Two rounds start the program twice."""
    code = "import os; open('pids', 'a').write(f'{os.getpid()}\\n')"
    rounds(tmp_path, 2, "wall <= 9 s", command=["python", "-c", code])
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == len(set(pids)) == 2


def test_a_budget_that_is_not_wanted_is_not_run(tmp_path):
    """A round without this budget, or without limits, starts nothing."""
    budget = budget_of(tmp_path, "wall <= 9 s", command="touch ran")
    (job,) = command.plan([budget], Request(), tmp_path)
    with job.start(Side("head", tmp_path, sys.executable)) as probe:
        assert probe.round([]) == {}
        assert probe.round([budget.measuring(exact=True)]) == {}
    assert not (tmp_path / "ran").exists()


def test_waiting_of_several_processes_is_an_error_and_time_says_so(tmp_path):
    """Where waits overlap, `blocked` has no value and `time` is CPU time with a note."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])"
    readings = one(tmp_path, *ALL, command=["python", "-c", code])
    assert "put the limit on cpu or wall" in readings["blocked"].error
    assert readings["time"].value == readings["cpu"].value
    assert "CPU time only" in readings["time"].note


def test_python_is_the_interpreter_of_the_side(tmp_path):
    """`python` as the first word, and scripts of the environment, are those of the side."""
    fake = tmp_path / "env" / "bin"
    fake.mkdir(parents=True)
    for name in ("python", "tool"):
        (fake / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        (fake / name).chmod(0o755)
    side = Side("base", tmp_path, str(fake / "python"))
    for line in ("python -V", "python3 -V", "tool"):
        (job,) = command.plan(
            [budget_of(tmp_path, "wall <= 9 s", command=line)], Request(), tmp_path
        )
        with job.start(side) as probe:
            assert not next(iter(probe.round(probe.budgets()).values())).error
    assert (tmp_path / "ran").read_text().split() == ["python", "python", "tool"]


def test_env_cwd_seed_and_an_empty_argument_reach_the_command(tmp_path):
    """The command runs in `cwd` of its side, with `env`, the seed of the session, and each word."""
    (tmp_path / "sub").mkdir()
    code = (
        "import os, sys, json; json.dump([os.environ['MODE'], os.environ['PYTHONHASHSEED'],"
        " sys.argv[1:]], open('seen.json', 'w'))"
    )
    keys = {"cwd": "sub", "env": {"MODE": "fast"}, "command": ["python", "-c", code, "", "a b"]}
    rounds(tmp_path, 1, "wall <= 9 s", seed=7, **keys)
    assert json.loads((tmp_path / "sub" / "seen.json").read_text()) == ["fast", "7", ["", "a b"]]


def test_setup_runs_once_before_the_rounds(tmp_path):
    """`setup` is run when measuring starts, once, and is not part of a reading."""
    keys = {"setup": ["sh", "-c", "echo s >> log"], "command": ["sh", "-c", "echo c >> log"]}
    rounds(tmp_path, 2, "wall <= 9 s", **keys)
    assert (tmp_path / "log").read_text().split() == ["s", "c", "c"]


def test_a_failing_setup_is_the_error_of_every_round(tmp_path):
    """A command whose setup failed is not measured at all."""
    found = rounds(tmp_path, 2, "wall <= 9 s", setup="false", command="touch ran")
    assert [next(iter(readings)) for readings in found] == [Point("cli", "", "")] * 2
    assert all("setup `false` ended with exit code 1" in r.error for f in found for r in f.values())
    assert not (tmp_path / "ran").exists()


def test_a_missing_program_is_named(tmp_path):
    """A program that does not exist is an error with the next step."""
    reading = failure(tmp_path, command="no-such-program --help")
    assert "'no-such-program' was not found in PATH" in reading.error
    assert "install it" in reading.error


def test_a_failing_command_shows_its_last_words(tmp_path):
    """Exit code and at most five lines of standard error, without control characters."""
    code = "import sys; [print(f'line {i} \\033[31m' + 'x' * 200, file=sys.stderr) for i in range(9)]; sys.exit(3)"
    reading = failure(tmp_path, command=["python", "-c", code])
    assert "ended with exit code 3; expected 0" in reading.error
    assert len(reading.evidence) == 5
    assert reading.evidence[-1].startswith("line 8 ?[31mxxx")
    assert all(len(line) <= 100 and line.isprintable() for line in reading.evidence)


def test_a_command_killed_by_a_signal_names_it(tmp_path):
    """A crash is told by the name of its signal."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert "was killed by SIGSEGV" in failure(tmp_path, command=["python", "-c", code]).error


def test_a_hanging_command_is_ended_at_its_time_limit(tmp_path):
    """What does not end is killed with all its children, and the limit is named."""
    (tmp_path / "hang.sh").write_text("sleep 1234.5 & echo $! > child; wait\n")
    reading = failure(tmp_path, command="sh hang.sh", timeout="500 ms")
    assert "did not end within 500 ms" in reading.error
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


def test_a_daemon_that_is_left_behind_is_an_error_and_ended(tmp_path):
    """A command that forks a daemon is not measured to its end, so it has no reading."""
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        open('daemon', 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "while not os.path.exists('daemon') or not open('daemon').read(): time.sleep(0.01)\n"
    )
    reading = failure(tmp_path, command=["python", "-c", code], timeout="20 s")
    assert "left a process behind" in reading.error
    pid = int((tmp_path / "daemon").read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(pid)


def test_a_gigabyte_of_output_is_read_in_bounded_memory(tmp_path):
    """The output is read to its end, only its tail is kept, and its last line still counts."""
    line = "head -c 1000000000 /dev/zero; echo; echo '{\"rows\": 5}'"
    keys = {"command": ["sh", "-c", line], "numbers": {"rows": "count"}, "timeout": "100 s"}
    before = psutil.Process().memory_info().rss
    readings = one(tmp_path, "rows <= 5", "wall <= 60 s", **keys)
    assert psutil.Process().memory_info().rss - before < 64 << 20
    assert readings["rows"].value == 5
    assert not readings["wall"].error


@pytest.mark.parametrize(
    "printed",
    [
        'progress\n{"tokens": 1}\n{"tokens": 12, "cost": 0.5}\ndone\n',
        '{\n "old": [\n{"tokens": 1}\n],\n "tokens": 12,\n "cost": 0.5}',
        '{broken\n{"tokens": 12, "cost": 0.5}\n{"nan": }\n[1]\n',
    ],
)
def test_numbers_come_from_the_last_json_object(tmp_path, printed):
    """All of the output, else its last line that is a JSON object, holds the declared numbers."""
    numbers = {"tokens": "count exact", "cost": "seconds"}
    (tmp_path / "out").write_text(printed)
    readings = one(tmp_path, "tokens <= 20", "cost <= 1 s", command="cat out", numbers=numbers)
    assert (readings["tokens"].value, readings["cost"].value) == (12, 0.5)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("", "the output has none"),
        ("[1, 2]", "the output has none"),
        ('{"other": 1}', "tokens is missing in the JSON object that was printed; it has other"),
        ('{"tokens": "12"}', "expected a number in the JSON that was printed; got text"),
        ('{"tokens": true}', "got true or false"),
        ('{"tokens": null}', "got null"),
        ('{"tokens": [1]}', "got a list"),
        ('{"tokens": NaN}', "expected a finite number from 0 on; got nan"),
        ('{"tokens": 1e999}', "got inf"),
        ('{"tokens": 1' + "0" * 400 + "}", "got inf"),
        ('{"tokens": 1' + "0" * 9000 + "}", "the output has none"),
        ('{"tokens": -1}', "got -1"),
        ('{"tokens": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    ],
)
def test_a_number_that_is_none_is_named(tmp_path, printed, told):
    """Whatever is printed instead of a declared number is an error that names it, never a 0."""
    (tmp_path / "out").write_text(printed)
    readings = one(
        tmp_path, "tokens <= 20", "wall <= 9 s", command="cat out", numbers={"tokens": "count"}
    )
    assert "tokens" in readings["tokens"].error or "nested" in readings["tokens"].error
    assert told in readings["tokens"].error
    assert not readings["wall"].error, "what was measured stays measured"


def test_a_secret_of_the_environment_never_shows(tmp_path, monkeypatch):
    """Values under `env`, and of our own variables called like secrets, are shown by name."""
    monkeypatch.setenv("DEPLOY_TOKEN", "outer-hunter2")
    env = {"DSN": "postgres://inner-hunter2"}
    line = 'echo "cannot connect to $DSN with $DEPLOY_TOKEN" >&2; exit 1'
    reading = failure(tmp_path, command=["sh", "-c", line], env=env)
    assert reading.evidence == ("cannot connect to $DSN with $DEPLOY_TOKEN",)
    assert "hunter2" not in repr(reading)
    assert "hunter2" not in repr(budget_of(tmp_path, command="true", env=env))
    missing = failure(tmp_path, command="nothing-here", env={"PATH": "/opt/inner-hunter2"})
    assert "hunter2" not in missing.error


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("shop list | head", "`|`"),
        ("a && b", "`&&`"),
        ("a; b", "`;`"),
        ("a > out", "`>`"),
        ("a < in", "`<`"),
        ("echo $(date)", "`$(`"),
        ("echo $HOME", "`$HOME`"),
        ('echo "$HOME"', "`$HOME`"),
        ("echo `date`", "a backtick"),
        ("ls *.py", "`*`"),
        ("ls a?", "`?`"),
        ("~/bin/tool", "`~`"),
        ("first\nsecond", "a line break"),
        ("MODE=fast shop", "put it under env"),
    ],
)
def test_shell_syntax_in_text_is_a_problem_that_shows_the_list(tmp_path, line, mark):
    """What only a shell understands is refused with the way to spell it."""
    options, problems = parsed(tmp_path, command=line)
    assert options.argv == ()
    assert len(problems) == 1
    assert "budgetguard.yml:1 budgets.cli.command: " in problems[0]
    assert mark in problems[0]
    assert json.dumps(["sh", "-c", line]) in problems[0]


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("shop --help", ("shop", "--help")),
        ("grep 'a|b*' \"c;d\" e\\&f x~", ("grep", "a|b*", "c;d", "e&f", "x~")),
        ("a --x='$(no)' # y", ("a", "--x=$(no)", "#", "y")),
        (["sh", "-c", "a | b"], ("sh", "-c", "a | b")),
    ],
)
def test_words_are_split_as_a_shell_would(tmp_path, written, argv):
    """Quoted marks are ordinary text; a list is taken as it stands."""
    options, problems = parsed(tmp_path, command=written)
    assert problems == []
    assert options.argv == argv


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"command": "echo 'open"}, "a quotation mark is open"),
        ({"command": "''"}, "got an empty name"),
        ({"command": []}, "got an empty list"),
        ({"command": ["a", None]}, "got nothing in it"),
        ({"command": ["a", {"b": "c"}]}, "got a mapping in it"),
        ({"command": ["a\0b"]}, "NUL"),
        ({"command": {"a": "b"}}, "expected text; got a mapping"),
        ({"command": "a", "setup": "b | c"}, "budgets.cli.setup"),
        ({"command": "a", "timeout": "60"}, "budgets.cli.timeout"),
        ({"command": "a", "env": {"A=B": "secret"}}, "'A=B' cannot be set"),
        (
            {"command": "a", "numbers": {"wall": "seconds"}},
            "wall is a metric of the target already",
        ),
        ({"command": "a", "numbers": {"n": "meters"}}, "'meters' is not a kind of number"),
        ({"command": "a", "numbers": {"a b": "count"}}, "'a b' cannot be named in a limit"),
    ],
)
def test_wrong_options_are_problems_with_their_place(tmp_path, keys, told):
    """Every wrong option is told at its key; values of the environment are not shown."""
    _, problems = parsed(tmp_path, **keys)
    assert len(problems) == 1
    assert told in problems[0]
    assert "secret" not in problems[0]


def test_declared_numbers_can_be_limited(tmp_path):
    """`metrics` offers the declared numbers with their unit, direction and kind."""
    options, _ = parsed(
        tmp_path, command="a", numbers={"tokens": "count exact", "score": "ratio higher"}
    )
    known = command.metrics(options)
    assert set(known) == {*command.METRICS, "tokens", "score"}
    assert known["tokens"].exact
    assert known["score"].better == "higher"
    assert not known["wall"].relative


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="no real-time signals here")
def test_a_signal_without_a_name_is_told_by_number(tmp_path):
    """A real-time signal has no name of its own, and is told all the same."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)"
    assert "was killed by signal " in failure(tmp_path, command=["python", "-c", code]).error


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """`cwd` must exist in the checkout that is measured."""
    assert "does not exist" in failure(tmp_path, command="true", cwd="gone").error
    assert Path(tmp_path).is_dir()
