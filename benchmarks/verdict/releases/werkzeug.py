"""Paths matched against the rules of a web application."""

from contextlib import contextmanager

from werkzeug.routing import Map, Rule


@contextmanager
def prepared():
    rules = [Rule(f"/part{n}/<int:id>/<name>", endpoint=f"part{n}") for n in range(30)]
    yield Map([Rule("/", endpoint="home"), *rules]).bind("example.org")


def run(urls):
    return sum(len(urls.match(f"/part{n % 30}/{n}/some-name")) for n in range(60))
