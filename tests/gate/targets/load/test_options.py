"""What a load budget may say, and what is told where it is wrong."""

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.config import load_config
from budgetguard.gate.targets.load.environments import is_loopback
from budgetguard.gate.targets.load.traffic import Stage


def _loaded(folder, *lines):
    body = "".join(f"    {line}\n" for line in ("load: perf.py", *lines, "limits: [p95 <= 1 s]"))
    (folder / "budgetguard.yml").write_text(f"version: 1\nbudgets:\n  api:\n{body}")
    return load_config(folder / "budgetguard.yml").budgets[0].options


HOST = "host: http://127.0.0.1:8000"


def test_all_it_can_say(tmp_path):
    """Stages, an open model, an app with its surroundings, environments with caps."""
    told = _loaded(
        tmp_path,
        "serve: uvicorn shop:app --port {port}",
        "ready: /health",
        "stages: [{users: 5, for: 4 s, ramp: 1 s}, {users: 9, for: 2 s}]",
        "model: open",
        "rate: 100 /s",
        "processes: 2",
        "environments: {staging: {host: https://shop.example, users: 20, allow_remote: true}}",
    )
    assert told.stages == (Stage(users=5, seconds=4, ramp_s=1), Stage(users=9, seconds=2))
    assert (told.model, told.rate, told.processes) == ("open", 100.0, 2)
    assert told.served.ready == "/health"
    assert told.environments["staging"].users == 20
    assert told.environments["local"].host == ""


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([], "nothing to load; expected serve:"),
        ([HOST, "profile: lod"], "no profile 'lod'"),
        ([HOST, "profile: load", "stages: [{users: 1, for: 1 s}]"], "keep one of the two"),
        ([HOST, "duration: 3 s"], "expected profile: beside it"),
        ([HOST, "stages: []"], "expected a list such as"),
        ([HOST, "stages: [{users: 1}]"], "expected for: in a stage"),
        ([HOST, "stages: [{users: 1, for: 1 s, ramp: 2 s}]"], "expected ramp <= for"),
        ([HOST, "stages: [5]"], "expected a mapping"),
        ([HOST, "model: opn"], "expected closed or open; got 'opn'"),
        ([HOST, "model: open"], "expected rate: 100 /s"),
        ([HOST, "rate: 9 /s"], "expected model: open beside it"),
        ([HOST, "workers: 3"], "expected external"),
        ([HOST, "ready: /x"], "expected serve: beside it"),
        ([HOST, "users: 100001"], "expected at most 100000"),
        ([HOST, "serve: x"], "knows its host: keep one of the two"),
        (["serve: x", "ready: health"], "expected a path such as /health"),
        (["host: http://shop.example"], "say allow_remote: true beside it"),
        (["host: http://a:b@127.0.0.1"], "holds a password"),
        (["host: 127.0.0.1:80"], "expected scheme, name and port"),
        ([HOST, "headers: {'a b': c}"], "'a b' is no header that HTTP can carry"),
        ([HOST, "environments: {x: {users: 3}}"], "where is x? expected host:"),
        ([HOST, "environments: {local: {host: 'http://127.0.0.1:1'}}"], "local is what serve:"),
        ([HOST, "environments: 3"], "expected a mapping of names to hosts"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path, lines, cause):
    """Each mistake with its place and what was expected."""
    with pytest.raises(ConfigError) as error:
        _loaded(tmp_path, *lines)
    assert any(cause in one and "budgets.api" in one for one in error.value.problems)


@pytest.mark.parametrize("host", ["http://127.0.0.9", "http://[::1]:8", "http://localhost:8"])
def test_this_machine(host):
    """Loopback addresses, and the name for them."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["http://10.0.0.1", "http://127.0.0.1.nip.io", "http://0.0.0.0"])
def test_other_machines(host):
    """All others, whatever they look like."""
    assert not is_loopback(host)
