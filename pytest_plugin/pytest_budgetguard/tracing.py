"""Whether something traces this process: its cost would be read as the body's."""

import sys

ALTERED = frozenset({"clock", "memory", "leaked"})
"""What a tracer alters; counts of queries, requests and things left behind stay as they are."""


def tracer() -> str:
    """The name of a tracer or profiler that is on, such as coverage; empty when there is none."""
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    if monitoring is not None:
        tools = (monitoring.get_tool(number) for number in range(6))
        name = next((tool for tool in tools if tool), "")
        if name:
            return str(name)
    hook = sys.gettrace() or sys.getprofile()
    return "" if hook is None else type(hook).__module__.partition(".")[0]
