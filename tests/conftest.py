"""Fixtures that several rooms' tests share."""

import contextlib
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("servers", Path(__file__).with_name("servers.py"))
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)


# pytest prints more of a failure where one of these is set; the projects under test print the same everywhere
for name in ("CI", "BUILD_NUMBER"):
    os.environ.pop(name, None)


# A shell's background job starts with Ctrl-C ignored, and so would what is interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running PostgreSQL, one server per process of the test run."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(servers.postgres())
        except servers.NoServerError as reason:
            if os.environ.get(
                "BUDGETGUARD_TEST_STRICT"
            ):  # CI: nothing is skipped for want of a part
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        yield url
