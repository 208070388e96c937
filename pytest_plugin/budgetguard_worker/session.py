"""pytest's own session, with our plugins in it and what addopts would break put right."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from budgetguard_worker import stand_in
from budgetguard_worker.internals import ini_file
from budgetguard_worker.link import Link, Relay
from budgetguard_worker.origins import Origins
from budgetguard_worker.plugin import Serving, Wanted
from budgetguard_worker.talk import Recorder, Worker


def run(link: Link, relay: Relay, configuration: dict[str, Any], recorder: Recorder | None) -> int:
    """Run pytest on the files of the wanted items; returns its exit code."""
    folder = configuration["folder"]
    wanted = [Wanted(*row) for row in configuration["wanted"]]
    origins = Origins(configuration["root"], configuration["other"])
    worker = Worker(link, relay, origins, folder, configuration["seed"], recorder)
    arguments = [*_files(folder, wanted), *_arguments(configuration), *configuration["pytest_args"]]
    sys.argv = ["pytest", *arguments]
    # loaded by name (PYTEST_PLUGINS, -p) our plugin would bring what `stand_in` brings once more
    sys.modules["pytest_budgetguard.plugin"] = ModuleType("pytest_budgetguard.plugin")
    serving = Serving(worker, wanted, with_canary=configuration["canary"])
    storage = f"file://{configuration['scratch']}/benchmarks"
    options = Options(randomly_seed=worker.seed, benchmark_storage=storage)
    return int(pytest.main(arguments, plugins=[stand_in, options, serving]))


class Options:
    """Options of other plugins that get a value of this sweep's."""

    def __init__(self, **values: object) -> None:
        self._values = values

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Before those plugins read them."""
        for name, value in self._values.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)


def _files(folder: str, wanted: list[Wanted]) -> list[str]:
    """Whole files, not node ids: one that is not there would end the session."""
    names = dict.fromkeys(one.item.partition("::")[0] for one in wanted)
    return [name for name in names if Path(folder, name).is_file()]


def _arguments(configuration: dict[str, Any]) -> list[str]:
    """What must come after addopts. The output of bodies is not captured: that would grow with each call."""
    ini = ini_file(Path(configuration["folder"]))
    scratch = configuration["scratch"]
    return [
        *(["-c", ini] if ini else []),
        "--capture=no",
        "-p",
        "no:budgetguard",
        f"--basetemp={scratch}/t",
        "-o",
        f"cache_dir={scratch}/cache",
        "-o",
        "faulthandler_timeout=0",
        "-o",
        "required_plugins=",
        "-p",
        "no:unraisableexception",
    ]
