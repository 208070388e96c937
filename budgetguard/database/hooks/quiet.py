"""What SQLAlchemy and Django send while they connect is not the user's: it is not counted.

Whether a pool has to connect depends on what ran before, so a count with these would not repeat.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from types import ModuleType
from typing import Any

from budgetguard.database.callsite import Site, call_site, handed_over
from budgetguard.hooks import Patches

quiet: ContextVar[bool] = ContextVar("budgetguard_quiet", default=False)


def listen_sqlalchemy(module: ModuleType, patches: Patches) -> None:
    """Hold still while a pool opens a connection and its dialect asks the server about itself."""
    _hush(module._ConnectionRecord, "_ConnectionRecord__connect", patches)  # noqa: SLF001


def listen_django(module: ModuleType, patches: Patches) -> None:
    """Hold still while a Django connection is opened and set up."""
    _hush(module.BaseDatabaseWrapper, "connect", patches)


def listen_aiosqlite(module: ModuleType, patches: Patches) -> None:
    """Hand the asking line and the quiet over to aiosqlite's thread."""
    connection = module.Connection
    plain = connection._execute  # noqa: SLF001 — the one place through which all calls go

    @wraps(plain)
    async def _execute(self: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = partial(_as_asked, call_site(), quiet.get(), fn)
        return await plain(self, call, *args, **kwargs)

    patches.put(connection, "_execute", _execute)


def _as_asked(
    site: Site,
    silent: bool,  # noqa: FBT001 — partial binds it
    fn: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Any:
    site_token, quiet_token = handed_over.set(site), quiet.set(silent)
    try:
        return fn(*args, **kwargs)
    finally:
        handed_over.reset(site_token)
        quiet.reset(quiet_token)


def _hush(owner: type, name: str, patches: Patches) -> None:
    plain = getattr(owner, name, None)
    if plain is None:  # another version: then the probing counts, which is seen, not missed
        return

    @wraps(plain)
    def connect(*args: Any, **kwargs: Any) -> Any:
        token = quiet.set(True)
        try:
            return plain(*args, **kwargs)
        finally:
            quiet.reset(token)

    patches.put(owner, name, connect)
