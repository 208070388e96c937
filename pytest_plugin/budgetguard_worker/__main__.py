"""`python -P .../budgetguard_worker/__main__.py FD...`: the worker's process.

Four descriptors: from and to the coordinator, from and to the worker of the other side.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from os.path import dirname, join


def _register() -> None:
    """Make this folder the package, without a place on `sys.path` that others could be found in."""
    name = "budgetguard_worker"
    folder = dirname(__file__)  # noqa: PTH120  # pathlib would be imported before the clocks are bound
    init = join(folder, "__init__.py")  # noqa: PTH118
    spec = spec_from_file_location(name, init, submodule_search_locations=[folder])
    if spec is None or spec.loader is None:  # a path with the suffix .py always has both
        raise ImportError(init)
    package = module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _register()
    from budgetguard_worker.start import main

    main(*map(int, sys.argv[1:5]))
