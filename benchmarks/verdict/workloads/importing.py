"""Import: a module with functions and a class executed from its cached bytecode."""

import importlib.machinery
import importlib.util
import tempfile
from contextlib import contextmanager
from pathlib import Path

UNITS = 200
FUNCTION = "def function{0}(first, second={0}):\n    return first + second\n\n\n"
CLASS = "class Thing:\n    size = 3\n\n    def grow(self):\n        self.size += 1\n"


@contextmanager
def prepared():
    with tempfile.TemporaryDirectory(prefix="imported-") as folder:
        file = Path(folder) / "small_module.py"
        file.write_text("".join(FUNCTION.format(number) for number in range(2)) + CLASS)
        load(str(file))
        yield str(file)


def run(file):
    names = 0
    for _ in range(UNITS):
        names += load(file)
    return names


def load(file):
    loader = importlib.machinery.SourceFileLoader("small_module", file)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("small_module", loader)
    )
    loader.exec_module(module)
    return len(vars(module))
