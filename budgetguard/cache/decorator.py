"""Functions whose answers are cached by their arguments."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from budgetguard.cache.cache import Cache
from budgetguard.cache.policy import Policy

P = ParamSpec("P")
R = TypeVar("R")


def cached(
    cache: Cache, policy: Policy, *, tags: Iterable[str] = (), key: Callable[..., Any] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Cache a function, synchronous or `async`, by its arguments, or by what `key` makes of them.

    Its name is part of the key. Arguments are plain data; of a method, name the key without `self`.
    """
    named = tuple(tags)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{function.__module__}.{function.__qualname__}"
        signature = inspect.signature(function)

        def key_of(*args: Any, **kwargs: Any) -> Any:
            if key is not None:
                return name, key(*args, **kwargs)
            if not args and not kwargs:
                return name
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return name, *bound.arguments.items()

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await cache.aget_or_load(
                    key_of(*args, **kwargs),
                    functools.partial(function, *args, **kwargs),
                    policy=policy,
                    tags=named,
                )

            return cast("Callable[P, R]", acall)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return cache.get_or_load(
                key_of(*args, **kwargs),
                functools.partial(function, *args, **kwargs),
                policy=policy,
                tags=named,
            )

        return call

    return decorate
