"""HTTP: requests over one kept connection on the loopback, client and server in one event loop."""

import asyncio
from contextlib import contextmanager

UNITS = 200
REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def prepared():
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    reader, writer = loop.run_until_complete(asyncio.open_connection("127.0.0.1", port))
    yield loop, reader, writer
    writer.close()
    loop.run_until_complete(writer.wait_closed())
    server.close()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


async def serve(reader, writer):
    try:
        while await read_head(reader):
            writer.write(ANSWER)
            await writer.drain()
    finally:
        writer.close()


def run(state):
    loop, reader, writer = state
    return loop.run_until_complete(ask(reader, writer))


async def ask(reader, writer):
    read = 0
    for _ in range(UNITS):
        writer.write(REQUEST)
        head = await read_head(reader)
        length = int(head.partition(b"Content-Length: ")[2])
        read += len(await reader.readexactly(length))
    return read


async def read_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
