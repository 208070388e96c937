"""How much memory an entry takes."""

import gc
import itertools
import os
import sys
from collections import deque

ENTRY_BYTES = 800
"""What an entry takes beside its key and value: the slot, its places in dict and queues, its history."""
_MOST_OBJECTS = 2000
_MOST_INNER = 100
_NO_PARTS = (str, bytes, bytearray, memoryview, int, float, complex, type, type(None), type(os))


def size_of(*parts: object) -> int:
    """About how many bytes an entry of this key and value takes, all that it needs included.

    Of large values it measures some thousand objects, and takes the others for like them.
    """
    total = float(ENTRY_BYTES)
    todo = deque((part, 1.0) for part in parts)  # each with how many objects it stands for
    looks = 0
    while todo:
        part, times = todo.popleft()
        total += sys.getsizeof(part, 0) * times
        looks += 1
        if looks < _MOST_OBJECTS and not isinstance(part, _NO_PARTS) and not callable(part):
            inner, count = _inner(part)
            todo.extend((one, times * count / len(inner)) for one in inner)
    return int(total)


def _inner(part: object) -> tuple[list[object], int]:
    """Some of the objects that one holds, and how many there are."""
    if isinstance(part, dict):
        pairs = itertools.islice(part.items(), _MOST_INNER // 2)
        return [half for pair in pairs for half in pair], 2 * len(part)
    if isinstance(part, list | tuple):
        return list(part[:: len(part) // _MOST_INNER + 1]), len(part)
    if isinstance(part, set | frozenset):
        return list(itertools.islice(part, _MOST_INNER)), len(part)
    held = [one for one in gc.get_referents(part) if not isinstance(one, type)]
    return held[:_MOST_INNER], len(held)
