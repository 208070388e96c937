"""The payloads of data/events, with what a test wants otherwise."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).with_name("data") / "events"


def event(name: str, **changes: Any) -> dict[str, Any]:
    """Load a payload and set dotted keys: `event("push", **{"repository.private": True})`.

    A number in a key is a place in a list. Raises KeyError where the payload has no such key.
    """
    payload: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    for dotted, value in changes.items():
        *parts, last = dotted.split(".")
        node: Any = payload
        for part in parts:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if isinstance(node, dict) and last not in node:
            raise KeyError(f"{name}.json has no {dotted}; there is {', '.join(node)}")
        node[int(last) if isinstance(node, list) else last] = value
    return payload
