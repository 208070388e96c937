"""YAML and TOML as one tree of text: what is cut is told, what is hostile ends early."""

import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.errors import ConfigError
from budgetguard.gate.document import (
    DEEPEST,
    LARGEST_BYTES,
    has_table,
    quoted,
    read_toml,
    read_yaml,
)
from budgetguard.gate.section import Problems


@pytest.fixture
def read(tmp_path):
    """Reads a text as a file of ours, by its suffix."""

    def reader(text, name="budgetguard.yml"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        problems = Problems(name)
        node = read_toml(file, problems) if name.endswith(".toml") else read_yaml(file, problems)
        return node, problems.found

    return reader


def plain(node):
    if isinstance(node.value, dict):
        return {name: plain(entry) for name, entry in node.value.items()}
    return [plain(entry) for entry in node.value] if isinstance(node.value, list) else node.value


def test_every_scalar_is_text(read):
    """YAML's own typing, which makes 90 of 1:30 and a date of a day, is not asked."""
    node, found = read(
        "a: 1:30\nb: 2027-01-31\nc: no\nd: 0x1F\ne: 1_000\nf: ~\ng:\nh: null\ni: ''\n'null': x\n3: y\n"
    )
    assert found == []
    assert plain(node) == {
        "a": "1:30", "b": "2027-01-31", "c": "no", "d": "0x1F", "e": "1_000",
        "f": None, "g": None, "h": None, "i": "", "null": "x", "3": "y",
    }  # fmt: skip


def test_a_key_knows_its_line(read):
    """A problem points at the line of the key, not at where its value begins."""
    node, _ = read("version: 1\nbudgets:\n\n  # a comment\n  app:\n    bundle: x\n")
    budgets = node.value["budgets"]
    assert (budgets.line, budgets.value["app"].line) == (2, 5)


def test_a_key_that_stands_twice_is_told_with_both_lines(read):
    """The first value is kept and the second told, in every mapping."""
    node, found = read("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n")
    assert found == [
        "budgetguard.yml:5 b.c: stands here twice; first at line 3",
        "budgetguard.yml:6 a: stands here twice; first at line 1",
    ]
    assert node.value["a"].value == "1"


@pytest.mark.parametrize("text", ["? [a, b]\n: c\n", "? {a: b}\n: c\n", "[a]: b\n"])
def test_a_key_is_text(read, text):
    """A list or mapping as a key is told, not crashed on."""
    _, found = read(f"version: 1\n{text}")
    assert "expected a name before the colon" in found[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an empty file"),
        ("# only a comment\n", "an empty file"),
        ("---\n", "got nothing"),
        ("- a\n", "got a list"),
        ("text\n", "got text"),
        ("a: 1\n---\nb: 2\n", "budgetguard.yml:2: a second document"),
        ("a:\n\tb: 1\n", "budgetguard.yml:2: not YAML: found character that cannot start any token; YAML is indented"),
        ("a: 'x\n", "not YAML"),
        ("a: {\n", "not YAML"),
        ("a: b: c\n", "budgetguard.yml:1: not YAML"),
        ("a: \0\n", "not YAML: unacceptable character"),
        ("a: \x1b[31m\n", "not YAML: unacceptable character"),
        (b"a: \xff\n", "not UTF-8 text: invalid start byte at byte 3"),
        ("a: b\n".encode("utf-16"), "not UTF-8"),
        ("a: !!python/object/apply:os.system ['true']\n", "YAML takes tag:yaml.org,2002:python"),
        ("a: !!binary aGk=\n", "for a tag"),
        ("<<: *x\n", "YAML takes *x for an alias"),
        ("a: &x b\n", "YAML takes &x for an anchor"),
    ],
)  # fmt: skip
def test_what_is_no_configuration_is_told(read, text, told):
    """Empty, broken, of another encoding or with YAML's machinery: one sentence with its place."""
    _, found = read(text)
    assert told in found[0]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_and_a_byte_order_mark_do_not_matter(read, ending):
    """A file of any editor is read, with the right lines."""
    node, found = read("\ufeff" + ending.join(["version: 1", "a:", "  b: c", "a: d", ""]))
    assert plain(node) == {"version": "1", "a": {"b": "c"}}
    assert found == ["budgetguard.yml:4 a: stands here twice; first at line 2"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("a: " + "[" * 10_000, "deep"),
        ("a: " + "[" * 1_000_000, "deep"),
        ("{a: " * 10_000, "deep"),
        ("- " * 10_000, "deep"),
        ("? " * 10_000, "deep"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(2000)), "deep"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "alias"),
        ("a: &a [*a]\n", "alias"),
    ],
)
def test_a_bomb_ends_early(read, text, ends):
    """Deep nesting and aliases are refused before anything is built of them."""
    start = time.process_time()
    node, found = read(text)
    assert node is None
    assert ends in found[-1]
    assert time.process_time() - start < 2


def test_the_deepest_that_is_read_is_far_beyond_what_is_meant(read):
    """A nesting up to the bound is read, one more is not."""
    for depth, refused in ((DEEPEST, False), (DEEPEST + 1, True)):
        node, found = read("a: " + "[" * depth + "]" * depth)
        assert (node is None) == bool(found) == refused


