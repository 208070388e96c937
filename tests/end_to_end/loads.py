"""Load budgets of a small project: an app that misbehaves where a path says so, and its visitors."""

import json
import signal
import time

import psutil

BOUND_S = 60.0
STEP_S = 0.05

APP = """\
import asyncio
import os
import sys

DELAY_S = {delay_s}
HEAD = "HTTP/1.1 {{}} X\\r\\nContent-Length: {{}}\\r\\n{{}}\\r\\n"


async def answer(path, writer):
    what, _, rest = path.strip("/").partition("/")
    if what == "slow":
        await asyncio.sleep(float(rest))
    await asyncio.sleep(DELAY_S)
    if what == "die":
        os._exit(3)
    if what == "reset":
        writer.transport.abort()
        return
    if what == "stream":
        writer.write(b"HTTP/1.1 200 X\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
        while True:
            writer.write(b"1\\r\\nx\\r\\n")
            await writer.drain()
            await asyncio.sleep(0.05)
    status = {{"500": 500, "redirect": 302}}.get(what, 200)
    more = "Location: " + rest + "\\r\\n" if what == "redirect" else ""
    writer.write(HEAD.format(status, 2, more).encode() + b"ok")
    await writer.drain()


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            await answer(head.decode().split()[1], writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()


asyncio.run(main())
"""

VISITOR = """\
from locust import FastHttpUser, constant, task


class Visitor(FastHttpUser):
    wait_time = constant({wait_s})

    @task
    def visit(self):
        self.client.get("{path}")
"""

CONFIG = """\
version: 1
budgets:
  api:
    load: locustfile.py
    serve: python app.py {{port}}
    profile: baseline
    users: 4
    duration: {seconds} s
    warmup: 0.5 s
    limits: [{limits}]
{more}"""


def app(delay_s=0.0):
    """The source of an app that waits so long before each answer."""
    return APP.format(delay_s=delay_s)


def visitor(path="/slow/0.2", wait_s=0.05):
    """A locustfile whose users ask for one path."""
    return VISITOR.format(path=path, wait_s=wait_s)


def config(*limits, seconds=3, more=""):
    """A budget of four users, with these limits and further lines."""
    return CONFIG.format(limits=", ".join(limits), seconds=seconds, more=more)


def files(*limits, path="/slow/0.2", wait_s=0.05, **options):
    """A whole project by file name."""
    return {
        "app.py": app(),
        "locustfile.py": visitor(path, wait_s),
        "budgetguard.yml": config(*limits, **options),
    }


def load(project, *arguments, **options):
    """Run `budgetguard load run ARGUMENTS --json`: how it ended, and what it printed as data."""
    told = project.run("budgetguard", "load", "run", *(arguments or ["api"]), "--json", **options)
    assert told.out, told.err
    return told, json.loads(told.out)


def settled(project, *arguments, **options):
    """The same, until the machine's noise leaves no verdict open, three times at most."""
    for _ in range(3):
        told, document = load(project, *arguments, **options)
        if "UNSETTLED" not in outcomes(document).values():
            break
    return told, document


def outcomes(document):
    """What was decided, by limit."""
    return {one["limit"]: one["outcome"] for one in document["report"]["verdicts"]}


def until(holds, what):
    """Wait until something holds, at most `BOUND_S`."""
    end = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {BOUND_S:.0f} s"
        time.sleep(STEP_S)


def below(folder):
    """The processes that keep their temporary files in a folder: those of one run."""
    found = []
    for process in psutil.process_iter():
        try:
            place = process.environ().get("TMPDIR", "")
            zombie = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:  # it has ended, or is not ours
            continue
        if place.startswith(str(folder)) and not zombie:
            found.append(" ".join(process.cmdline()))
    return found


def interrupted(project, process, sent, under_way):
    """Send a signal as soon as the load is under way; assert that nothing of it stays."""
    with process:
        try:
            until(under_way, "the load")
            process.send_signal(sent)
            out, err = process.communicate(timeout=BOUND_S)
        finally:
            process.kill()
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL), err
    assert b"Traceback" not in err + out
    until(lambda: not below(project.scratch), "all have ended")
    until(lambda: not project.leftovers(), "temporary files are gone")
