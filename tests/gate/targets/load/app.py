"""A small web app under load: asyncio in a thread, misbehaving where its path says so."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class App:
    """What runs, and what it saw; a stalling one answers nothing in the first part of each period."""

    stall_s: float = 0.0
    period_s: float = 1.0
    host: str = ""
    seen: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [path for path, _, _ in list(self.seen)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection to its end."""
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                headers = {
                    name.lower(): text.strip()
                    for name, _, text in (line.partition(":") for line in lines if line)
                }
                self.seen.append((first.split()[1], headers, time.time()))
                await self.answer(first.split()[1], writer)
        writer.close()

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        """Behave as the path says."""
        phase = time.time() % self.period_s
        if phase < self.stall_s:
            await asyncio.sleep(self.stall_s - phase)
        what, _, rest = path.strip("/").partition("/")
        if what == "slow":
            await asyncio.sleep(float(rest))
        elif what == "hang":
            await asyncio.sleep(3600)
        elif what == "reset":
            writer.transport.abort()
            raise ConnectionError
        elif what == "stream":
            await self.stream(writer)
        if what == "redirect":
            text = f"HTTP/1.1 302 Found\r\nLocation: {rest}\r\nContent-Length: 0\r\n\r\n"
            writer.write(text.encode())
        elif what == "500":
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(OK)
        await writer.drain()

    async def stream(self, writer: asyncio.StreamWriter) -> None:
        """Send without end."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def running(app: App | None = None) -> Iterator[App]:
    """Serve an app on a free port of this machine."""
    app = app or App()
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(app.serve, "127.0.0.1", 0, backlog=1024)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    app.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield app
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
