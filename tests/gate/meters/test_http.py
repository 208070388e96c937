"""The http meter against a real server on this machine, through each client library."""

import asyncio
import http.client
import http.server
import subprocess
import sys
import threading
import urllib.request

import pytest

from budgetguard.gate.meters import http as meter

WANTED = frozenset(meter.METRICS)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(self.path)
        redirect = self.path.startswith("/redirect")
        flaky = self.path.startswith("/flaky") and self.server.seen.count(self.path) == 1
        body = b"ok"
        self.send_response(302 if redirect else 503 if flaky else 200)
        if redirect:
            self.send_header("Location", "/end")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    served.seen = []
    thread = threading.Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.shutdown()
    thread.join(10)
    served.server_close()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def nothing_stays_patched():
    finders = list(sys.meta_path)
    plain = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.endheaders
    yield
    assert (http.client.HTTPConnection.putrequest, http.client.HTTPConnection.endheaders) == plain
    assert sys.meta_path == finders


def by_urllib(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        response.read()


def by_urllib3(url):
    import urllib3

    with urllib3.PoolManager() as pool:
        pool.request("GET", url, timeout=10)


def by_requests(url):
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=10)


def by_httpx(url):
    import httpx

    with httpx.Client(trust_env=False, timeout=10) as client:
        client.get(url, follow_redirects=True)


def by_async_httpx(url):
    import httpx

    async def main():
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            await client.get(url, follow_redirects=True)

    asyncio.run(main())


def by_aiohttp(url):
    import aiohttp

    async def main():
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            await response.read()

    asyncio.run(main())


CLIENTS = [by_urllib, by_urllib3, by_requests, by_httpx, by_async_httpx, by_aiohttp]


def count(body):
    with meter.watch(WANTED) as read:
        body()
    return read()["http_requests"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_request_counts_once(client, url, server):
    """Each library's request is counted once, and told by method and URL."""
    reading = count(lambda: client(f"{url}/path"))
    assert reading.value == len(server.seen) == 1
    assert reading.evidence == (f"GET {url}/path",)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_is_a_request_of_its_own(client, url, server):
    """A redirect that is followed makes two requests."""
    reading = count(lambda: client(f"{url}/redirect"))
    assert reading.value == len(server.seen) == 2
    assert set(reading.evidence) == {f"GET {url}/redirect", f"GET {url}/end"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_connection_that_cannot_be_made_is_no_request(client):
    """Nothing was sent, so nothing counts; the client's error comes through."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_port
    with meter.watch(WANTED) as read:
        with pytest.raises(Exception, match=r"(?i)refused|connect|retries"):
            client(f"http://127.0.0.1:{port}/")
    assert read()["http_requests"].value == 0


def test_a_retry_counts_again(url, server):
    """A request that urllib3 sends a second time is two requests."""
    import urllib3

    def body():
        with urllib3.PoolManager(retries=urllib3.Retry(2, status_forcelist=[503])) as pool:
            assert pool.request("GET", f"{url}/flaky").status == 200

    assert count(body).value == len(server.seen) == 2


def test_a_kept_connection_counts_each_request(url):
    """Requests over one connection are told in groups, the most frequent first."""
    import requests

    def body():
        with requests.Session() as session:
            session.get(f"{url}/one")
            for _ in range(3):
                session.post(f"{url}/many", data=b"x")

    reading = count(body)
    assert reading.value == 4
    assert reading.evidence == (f"POST {url}/many ×3", f"GET {url}/one")


def test_no_secret_is_told(url):
    """Neither the query nor a user's name and password are in the evidence."""
    import httpx

    host = url.removeprefix("http://")
    reading = count(lambda: by_aiohttp(f"http://me:hush@{host}/a?token=hush"))
    assert reading.evidence == (f"GET {url}/a",)
    reading = count(lambda: httpx.get(f"http://me:hush@{host}/b?token=hush", trust_env=False))
    assert reading.evidence == (f"GET {url}/b",)


def test_evidence_is_short(url):
    """At most five groups, each of a readable length."""

    def body():
        for i in range(8):
            by_urllib(f"{url}/{i}/{'x' * 300}")

    reading = count(body)
    assert reading.value == 8
    assert len(reading.evidence) == 5
    assert all(len(line) < 100 for line in reading.evidence)


def test_in_process_transports_do_not_count():
    """Test clients of web frameworks send nothing, so nothing counts."""
    import httpx
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def home():
        return {}

    async def asked():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/")).status_code == 200

    mock = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=mock) as client:
        assert count(lambda: (asyncio.run(asked()), client.get("http://test"))).value == 0


def test_nested_watches_both_count(url):
    """What the inner block sends is the outer block's too, and not the other way round."""
    with meter.watch(WANTED) as outer:
        by_urllib(url)
        with meter.watch(WANTED) as inner:
            by_urllib(url)
        by_urllib(url)
    assert inner()["http_requests"].value == 1
    assert outer()["http_requests"].value == 3


def test_threads_count(url):
    """Requests of threads that the block starts are counted, none of them lost."""

    def body():
        threads = [threading.Thread(target=by_urllib, args=(url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert count(body).value == 8


def test_an_exception_passes_and_unhooks(url):
    """The block's own exception comes out, and later requests are counted nowhere."""
    error = ValueError("mine")
    watch = meter.watch(WANTED)

    def body():
        by_urllib(url)
        raise error

    with pytest.raises(ValueError) as caught, watch as read:
        body()
    assert caught.value is error
    by_urllib(url)
    assert read()["http_requests"].value == 1


@pytest.mark.parametrize("library", ["urllib.request", "requests", "httpx", "aiohttp"])
def test_a_library_imported_in_the_block_is_seen(library, url):
    """Nothing is imported for the meter, and what the body imports late is counted."""
    get = {
        "urllib.request": "import urllib.request as u; u.urlopen(url).read()",
        "requests": "import requests; requests.get(url)",
        "httpx": "import httpx; httpx.get(url, trust_env=False)",
        "aiohttp": (
            "import aiohttp, asyncio\n"
            "    async def main():\n"
            "        async with aiohttp.ClientSession() as s, s.get(url) as r: await r.read()\n"
            "    asyncio.run(main())"
        ),
    }[library]
    code = (
        "import sys\n"
        "from budgetguard.gate.meters import http\n"
        "url = sys.argv[1]\n"
        "with http.watch(frozenset(http.METRICS)) as read:\n"
        "    late = not {'http.client', 'httpcore', 'aiohttp'} & set(sys.modules)\n"
        f"    {get}\n"
        "print(late, read()['http_requests'].value)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "True 1.0\n", run.stderr
