"""Put on PYTHONPATH of one unmeasured run: tells at the end which files a Python process loaded."""

import atexit
import contextlib
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec


def _tell(report: str) -> None:
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    told = b"".join(b"%b\0" % os.fsencode(file) for file in files if isinstance(file, str))
    with contextlib.suppress(OSError), open(report, "ab") as out:  # noqa: PTH123
        out.write(told)


def _give_way() -> None:
    """Run the sitecustomize that this one stands before, if there is one."""
    here = os.path.dirname(__file__)  # noqa: PTH120
    sys.path[:] = [folder for folder in sys.path if folder != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if _report := os.environ.get("BUDGETGUARD_WITNESS"):
    atexit.register(_tell, _report)
_give_way()
