"""The metric `leaked`: bytes that a call of the body retains, with the interval that says how sure it is."""

from collections.abc import Callable

from budgetguard.gate.model import Reading
from budgetguard.monitoring.leaks import measure

CALLS = 100
TIME_LIMIT_S = 10.0


def read_leaked(call: Callable[[], object]) -> Reading:
    """Call until it is decided or `TIME_LIMIT_S` is over; raises `MeasureError` and what `call` raises."""
    leak = measure(call, calls=CALLS, time_limit_s=TIME_LIMIT_S)
    note = leak.note or ("the heap is still filling, as a cache does" if leak.filling else "")
    if leak.verdict == "clean":  # under the floor of the method there is nothing to tell apart
        return Reading(value=0.0, interval=(0.0, 0.0), made_with=leak.source, note=note)
    return Reading(
        value=leak.bytes_per_call,
        interval=(leak.low, leak.high),
        evidence=leak.suspects,
        made_with=leak.source,
        note=note,
    )
