"""Optional libraries: the module, or an error that names the command which brings it."""

import json
import sys

import pytest

from budgetguard.errors import MissingExtra
from budgetguard.extras import need


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Writes a library of one test, and forgets it afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_what_is_installed_is_handed_over():
    """A library that is there is imported and returned."""
    assert need("json", extra="memory") is json


@pytest.mark.parametrize("module", ["no_such_library", "no_such_library.part"])
def test_what_is_missing_names_the_pip_command(module):
    """A missing library ends in the command that installs its extra, and in exit code 2."""
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-budgetguard\[memory\]'") as error:
        need(module, extra="memory")
    assert module in str(error.value)
    assert error.value.exit_code == 2


def test_a_library_without_the_part_we_need_is_missing_too(library):
    """An old release without the submodule asks for the extra as well."""
    library("halfway/__init__.py", "")
    with pytest.raises(MissingExtra):
        need("halfway.part", extra="image")


def test_a_library_that_lacks_something_of_its_own_speaks_for_itself(library):
    """Installing our extra would not help, so that error is passed on unchanged."""
    library("needy.py", "import no_such_dependency")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        need("needy", extra="memory")
