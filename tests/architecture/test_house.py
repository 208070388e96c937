"""The house stays as it is drawn: what is imported when, how long files and functions are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import budgetguard
import pytest_budgetguard

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
SOURCES = [
    file
    for package in (budgetguard, pytest_budgetguard)
    for file in sorted(Path(str(package.__file__)).parent.rglob("*.py"))
]
HEAVY = {
    "memray",
    "sqlalchemy",
    "django",
    "brotli",
    "zstandard",
    "psycopg",
    "httpx",
    "requests",
    "aiohttp",
    "numpy",
}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: "/".join(file.parts[-3:]))
def test_a_file_is_about_one_thing(file: Path) -> None:
    """No file and no function outgrows what a person reads in one go."""
    text = file.read_text()
    assert text.count("\n") <= LONGEST_FILE
    lengths = {
        function.name: (function.end_lineno or 0) - function.lineno for function in functions(text)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: "/".join(file.parts[-3:]))
def test_public_names_have_their_sentence(file: Path) -> None:
    """Every module, public class and public function says what it is for."""
    tree = ast.parse(file.read_text())
    silent = [] if ast.get_docstring(tree) else [file.name]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            silent += [] if ast.get_docstring(node) else [node.name]
    assert silent == []


@pytest.mark.parametrize(
    "module", ["budgetguard.cli", "budgetguard.gate.run", "budgetguard.database"]
)
def test_heavy_libraries_wait_until_they_are_used(module: str) -> None:
    """Importing the command line, the flow or the recorder imports no driver, encoder or tracer."""
    code = f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def functions(text: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
