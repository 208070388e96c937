"""The configuration: everything it can say, and everything that is wrong with it, at once."""

import time

import pytest

from budgetguard.errors import ConfigError
from budgetguard.gate.config import find_config, load_config
from budgetguard.gate.targets import TARGETS


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a text as the configuration of an empty project."""
    monkeypatch.chdir(tmp_path)

    def loader(text, name="budgetguard.yml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load_config(tmp_path / name)

    return loader


@pytest.fixture
def problems(load):
    """The problems of a text."""

    def told(text, name="budgetguard.yml"):
        with pytest.raises(ConfigError) as error:
            load(text, name)
        return list(error.value.problems)

    return told


def one_budget(body):
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"version: 1\nbudgets:\n  app:\n{lines}"


def test_a_configuration_is_read(load, tmp_path):
    """Names, targets, limits, options, flags and acceptances arrive as they were written."""
    config = load("""\
version: 1
budgets:
  app-bundle:
    bundle: dist/app-*.js
    limits: [brotli <= 150 kB, brotli <= baseline + 2% or 500 B]
  perf tests:
    test: tests/perf
    limits:
      - tokens <= 800
      - time <= baseline + 5%
    numbers: {tokens: count}
    enforce: false
    may_skip: needs a database
  cli:
    command: shop --help
    limits: time <= 2 s
accepted:
  - budget: app-bundle
    limit: brotli <= 160 kB
    reason: new PDF engine, ticket 812
    until: 2027-01-31
  - {budget: "tests/perf/test_a.py::test_x[1]", limit: tokens <= 900, reason: r, until: 2027-01-31}
""")
    bundle, tests, command = config.budgets
    assert [budget.name for budget in config.budgets] == ["app-bundle", "perf tests", "cli"]
    assert [budget.target for budget in config.budgets] == ["bundle", "test", "command"]
    assert [limit.text for limit in bundle.limits] == [
        "brotli <= 150 kB",
        "brotli <= baseline + 2% or 500 B",
    ]
    assert (bundle.enforce, tests.enforce, tests.may_skip) == (True, False, "needs a database")
    assert (str(bundle.where), str(command.where)) == (
        "budgetguard.yml:3 budgets.app-bundle",
        "budgetguard.yml:14 budgets.cli",
    )
    assert [one.limit.text for one in config.accepted] == ["brotli <= 160 kB", "tokens <= 900"]
    assert config.accepted[0].until == "2027-01-31"
    assert config.baseline_file == tmp_path / "budgetguard.baseline.json"


def test_the_table_in_pyproject_is_the_same_mapping(load):
    """TOML's own numbers, booleans and days are read as YAML's text is."""
    config = load(
        """\
[tool.budgetguard]
version = 1
[tool.budgetguard.budgets.app]
bundle = ["dist/a.js", "dist/b.js"]
limits = ["* raw <= 5 kB", "#main gzip <= 4 kB"]
enforce = false
[[tool.budgetguard.accepted]]
budget = "app"
limit = "* raw <= 6 kB"
reason = "r"
until = 2027-01-31
""",
        "pyproject.toml",
    )
    assert [limit.selector for limit in config.budgets[0].limits] == ["*", "#main"]
    assert not config.budgets[0].enforce
    assert config.accepted[0].until == "2027-01-31"


@pytest.mark.parametrize(
    "item",
    [
        "* raw <= 5 kB",
        "*main raw <= 5 kB",
        "#main raw <= 5 kB",
        "a #b raw <= 5 kB",
        "a: b raw <= 5 kB",
        "&x raw <= 5 kB",
        "!x raw <= 5 kB",
        "@x raw <= 5 kB",
        "%x raw <= 5 kB",
        "`x raw <= 5 kB",
        "| raw <= 5 kB",
        "[a] raw <= 5 kB",
        "{a}.js raw <= 5 kB",
        "{a,b}.js raw <= 5 kB",
    ],
)
@pytest.mark.parametrize("style", ["block", "flow", "scalar"])
def test_what_yaml_cuts_is_told_with_its_quoted_form(load, problems, item, style):
    """A selector with YAML's own characters is never cut silently, and what is offered is read."""
    forms = {
        "block": (f"bundle: x\nlimits:\n  - {item}", f'- "{item}"'),
        "flow": (
            f"bundle: x\nlimits: [{item}, gzip <= 1 kB]",
            f'limits: ["{item}", "gzip <= 1 kB"]',
        ),
        "scalar": (f"bundle: x\nlimits: {item}", f'limits: "{item}"'),
    }
    body, quoted = forms[style]
    if (style, item[0]) == ("scalar", "["):
        quoted = (
            "limits: "  # a list that goes on behind its end: the line is told, the guess is free
        )
    found = problems(one_budget(body))
    assert found[0].startswith("budgetguard.yml:6" if style == "block" else "budgetguard.yml:5")
    assert quoted in found[0]
    if quoted != "limits: ":
        fixed = body.rpartition("\n")[0] + "\n" + ("  " if style == "block" else "") + quoted
        assert load(one_budget(fixed)).budgets[0].limits[0].text == item


