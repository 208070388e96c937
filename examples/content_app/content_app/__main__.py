"""The command line: `python -m content_app serve|seed|report`."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    options = _parser().parse_args(arguments)
    commands = {"serve": _serve, "seed": _seed, "report": _report}
    return commands[options.command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="content_app", description="A content-generation site.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = argparse.ArgumentParser(add_help=False)
    demo.add_argument(
        "--demo", action="store_true", help="demo data in a temporary database, nothing outside"
    )
    serve = commands.add_parser("serve", parents=[demo], help="run the web server")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    seed = commands.add_parser("seed", help="fill the database of DATABASE_URL with demo data")
    seed.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    report = commands.add_parser("report", parents=[demo], help="print what the site holds")
    report.add_argument("--json", action="store_true", help="as one JSON object")
    return parser


# Each command imports what it needs: `--help` then needs neither a database nor a web server.


def _serve(options: argparse.Namespace) -> int:
    from dataclasses import replace

    import uvicorn

    from content_app import local_providers, settings
    from content_app.web import create_app

    # uvicorn shuts down first and then repeats the signal: leaving by an exception lets the
    # demo's temporary files be deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        config = settings.from_environment()
        if options.demo:
            url = stack.enter_context(_demo_database())
            config = settings.offline(url, stack.enter_context(local_providers.running()))
            config = replace(config, cache=replace(config.cache, preload=True))
        uvicorn.run(create_app(config), host=options.host, port=options.port, log_level="warning")
    return 0


def _seed(options: argparse.Namespace) -> int:
    from content_app.settings import from_environment

    url = from_environment().database_url
    if _fill(url, options.today):
        return 0
    print("the database holds users already; seed only an empty one", file=sys.stderr)
    return 1


def _report(options: argparse.Namespace) -> int:
    from content_app.catalogue import totals
    from content_app.database import Database
    from content_app.settings import from_environment

    with ExitStack() as stack:
        demo = stack.enter_context(_demo_database()) if options.demo else None
        database = Database(demo or from_environment().database_url)
        stack.callback(database.close)
        database.create_tables()
        with database.session() as session:
            numbers = totals(session)
    lines = [json.dumps(numbers)] if options.json else [f"{n:>8} {k}" for k, n in numbers.items()]
    print(*lines, sep="\n")
    return 0


@contextmanager
def _demo_database() -> Iterator[str]:
    """A seeded SQLite file that is deleted at the end of the block; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="content_app-") as folder:
        url = f"sqlite:///{Path(folder) / 'content.db'}"
        _fill(url, datetime.now(UTC).date())
        yield url


def _fill(url: str, today: date) -> bool:
    """Seed an empty database; False, and nothing changed, when it holds users."""
    from content_app.catalogue import users
    from content_app.database import Database
    from content_app.seed import seed

    database = Database(url)
    try:
        database.create_tables()
        with database.session() as session:
            if users(session):
                return False
            seed(session, today)
            return True
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
