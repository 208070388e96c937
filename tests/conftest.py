"""Fixtures that several rooms' tests share."""

import contextlib
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

_spec = importlib.util.spec_from_file_location("servers", Path(__file__).with_name("servers.py"))
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)


# pytest prints more of a failure where one of these is set; the projects under test print the same everywhere
for name in ("CI", "BUILD_NUMBER"):
    os.environ.pop(name, None)


# A shell's background job starts with Ctrl-C ignored, and so would what is interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _found(find: Callable[[], T]) -> T:
    """What is found, else the test is skipped; in CI nothing is skipped for want of a part."""
    try:
        return find()
    except servers.NoServerError as reason:
        if os.environ.get("BUDGETGUARD_TEST_STRICT"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running PostgreSQL, one server per process of the test run."""
    with contextlib.ExitStack() as stack:
        yield _found(lambda: stack.enter_context(servers.postgres()))


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """The URL of a running Redis or Valkey, one server per process of the test run."""
    with contextlib.ExitStack() as stack:
        yield _found(lambda: stack.enter_context(servers.redis(*servers.REDIS_KINDS)))


@pytest.fixture
def redis_url(redis_server_url) -> str:
    """The same server, without what earlier tests have left in the usual namespace."""
    import redis

    with redis.Redis.from_url(redis_server_url) as client:
        for name in client.scan_iter("budgetguard:*", count=1000):
            client.unlink(name)
    return redis_server_url


@pytest.fixture(scope="session", params=servers.REDIS_KINDS)
def each_redis_url(request) -> Iterator[str]:
    """The URL of a running server of each kind in turn; it may not be flushed or stopped."""
    with contextlib.ExitStack() as stack:
        yield _found(lambda: stack.enter_context(servers.redis(request.param)))


@pytest.fixture(scope="session", params=servers.REDIS_KINDS)
def start_redis(request) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    """Starts servers of their own for tests that freeze, fill or end them, of each kind in turn."""
    binary = _found(lambda: servers.redis_binary(request.param))
    return partial(servers.redis_server, binary)
