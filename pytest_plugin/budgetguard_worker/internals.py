"""What we use of pytest's and its plugins' insides, in one place: there is no public way to do it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.logging import caplog_handler_key
from _pytest.tmpdir import tmppath_result_key

BENCHMARKS = ("pytest_benchmark", "pytest_codspeed")
"""Packages that bring a `benchmark` fixture."""


def twin_of(item: pytest.Function) -> pytest.Function:
    """The same item once more, with fixtures and an outcome of its own."""
    twin = copy.copy(item)
    stash = pytest.Stash()
    twin.stash = stash
    twin._store = stash  # its older name
    for name in ("_obj", "_instance"):
        twin.__dict__.pop(name, None)
    twin._initrequest()
    return twin


def renew_fixtures(item: pytest.Function) -> None:
    """Tear the item's function-scoped fixtures down and set them up again, as pytest-rerunfailures does."""
    state = item.session._setupstate
    # `tmp_path` looks at its test's outcome when it is torn down, and there is none in mid-test
    item.stash.setdefault(tmppath_result_key, {})
    state.teardown_exact(item.parent)  # type: ignore[arg-type]  # only its chain of parents is used
    item._initrequest()
    if item.cls is not None:  # a method: each call has an instance of its own
        for name in ("_obj", "_instance"):
            item.__dict__.pop(name, None)
    forget_logs(item)
    state.setup(item)


def forget_logs(item: pytest.Function) -> None:
    """Drop what was logged: pytest keeps every record of a test's call."""
    with suppress(Exception):  # a plugin of the project may have replaced what keeps it
        item.stash[caplog_handler_key].clear()
        plugin: Any = item.config.pluginmanager.get_plugin("logging-plugin")
        plugin.report_handler.reset()


def stop_timer(item: pytest.Function) -> None:
    """Take the item's time limit back: rounds take longer than a test, and have deadlines of their own."""
    if item.config.pluginmanager.hasplugin("timeout"):
        with suppress(Exception):  # its hook is not in every version
            item.ihook.pytest_timeout_cancel_timer(item=item)


@contextmanager
def body_in_place(
    item: pytest.Function, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """While active, the item calls `around(body)` for its body."""
    original = item.obj
    replaced = around(original)
    item.obj = replaced
    instance = item.instance
    if _is_unittest(item):  # asynchronous ones, and Django's, are looked up on the instance
        instance.__dict__[item.name] = replaced
    try:
        yield
    finally:
        if "_obj" in item.__dict__:
            item.obj = original
        if _is_unittest(item):
            instance.__dict__.pop(item.name, None)


def _is_unittest(item: pytest.Function) -> bool:
    return hasattr(type(item), "addFailure")


def kept_failure(item: pytest.Function) -> BaseException | None:
    """What a unittest item has recorded instead of raising it: a failure, or a skip."""
    kept = item.__dict__.get("_excinfo")
    return kept[-1].value if kept else None


def forget_failure(item: pytest.Function) -> None:
    """Take back what a unittest item has recorded in a further call."""
    item.__dict__.pop("_excinfo", None)


def is_property_test(item: pytest.Item) -> bool:
    """Whether hypothesis draws many examples for one run of the body."""
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def uses_benchmark(item: pytest.Function) -> bool:
    """Whether the item's `benchmark` is that of a known plugin."""
    return type(item.funcargs.get("benchmark")).__module__.startswith(BENCHMARKS)


def node_id(path: Path, own_id: str, folder: Path) -> str:
    """A node id relative to a folder, whatever pytest's root is."""
    _, separator, rest = own_id.partition("::")
    try:
        file = path.relative_to(folder).as_posix()
    except ValueError:
        file = own_id.partition("::")[0]
    return f"{file}{separator}{rest}"


def ini_file(folder: Path) -> str:
    """The ini file that a plain `pytest` finds in `folder`: the node ids we give would find another."""
    from _pytest.config.findpaths import locate_config

    try:
        found = locate_config(folder, [folder])[1]
    except Exception:  # noqa: BLE001  # it is not public: without it pytest looks for itself
        return ""
    return str(found) if found else ""


def first_line(error: BaseException) -> str:
    """An exception in one line, with its type."""
    if isinstance(error, pytest.FixtureLookupError):
        return f"fixture {error.argname!r} not found"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:150]}" if lines else type(error).__name__
