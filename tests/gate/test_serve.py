"""A served app: on its port, ready, watched, and always ended with all that it started."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from budgetguard.errors import MeasureError
from budgetguard.gate.serve.app import served
from budgetguard.gate.serve.server import sampled
from budgetguard.gate.serve.serving import Serving

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's subreaper")

APP = """
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

def grow():
    x = bytearray(b"x") * 30_000_000
    while time.process_time() < 0.3: pass
    time.sleep(600)

class App(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("last words", os.environ.get("WORD", ""), flush=True)
            os._exit(3)
        self.send_response(503 if self.path == "/busy" else 302 if self.path == "/moved" else 200)
        self.end_headers()
        self.wfile.write(repr((os.environ, os.getcwd(), sys.argv, sys.executable)).encode())
    def log_message(self, *args): pass

server = HTTPServer(("127.0.0.1", int(sys.argv[1])), App)
for flag in sys.argv[2:]:
    if flag == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if flag == "workers":
        for _ in range(2):
            if os.fork() == 0: grow()
    if flag == "daemon" and os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(600)
        os._exit(0)
server.serve_forever()
"""
COORDINATOR = """
import sys, time
from pathlib import Path
from budgetguard.gate.serve.app import served
from budgetguard.gate.serve.serving import Serving
argv = ("python", *sys.argv[1:], "{port}", "workers", "daemon")
with served(Serving(argv=argv, cwd=Path.cwd(), start_s=60.0), sys.executable) as app:
    print(app.folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def app(tmp_path):
    """The words that start the app of these tests, and where it lies."""
    (tmp_path / "app.py").write_text(APP)
    return ("python", "app.py", "{port}")


@pytest.fixture
def serve(tmp_path):
    """Serves what is asked for, in the folder of the test."""

    def start(*argv, seed=None, environ=None, **options):
        asked = {"cwd": tmp_path, "start_s": 60.0} | options
        return served(Serving(argv=argv, **asked), sys.executable, seed=seed, environ=environ)

    return start


def failing(context):
    """The text of the error that a start ends in."""
    with pytest.raises(MeasureError) as caught, context:
        pass
    return str(caught.value)


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_an_app_is_ready_at_its_address_and_gone_afterwards(serve, tmp_path):
    """http.server answers at the url when the block begins; after it nothing listens or runs."""
    (tmp_path / "page.html").write_text("hello")
    argv = ("python", "-m", "http.server", "{port}", "--bind", "127.0.0.1")
    with serve(*argv, ready="/page.html") as app:
        assert app.url == f"http://127.0.0.1:{app.port}"
        assert get(f"{app.url}/page.html") == "hello"
        assert app.folder.is_dir()
        assert (app.ended, is_alive(app.pid)) == ("", True)
    assert not is_alive(app.pid)
    assert not app.folder.exists()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", app.port), timeout=5):
        pass


def test_uvicorn_with_fastapi(serve, tmp_path):
    """The usual app is served as its users start it, from its own folder."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    source = """
        from fastapi import FastAPI
        app = FastAPI()
        @app.get("/health")
        def health() -> dict[str, bool]:
            return {"up": True}
    """
    (tmp_path / "shop.py").write_text(textwrap.dedent(source))
    with serve("uvicorn", "shop:app", "--port", "{port}", ready="/health") as app:
        assert json.loads(get(f"{app.url}/health")) == {"up": True}


def test_an_asyncio_server_that_binds_late(serve, tmp_path):
    """An app that binds late is waited for, and a 404 is an answer."""
    source = """
        import asyncio, sys
        async def answer(reader, writer):
            await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n")
            await writer.drain()
            writer.close()
        async def main():
            await asyncio.sleep(0.3)
            server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
            await server.serve_forever()
        asyncio.run(main())
    """
    (tmp_path / "late.py").write_text(textwrap.dedent(source))
    with serve("python", "late.py", "{port}") as app:
        assert app.ended == ""


def test_words_env_and_braces(serve, app):
    """{port} and {dir} are filled in words and env, doubled braces are braces, others stay."""
    env = {
        "DB": "sqlite:///{dir}/x.db",
        "PORT": "{port}",
        "JSON": '{"a": {"b": 1}}',
        "NAME": "{{dir}}",
    }
    with serve(*app, "{x}", "{{port}}", "{dir}/up", env=env, seed=7) as server:
        said = get(server.url)
        assert f"'DB': 'sqlite:///{server.folder}/x.db'" in said
        assert f"'PORT': '{server.port}'" in said
        assert "'NAME': '{dir}'" in said
        assert """'JSON': '{"a": {"b": 1}}'""" in said
        assert "'PYTHONHASHSEED': '7'" in said
        assert f"['app.py', '{server.port}', '{{x}}', '{{port}}', '{server.folder}/up']" in said


def test_the_app_runs_in_its_folder_with_the_given_interpreter(serve, app, tmp_path):
    """cwd, the interpreter and its folder in PATH are those of the side."""
    with serve(*app) as server:
        said = get(server.url)
    assert f"'{tmp_path.resolve()}'" in said
    assert f"'PATH': '{Path(sys.executable).parent}{os.pathsep}" in said
    assert f"'{sys.executable}'" in said


def test_environ_makes_the_whole_environment(serve, app):
    """Where the caller makes the environment, it gets the filled-in env and has the last word."""
    with serve(
        *app, env={"A": "{port}"}, environ=lambda env: {"PATH": os.defpath, "B": env["A"]}
    ) as server:
        said = get(server.url)
        assert f"'B': '{server.port}'" in said
        assert "'A'" not in said


@pytest.mark.parametrize("ready", ["/busy", ""])
def test_ready_is_2xx_or_any_answer(serve, app, ready):
    """A path has to answer 2xx or 3xx; without one any answer will do."""
    if not ready:
        with serve(*app, ready="/moved"):
            return
    said = failing(serve(*app, ready=ready, start_s=3.0))
    assert "was not ready within 3" in said
    assert "/busy answered 503, expected 2xx or 3xx; raise timeout" in said


def test_never_ready_tells_what_it_printed(serve):
    """An app that listens nowhere is an error with its last five lines, and it is ended."""
    source = "for n in 1 2 3 4 5 6; do echo line $n; done; echo $$ > pid; exec sleep 600"
    said = failing(serve("sh", "-c", source, start_s=1.0))
    assert "did not answer (Connection refused)" in said
    assert said.endswith("its last lines:\n  line 2\n  line 3\n  line 4\n  line 5\n  line 6")


def test_an_app_that_hangs_is_ended(serve, tmp_path):
    """An app that takes connections and says nothing is not waited for beyond its time."""
    source = """
        import os, socket, sys, time
        server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        open("pid", "w").write(str(os.getpid()))
        time.sleep(600)
    """
    (tmp_path / "mute.py").write_text(textwrap.dedent(source))
    assert "did not answer, expected any" in failing(
        serve("python", "mute.py", "{port}", start_s=3.0)
    )
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_an_early_end_is_told_at_once(serve):
    """An app that exits before it is ready is told with its exit code and output."""
    said = failing(serve("sh", "-c", "echo out; echo no database >&2; exit 4"))
    assert "before it answered http://127.0.0.1:" in said
    assert "ended with exit code 4 after" in said
    assert said.endswith("its last lines:\n  out\n  no database")
    assert "keep it in the foreground" in failing(serve("true"))


def test_a_program_that_is_not_there(serve):
    """A wrong name is told as it is for every command."""
    assert failing(serve("no-such-app")).startswith("the program 'no-such-app' was not found")


def test_an_app_that_dies_later_is_told_by_ended(serve, app):
    """ended says how it ended and what it said last, with the values of env as names."""
    with serve(*app, env={"WORD": "hunter2-hunter2"}) as server:
        with pytest.raises(OSError):
            get(f"{server.url}/die")
        assert wait_for(lambda: server.ended)
        assert "ended with exit code 3" in server.ended
        assert server.ended.endswith("its last lines:\n  last words $WORD")
        assert server.usage().processes == 0


def test_secrets_are_never_told(serve):
    """Neither the words nor the output of an app show a value of env; its own port stays."""
    env = {"TOKEN": "hunter2-hunter2", "PORT": "{port}"}
    said = failing(serve("sh", "-c", "echo $TOKEN on $PORT hunter2-hunter2; exit 1", env=env))
    assert "hunter2" not in said
    assert "$PORT" not in said.splitlines()[-1]
    setup = ("sh", "-c", "echo $TOKEN; exit 1")
    assert "hunter2" not in failing(serve("true", env=env, setup=setup))


def test_an_app_deaf_to_sigterm_is_killed(serve, app):
    """What ignores SIGTERM does not stay."""
    with serve(*app, "deaf") as server:
        pass
    assert not is_alive(server.pid)


def test_usage_counts_the_whole_tree_and_all_of_it_ends(serve, app):
    """Workers count in CPU, RSS and processes; none is left, nor a daemon that left the tree."""
    with serve(*app, "workers", "daemon") as server:
        assert wait_for(lambda: server.usage().cpu_s > 0.6)
        usage = server.usage()
        assert usage.rss_bytes > 60e6
        assert usage.processes >= 3
        pids = [process.pid for process in server.processes()]
        assert server.pid in pids
    assert not any(map(is_alive, pids))


@linux
def test_a_daemon_of_the_app_is_seen(serve, app):
    """A process that left by double fork and setsid counts as the app's."""
    with serve(*app, "daemon") as server:
        assert wait_for(lambda: server.usage().processes == 2)


def test_samples_come_while_it_runs_and_end_with_it(serve, app):
    """A series of times, CPU seconds and bytes that never runs backwards."""
    with serve(*app) as server, sampled(server, 0.05) as samples:
        assert wait_for(lambda: len(samples) >= 4)
        with pytest.raises(OSError):
            get(f"{server.url}/die")
        assert wait_for(lambda: server.ended)
    assert [sample[:2] for sample in samples] == sorted(sample[:2] for sample in samples)
    assert all(rss_bytes > 1e6 for _, _, rss_bytes in samples[:3])
    assert abs(samples[0][0] - time.time()) < 300


def test_a_taken_port_names_who_holds_it(serve, app):
    """A fixed port that another process holds is an error that names it; a free one is used."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = failing(serve(*app, port=port))
    assert f"port {port} of 127.0.0.1 is taken" in said
    if sys.platform == "linux":
        assert f"by pid {os.getpid()} (" in said
    with serve(*app, port=port) as server:
        assert server.port == port
    with serve(*app, port=port) as again:  # at once, with what the former left in TIME_WAIT
        assert get(again.url)


def test_an_app_on_another_port_is_told_where_it_listens(serve, app):
    """An app that does not listen on its port is told the one it uses, and the way out."""
    said = failing(serve("python", "app.py", "0", start_s=4.0))
    assert "it listens on 127.0.0.1:" in said
    assert "give it {port}" in said


@linux
def test_another_process_on_the_port_is_not_the_app(serve, tmp_path):
    """An answer of a process that the app did not start does not make it ready."""
    source = """
        import socket, sys, threading
        from http.server import HTTPServer, SimpleHTTPRequestHandler
        server = HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler)
        print("up", flush=True)
        server.serve_forever()
    """
    (tmp_path / "other.py").write_text(textwrap.dedent(source))
    other = f"{sys.executable} other.py $0"
    # the app hands its port to a process outside its tree by way of a file
    asked = "echo $0 > port.new; mv port.new port; exec sleep 600"
    watch = f"while ! test -e port; do sleep 0.05; done; set -- $(cat port); exec {other.replace('$0', '$1')}"
    outside = subprocess.Popen(["sh", "-c", watch], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        said = failing(serve("sh", "-c", asked, "{port}", start_s=4.0))
    finally:
        outside.kill()
        outside.wait(timeout=30)
    assert f"was answered by pid {outside.pid} (" in said
    assert "which the app did not start" in said


def test_setup_runs_first_and_to_its_end(serve, app, tmp_path):
    """The setup has the app's folder, env and cwd, and is over before the app starts."""
    env = {"DB": "{dir}/db"}
    setup = ("sh", "-c", 'echo made > "$DB"; cp "$DB" seen')
    with serve(*app, env=env, setup=setup) as server:
        assert (server.folder / "db").read_text() == "made\n"
    assert (tmp_path / "seen").exists()
    assert not server.folder.exists()


def test_a_setup_that_fails_is_told(serve, app):
    """A setup that fails, hangs or leaves processes behind is an error; the app is not started."""
    said = failing(serve(*app, setup=("sh", "-c", "echo no table >&2; exit 2")))
    assert said.startswith("setup: `sh -c")
    assert "ended with exit code 2" in said
    assert said.endswith("its last lines:\n  no table")
    assert "did not end within" in failing(serve(*app, setup=("sleep", "600"), start_s=0.5))
    left = failing(serve(*app, setup=("sh", "-c", "sleep 600 & sleep 0.3")))
    assert "left processes behind (1)" in left


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_in_the_block_ends_the_app(serve, app, error):
    """Whatever ends the block goes on to the caller, and the app is gone with its folder."""
    seen = []

    def measure():
        with serve(*app, "workers") as server:
            seen.append((server.folder, [process.pid for process in server.processes()]))
            raise error

    with pytest.raises(error):
        measure()
    [(folder, pids)] = seen
    assert len(pids) == 3
    assert not any(map(is_alive, pids))
    assert not folder.exists()


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_coordinator_leaves_no_process(tmp_path, number):
    """Ctrl-C and SIGKILL of the measuring process end the app, its workers and its daemon."""
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-c", COORDINATOR, str(tmp_path / "app.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            folder = Path(process.stdout.readline().strip() or "/nowhere")
            tree = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
            assert len(tree) >= 4
            process.send_signal(number)
            process.wait(timeout=60)
            assert wait_for(lambda: not any(map(is_alive, tree)))
            assert number == signal.SIGKILL or not folder.exists()
        finally:
            process.kill()
            if folder.name.startswith("budgetguard-") and folder.exists():
                folder.rmdir()
