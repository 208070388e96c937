"""What runs in a process of its own beside the laboratory: one workload, called as often as it is told.

    python worker.py serve FOLDER MODULE     # "CALLS" a line in, "WALL_NS CPU_NS" a line out, until the end of input
    python worker.py count FOLDER MODULE CALLS UNITS    # for an instruction counter around it
    python worker.py bytecodes FOLDER MODULE  # Python 3.12 and newer: how many of one call after the first

FOLDER stands first on sys.path. Only the standard library is used.
"""

import gc
import importlib
import sys
import time


def serve(module, state):
    """Call the workload as often as each line says."""
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        calls = range(int(line))
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        for _ in calls:
            module.run(state)
        cpu_ns = time.process_time_ns() - cpu_ns
        wall_ns = time.perf_counter_ns() - wall_ns
        print(wall_ns, cpu_ns, flush=True)


def count(module, state, calls, units):
    """Call the workload so often, with so many units of work where it has units."""
    if units:
        module.UNITS = units
    for _ in range(calls):
        module.run(state)


def bytecodes(module, state):
    """Print how many instructions of the interpreter one call executes."""
    monitoring, executed = sys.monitoring, 0

    def one_more(_code, _offset):
        nonlocal executed
        executed += 1

    monitoring.use_tool_id(monitoring.PROFILER_ID, "laboratory")
    monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION, one_more)
    gc.disable()
    monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION)
    module.run(state)
    monitoring.set_events(monitoring.PROFILER_ID, 0)
    print(executed)


def main():
    task, folder, name, *numbers = sys.argv[1:]
    sys.path.insert(0, folder)
    module = importlib.import_module(name)
    with module.prepared() as state:
        module.run(state)
        {"serve": serve, "count": count, "bytecodes": bytecodes}[task](
            module, state, *map(int, numbers)
        )


if __name__ == "__main__":
    main()