def test_a_file_of_50_megabytes_is_not_even_read(tmp_path):
    """The size is asked first."""
    file = tmp_path / "budgetguard.yml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)
    problems = Problems("f")
    assert read_yaml(file, problems) is None
    assert problems.found == [
        f"f: 50,000,000 bytes; expected a configuration of at most {LARGEST_BYTES:,}"
    ]


def test_what_is_no_file_is_told(tmp_path):
    """A missing file, a folder, a pipe and a link to itself each have their sentence."""
    import os

    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    told = {}
    for name in ("missing", "loop", "pipe", "folder"):
        problems = Problems("f")
        assert read_yaml(tmp_path / name, problems) is None
        told[name] = problems.found[0]
    assert "budgetguard init" in told["missing"]
    assert "is a folder" in told["folder"]
    assert "is no regular file" in told["pipe"]
    assert told["loop"].startswith("f: ")


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs a file whose reading fails, even for root"
)
def test_a_file_that_cannot_be_read_is_told():
    """An error of the system is a sentence."""
    problems = Problems("f")
    assert read_yaml(Path("/proc/self/mem"), problems) is None
    assert problems.found[0].startswith("f: cannot be read: ")


@given(st.text(st.sampled_from("ab:-[]{},&*!#|>'\"%@`? \n\t~"), max_size=40))
def test_no_text_crashes_the_reader(tmp_path_factory, text):
    """Whatever YAML makes of a text, it is a tree or a problem, and never both without a reason."""
    file = tmp_path_factory.getbasetemp() / "fuzzed.yml"
    file.write_text(text)
    problems = Problems("f")
    assert read_yaml(file, problems) is not None or problems.found


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("- * p95 <= 5 ms", '- "* p95 <= 5 ms"'),
        ("-   #main raw <= 5 kB", '- "#main raw <= 5 kB"'),
        ('- "x" raw <= 5 kB', '- "x raw <= 5 kB"'),
        ('- a "b" raw <= 5 kB', "- 'a \"b\" raw <= 5 kB'"),
        ("- it's \\ raw <= 5 kB", "- 'it''s \\ raw <= 5 kB'"),
        ("limits: [a,b raw <= 5 kB, gzip <= 3 kB]", 'limits: ["a,b raw <= 5 kB", "gzip <= 3 kB"]'),
        ("limits: [{a, b}.js raw <= 5 kB]", 'limits: ["{a, b}.js raw <= 5 kB"]'),
        ("limits: [a[0] raw <= 5 kB]", 'limits: ["a[0] raw <= 5 kB"]'),
        ("limits: #main raw <= 5 kB", 'limits: "#main raw <= 5 kB"'),
        ("* p95 <= 5 ms,", '"* p95 <= 5 ms"'),
    ],
)
def test_the_quoted_form_is_what_yaml_reads_whole(line, written):
    """What is offered can be pasted: YAML reads the limits from it as they were meant."""
    assert quoted(line) == written
    read = yaml.safe_load(written)
    items = read["limits"] if isinstance(read, dict) else read
    texts = items if isinstance(items, list) else [items]
    assert all(isinstance(text, str) and "<=" in text for text in texts)


def test_toml_becomes_the_same_tree(read):
    """Numbers, booleans and days of TOML are the text that YAML would have given."""
    text = '[tool.budgetguard]\nversion = 1\nday = 2027-01-31\nflag = true\nlist = ["a", 2]\n[tool.budgetguard.sub]\nx = 1.5\n'
    node, found = read(text, "pyproject.toml")
    assert found == []
    assert plain(node) == {
        "version": "1", "day": "2027-01-31", "flag": "true", "list": ["a", "2"], "sub": {"x": "1.5"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.budgetguard\n", "not TOML"),
        ("x = 1\n", "expected a table"),
        ("tool = 5\n", "expected a table"),
        ("[tool]\nbudgetguard = 5\n", "expected a table"),
        (f"[tool.budgetguard]\nx = {'[' * 10_000}\n", "deep"),
        (f"[tool.budgetguard]\n{'a.' * 5000}a = 1\n", "deep"),
        (f"[tool.budgetguard]\nx = {'9' * 5000}\n", "not TOML"),
        (f"[tool.budgetguard]\nx = 0x{'F' * 9000}\n", "digits"),
        (b"[tool.budgetguard]\nx = '\xff'\n", "not UTF-8"),
    ],
)
def test_what_is_no_table_is_told(read, text, told):
    """Broken, deep or oversized TOML is a sentence."""
    node, found = read(text, "pyproject.toml")
    assert node is None
    assert told in found[0]


def test_a_table_is_found_where_there_is_one(tmp_path):
    """The word alone, as in a dependency, is no table; a file without the word is not even parsed."""
    file = tmp_path / "pyproject.toml"
    assert not has_table(file)
    for text, expected in (
        ("[tool.budgetguard]\n", True),
        ("[tool]\nbudgetguard = 5\n", True),
        ("dependencies = ['pytest-budgetguard']\n", False),
        ("tool = 'budgetguard'\n", False),
        ("not TOML at all\n", False),
    ):
        file.write_text(text)
        assert has_table(file) is expected


@pytest.mark.parametrize("content", [b"[tool.budgetguard\n", b"[tool.budgetguard]\nx = '\xff'\n"])
def test_a_broken_file_that_mentions_us_is_never_no_configuration(tmp_path, content):
    """A pyproject.toml that cannot be read is an error, so that no gate is silently off."""
    file = tmp_path / "pyproject.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"pyproject.toml"):
        has_table(file)
