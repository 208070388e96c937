"""Libraries that come with an extra, imported when they are first needed."""

from importlib import import_module
from types import ModuleType

from budgetguard.errors import MissingExtra


def need(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or raise `MissingExtra` with the pip command that brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise  # the library is there and lacks something of its own: its message is the truth
        raise MissingExtra(
            f"{module} is not installed; run: pip install 'pytest-budgetguard[{extra}]'"
        ) from None