def test_a_comma_in_brackets_is_told_with_its_quoted_form(problems):
    """In a list in brackets a comma ends an item; the offered form glues it together again."""
    found = problems(one_budget("bundle: x\nlimits: [a,b raw <= 5 kB, gzip <= 3 kB]"))
    assert 'limits: ["a,b raw <= 5 kB", "gzip <= 3 kB"]' in found[0]


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", "{a: b}", "[a]", "[[a]]", "3", "x", "null", "''"]
)
@pytest.mark.parametrize(
    "key",
    ["version", "budgets", "accepted", "budgets.app", "bundle", "limits", "enforce", "may_skip", "command", "timeout", "env", "test", "numbers"],
)  # fmt: skip
def test_a_value_of_any_kind_at_any_key_is_read_or_told(load, key, value):
    """Lists, mappings, numbers and nothing anywhere end in problems with their place, never a traceback."""
    body = {"bundle": "x", "limits": "[raw <= 5 kB]"}
    if key in ("command", "timeout", "env"):
        body = {"command": "x", "limits": "[time <= 5 s]"}
    if key in ("test", "numbers"):
        body = {"test": "x", "limits": "[queries <= 5]"}
    top = {"version": "1", "accepted": "[]"}
    top |= {key: value} if key in ("version", "accepted") else {}
    body |= {key: value} if "." not in key and key not in ("version", "budgets", "accepted") else {}
    app = (
        value
        if key == "budgets.app"
        else "{" + ", ".join(f"{k}: {v}" for k, v in body.items()) + "}"
    )
    budgets = value if key == "budgets" else f"{{app: {app}}}"
    text = "".join(f"{name}: {entry}\n" for name, entry in {**top, "budgets": budgets}.items())
    told = ()
    try:
        load(text)
    except ConfigError as error:
        told = error.problems
    assert all(problem.startswith("budgetguard.yml:") for problem in told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("budgets: {}\n", "budgetguard.yml:1 version: expected version: 1; got nothing"),
        ("version: 2\n", "budgetguard.yml:1 version: expected version: 1; got 2"),
        ("version: 1.0\n", "expected version: 1; got 1.0"),
        ("version: [1]\n", "expected version: 1; got a list"),
        ("version: 1\nbudget: {}\n", "budgetguard.yml:2 budget: unknown key 'budget'; did you mean budgets?"),
        ("version: 1\nbudgets: [a]\n", "budgetguard.yml:2 budgets: expected a mapping of names to budgets; got a list"),
        ("version: 1\nbudgets:\n", "budgetguard.yml:2 budgets: expected a mapping of names to budgets; got nothing"),
        ("version: 1\nbudgets: {a: b}\n", "budgetguard.yml:2 budgets.a: expected a mapping with a target and limits; got text"),
        (one_budget("limits: [raw <= 5 kB]"), "budgetguard.yml:3 budgets.app: no target; expected one of the keys bundle"),
        (one_budget("bundel: x\nlimits: [raw <= 5 kB]"), "did you mean bundle?"),
        (one_budget("bundle: x\ncommand: y\nlimits: [raw <= 5 kB]"), "has one target; this one has bundle and command"),
        (one_budget("bundle:\nlimits: [raw <= 5 kB]"), "budgetguard.yml:4 budgets.app.bundle: expected text or a list of texts"),
        (one_budget("bundle: x"), "budgetguard.yml:3 budgets.app: no limits"),
        (one_budget("bundle: x\nlimits: []"), "budgetguard.yml:5 budgets.app.limits: no limits"),
        (one_budget("bundle: x\nlimits: [raw <= 5 kB]\nenforced: no"), "did you mean enforce?"),
        (one_budget("bundle: x\nlimits: [raw <= 5 kB]\nenforce: maybe"), "expected true or false; got 'maybe'"),
        (one_budget("bundle: x\nlimits: [raw <= 5 kB]\nmay_skip: []"), "expected text; got a list"),
        (one_budget("bundle: x\nlimits: [raw <= 5 kB, raw <= 6 kB]"), "`raw <= 6 kB` says again"),
        (one_budget("bundle: x\nlimits: [time <= 5 s]"), "no metric 'time' here"),
        (one_budget("test: x\nlimits: [queries <= 5]\nnumbers: {queries: count}"), "queries is a metric of the target already"),
        (one_budget("command: x\nlimits: [time <= 5 s]\nnumbers: {time: count}"), "time is a metric of the target already"),
        (one_budget("test: x\nlimits: [queries <= 5]\nnumbers: {tokens: cows}"), "'cows' is not a kind of number"),
        ("version: 1\nbudgets:\n  a::b: {bundle: x, limits: [raw <= 5 kB]}\n", "`::` names a test"),
        ("version: 1\nbudgets:\n  '': {bundle: x, limits: [raw <= 5 kB]}\n", "expected a printable name"),
        ("version: 1\nbudgets:\n  ' a': {bundle: x, limits: [raw <= 5 kB]}\n", "without spaces around it; got ' a'"),
        ('version: 1\nbudgets:\n  "a\\n": {bundle: x, limits: [raw <= 5 kB]}\n', "expected a printable name"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_says_where_and_what_was_expected(problems, text, told):
    """File, line, dotted key, what was got and what would be right."""
    assert any(told in problem for problem in problems(text))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("budget: nap", "no budget 'nap'; did you mean app?"),
        ("limit: gzip <= 5 kB", "budget 'app' has no limit on gzip to loosen"),
        ("limit: js raw <= 5 kB", "has no limit on js raw to loosen"),
        ("limit: rw <= 5 kB", "no metric 'rw' here; did you mean raw?"),
        ("limit: raw <= 5 s", "raw is in bytes"),
        ("until: 2027-13-01", "expected a day such as 2027-01-31; got '2027-13-01'"),
        ("until: 2027-02-30", "expected a day"),
        ("until: 20270131", "expected a day"),
        ("until: 2027-W05-7", "expected a day"),
        ("until: tomorrow", "expected a day"),
        ("reason: ''", "expected text; got nothing"),
        ("reason: []", "expected text; got a list"),
        ("untill: 2027-01-31", "unknown key 'untill'; did you mean until?"),
    ],
)
def test_a_wrong_acceptance_is_told(problems, entry, told):
    """An acceptance that would help nobody, or never end, is an error at its key."""
    right = {"budget": "app", "limit": "raw <= 6 kB", "reason": "r", "until": "2027-01-31"}
    key, _, value = entry.partition(": ")
    lines = [f"{name}: {text}" for name, text in {**right, key: value}.items()]
    text = (
        one_budget("bundle: x\nlimits: [raw <= 5 kB]")
        + "accepted:\n  - "
        + "\n    ".join(lines)
        + "\n"
    )
    assert any(told in problem for problem in problems(text))


