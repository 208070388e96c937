"""The arguments of a command read, and its help shown."""

from contextlib import contextmanager

import click


@click.command()
@click.option("--count", default=1, help="Number of greetings.")
@click.option("--name", prompt=False, default="you", help="Who to greet.")
@click.option("--shout/--no-shout", default=False, help="In capitals.")
@click.argument("files", nargs=-1)
def greet(count, name, shout, files):
    """Greet somebody as often as is asked for."""
    return count + len(name) + len(files)


@contextmanager
def prepared():
    yield ["--count", "3", "--name", "all", "--shout", "a", "b", "c"]


def run(arguments):
    total = 0
    for _ in range(10):
        total += greet.main(list(arguments), standalone_mode=False)
    return total + len(greet.get_help(click.Context(greet)))
