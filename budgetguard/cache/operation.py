"""A paid call to a service: what makes two calls the same, what one costs, and which answers may be kept."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from budgetguard.cache.policy import Policy

Request = Mapping[str, Any]
"""The body of a call, as it is sent: plain data."""
Response = Any
"""The body of an answer: plain data."""


def _kept(_request: Request, _response: Response) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One kind of call; its functions are pure and raise nothing for any plain data."""

    policy: Policy
    key: Callable[[Request], Any]
    """The part of a request that decides the answer, normalised; it is hashed, never stored."""
    cost: Callable[[Request, Response, dt.date], Decimal]
    """What the call cost on that day, in US dollars; 0 where that is not known."""
    refused: Callable[[Request, Response], str] = _kept
    """Why an answer must not be kept, such as an error or half a stream; "" where it may."""