def test_an_acceptance_tells_all_that_it_lacks(problems):
    """What is missing is told in one sentence, and text in place of a mapping lacks everything."""
    found = problems("version: 1\naccepted:\n  - reason: r\n  - text\n")
    assert found == [
        "budgetguard.yml:3 accepted[0]: an accepted regression needs its budget and limit and until",
        "budgetguard.yml:4 accepted[1]: an accepted regression needs its budget and limit and reason and until",
    ]
    assert "expected a list; got a mapping" in problems("version: 1\naccepted: {}\n")[0]


def test_all_problems_are_told_at_once(problems):
    """A thousand wrong limits are a thousand problems, each with its line, soon enough to read them."""
    budgets = "".join(f"  b{n}:\n    bundle: d\n    limits: [rawx <= 5 kB]\n" for n in range(1000))
    start = time.process_time()
    found = problems(f"version: 1\nbudgets:\n{budgets}")
    assert [problem.split()[0] for problem in found] == [
        f"budgetguard.yml:{5 + 3 * n}" for n in range(1000)
    ]
    assert time.process_time() - start < 10


def test_ten_thousand_budgets_are_read(load):
    """A configuration that a program writes is no problem."""
    budgets = "".join(
        f"  b{n}:\n    bundle: d{n}\n    limits: [raw <= 5 kB]\n" for n in range(10_000)
    )
    start = time.process_time()
    assert len(load(f"version: 1\nbudgets:\n{budgets}").budgets) == 10_000
    assert time.process_time() - start < 20


