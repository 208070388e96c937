"""The server that the figures of load benchmarks are held against, as a real process."""

import contextlib
import http.client
import importlib.util
import itertools
import json
import math
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "load" / "latency_server.py"

QUANTILES = (0.5, 0.9, 0.95, 0.99)
ENOUGH = 50_000


@pytest.fixture(scope="module")
def delays():
    """The module, for its pure functions."""
    spec = importlib.util.spec_from_file_location("latency_server", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def serving(*options):
    """A server on a free port; yields the port."""
    command = [sys.executable, str(SCRIPT), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            told = server.stdout.readline()
            yield int(re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", told)[1])
        finally:
            server.kill()


def asked(connection, path="/", body=None):
    """The answer to one request on an open connection."""
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def connected(port):
    """A client that keeps its connection."""
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30))


def truth(port):
    """What the server says it did."""
    with connected(port) as connection:
        return json.loads(asked(connection, "/truth"))


def drawn(module, mode, seed=7):
    """So many delays that their quantiles are near those of theory."""
    return list(itertools.islice(module.delays_s(mode, seed), ENOUGH))


def test_lognormal_delays_are_those_of_theory(delays):
    """The quantiles are within 3 % of median * exp(sigma * z), and none is over half a second."""
    found = drawn(delays, "lognormal")
    cut = statistics.quantiles(found, n=100, method="inclusive")
    for q in QUANTILES:
        theory_s = 0.040 * math.exp(0.6 * statistics.NormalDist().inv_cdf(q))
        assert cut[round(q * 100) - 1] == pytest.approx(theory_s, rel=0.03)
    assert max(found) <= 0.5


def test_bimodal_delays_are_nine_to_one(delays):
    """Nine requests of ten are told 10 ms, the others 200 ms."""
    found = drawn(delays, "bimodal")
    assert set(found) == {0.010, 0.200}
    assert found.count(0.200) / ENOUGH == pytest.approx(0.1, abs=0.005)


def test_a_freeze_is_the_last_second_of_every_four(delays):
    """What arrives in a freeze waits for its end; for a quarter of all arrivals, evenly up to a second."""
    assert [delays.until_thaw_s(second) for second in (0, 2.99, 4, 7.999)][:3] == [0, 0, 0]
    waits = sorted(delays.until_thaw_s(number * 4 / ENOUGH) for number in range(ENOUGH))
    told = [waits[math.ceil(q * ENOUGH) - 1] for q in (0.75, 0.9, 0.95, 0.99)]
    assert told == pytest.approx([0.0, 0.6, 0.8, 0.96], abs=0.001)


@pytest.mark.parametrize("mode", ["lognormal", "bimodal"])
def test_a_seed_repeats_its_delays(delays, mode):
    """One seed is always the same delays, and another is others, in the server as in the function."""
    first = [list(itertools.islice(delays.delays_s(mode, seed), 12)) for seed in (3, 3, 4)]
    assert first[0] == first[1] != first[2]
    with serving("--mode", mode, "--seed", "3") as port:
        with connected(port) as connection:
            for _ in range(12):
                assert asked(connection, "/any/path") == b"ready\n"
        told = truth(port)
    assert told["planned_s"] == first[0]
    assert told["served"] == 12
    late_s = [took - planned for took, planned in zip(told["took_s"], first[0], strict=True)]
    assert min(late_s) > -0.002, "uvloop's clock goes in milliseconds"


def test_many_clients_are_served_at_once(delays):
    """Delays of several clients overlap: the server waits for none of them to be answered."""

    def client(port):
        with connected(port) as connection:
            return [len(asked(connection, body=b"x" * 5000)) for _ in range(4)]

    with serving("--delay-ms", "100") as port, ThreadPoolExecutor(20) as threads:
        began_s = time.monotonic()
        assert list(threads.map(client, [port] * 20)) == [[6] * 4] * 20
        assert time.monotonic() - began_s < 7, "80 requests in turn would take 8 s"
        assert truth(port)["served"] == 80


def test_a_stalling_server_answers_when_the_freeze_is_over():
    """A request within a freeze is held back for the rest of it, and those before and after are not."""
    with serving("--mode", "stall") as port:
        with connected(port) as connection:
            for _ in range(100):
                asked(connection)
                if truth(port)["planned_s"][-1] > 0.002:
                    break
                time.sleep(0.1)
            asked(connection)
        told = truth(port)
    *before, held, after = told["planned_s"]
    assert set(before) == {after} == {0.002}
    assert 0.002 < held <= 1.002
    assert told["took_s"][-2] >= held - 0.002


def test_slower_multiplies_the_delays(delays):
    """--slower 1.5 is half as long again for every request."""
    with serving("--mode", "lognormal", "--seed", "5", "--slower", "1.5") as port:
        with connected(port) as connection:
            for _ in range(8):
                asked(connection)
        told = truth(port)["planned_s"]
    plain = itertools.islice(delays.delays_s("lognormal", 5), 8)
    assert told == pytest.approx([1.5 * one for one in plain])


def test_cpu_is_spent_on_each_request():
    """--cpu-ms 20 is 20 ms of CPU a request, before the answer."""
    with serving("--delay-ms", "0", "--cpu-ms", "20") as port:
        with connected(port) as connection:
            for _ in range(5):
                asked(connection)
        assert min(truth(port)["took_s"]) >= 0.0199


def test_a_port_that_is_taken_is_told():
    """A second server on the same port ends with a sentence."""
    with serving() as port:
        second = subprocess.run(
            [sys.executable, str(SCRIPT), "--port", str(port)], capture_output=True, text=True
        )
    assert second.returncode == 1
    assert second.stderr.startswith(f"127.0.0.1:{port}: ")
    assert second.stderr.endswith("; take another --port\n")
    assert second.stderr.count("\n") == 1