def test_a_key_of_another_target_is_unknown(problems):
    """The keys of one target mean nothing to another, and are not ignored."""
    for target, limit in (
        ("bundle", "raw <= 5 kB"),
        ("test", "queries <= 5"),
        ("command", "time <= 5 s"),
    ):
        others = (
            frozenset().union(*(one.OPTIONS for one in TARGETS.values())) - TARGETS[target].OPTIONS
        )
        for key in sorted(others):
            found = problems(one_budget(f"{target}: x\nlimits: [{limit}]\n{key}: x"))
            assert any(f"unknown key {key!r}" in problem for problem in found)


def test_the_nearest_configuration_upwards_is_found(tmp_path):
    """A subfolder of a monorepo has its own; others have that of the repository, none beyond its root."""
    root = tmp_path / "outer" / "repo"
    own, deep = root / "packages" / "own", root / "packages" / "other" / "tests"
    own.mkdir(parents=True)
    deep.mkdir(parents=True)
    (tmp_path / "outer" / "budgetguard.yml").write_text("version: 1\n")
    assert find_config(deep) == tmp_path / "outer" / "budgetguard.yml"
    (root / ".git").mkdir()
    assert find_config(deep) is None
    (root / "pyproject.toml").write_text("[tool.budgetguard]\nversion = 1\n")
    (own / "budgetguard.yml").write_text("version: 1\n")
    (deep.parent / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert find_config(deep) == root / "pyproject.toml"
    assert find_config(own) == own / "budgetguard.yml"


def test_a_worktree_has_its_root_too(tmp_path):
    """`.git` is a file in a worktree."""
    (tmp_path / "budgetguard.yml").write_text("version: 1\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text("gitdir: elsewhere\n")
    assert find_config(tmp_path / "tree") is None


def test_two_configurations_in_one_folder_are_an_error(tmp_path):
    """Nobody has to guess which one holds."""
    (tmp_path / "budgetguard.yml").write_text("version: 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.budgetguard]\nversion = 1\n")
    with pytest.raises(ConfigError, match="keep one of the two"):
        find_config(tmp_path)


@pytest.mark.parametrize("name", ["budgetguard.yaml", ".budgetguard.yml"])
def test_a_configuration_under_another_name_is_never_overlooked(tmp_path, name):
    """A gate that is off because of a suffix would be green."""
    (tmp_path / name).write_text("version: 1\n")
    with pytest.raises(ConfigError, match=r"rename it to budgetguard\.yml"):
        find_config(tmp_path)


def test_a_configuration_that_cannot_be_read_is_never_none(tmp_path):
    """A broken link, a folder in its place and a broken pyproject.toml are errors, not `no configuration`."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "budgetguard.yml").symlink_to("nowhere")
    (tmp_path / "b" / "budgetguard.yml").mkdir(parents=True)
    for name, told in (("a", "no such file"), ("b", "is a folder")):
        with pytest.raises(ConfigError, match=told):
            load_config(find_config(tmp_path / name))
    (tmp_path / "pyproject.toml").write_text("[tool.budgetguard\n")
    with pytest.raises(ConfigError, match="not TOML"):
        find_config(tmp_path)
