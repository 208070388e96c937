"""What the commands of a cache have in common: its tiers, its ledger, its secret, and a question first."""

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from budgetguard.cache.codec import Codec
from budgetguard.cache.keys import digest
from budgetguard.cache.ledger import Ledger
from budgetguard.cache.opening import VARIABLE, known_secret, open_links, sqlite_path
from budgetguard.cache.tiers.base import Tier
from budgetguard.cli.screen import say
from budgetguard.errors import UsageError
from budgetguard.paths import shown

_TIERS, _LEDGER = "BUDGETGUARD_CACHE_TIERS", "BUDGETGUARD_CACHE_LEDGER"
_TIMEOUT_S = 2.0
"""A person waits longer than a page does."""
_MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")
MOST_BYTES = 64 * 1024 * 1024
"""Of one value, whatever its policy allows."""

tiers_option = click.option(
    "--tier",
    "urls",
    multiple=True,
    envvar=_TIERS,
    metavar="URL",
    help=f"A tier, as open_cache has it; repeatable. Else those in {_TIERS}, with spaces between.",
)
namespace_option = click.option(
    "--namespace", default="budgetguard", show_default=True, help="As open_cache has it."
)
ledger_option = click.option(
    "--ledger",
    "file",
    envvar=_LEDGER,
    type=click.Path(path_type=Path),
    help=f"The ledger, else that in {_LEDGER}.",
)
since_option = click.option(
    "--since", type=click.DateTime(_MOMENTS), help="From then on; UTC where it names no zone."
)
until_option = click.option(
    "--until", type=click.DateTime(_MOMENTS), help="Before then; UTC where it names no zone."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@contextmanager
def opened(urls: Sequence[str], namespace: str) -> Iterator[list[Tier]]:
    """The shared tiers; raises `UsageError` where there is none, and for a file that does not exist."""
    for url in urls:
        if url.startswith("sqlite:") and not sqlite_path(url).exists():
            raise UsageError(f"{shown(sqlite_path(url))}: there is no such file; see --tier")
    links = open_links(urls, namespace, timeout_s=_TIMEOUT_S)
    if not links:
        raise UsageError(
            "no tier that processes share: expected --tier redis://HOST:PORT/0, sqlite:///FILE or "
            f"postgresql://USER@HOST/DATABASE, or {_TIERS}; memory is seen by its own process only"
        )
    try:
        yield [link.tier for link in links]
    finally:
        for link in links:
            link.tier.close()


def codec_of(urls: Sequence[str]) -> Codec:
    """Opens what these tiers hold; raises `UsageError` without a secret."""
    return Codec(_secret(urls))


def digest_of(urls: Sequence[str], policy: str, key: object) -> str:
    """The name of a key in these tiers; raises `UsageError` without a secret."""
    return digest(_secret(urls), policy, key)


def _secret(urls: Sequence[str]) -> bytes:
    files = [sqlite_path(url) for url in urls if url.startswith("sqlite:")]
    beside = [file for file in files[:1] if file.with_name(f"{file.name}.secret").exists()]
    secret = known_secret(urls if beside else (), "")
    if not secret:
        raise UsageError(
            f"what tiers hold is signed, and its keys are hashed: set {VARIABLE} to the application's secret"
        )
    return secret


def ledger_of(file: Path | None) -> Ledger:
    """The ledger that exists there; raises `UsageError` without one."""
    if file is None:
        raise UsageError(f"no ledger: expected --ledger FILE, or {_LEDGER}")
    if not file.exists():
        raise UsageError(f"{shown(file)}: there is no such ledger; see --ledger")
    return Ledger(file)


def moment(naive: dt.datetime | None) -> dt.datetime | None:
    """A moment of an option, in UTC where it named no zone."""
    return naive.replace(tzinfo=dt.UTC) if naive and naive.tzinfo is None else naive


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person wants this; raises `UsageError` where nobody can be asked and --yes is not given."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            f"{question} Nobody can be asked here: give --yes to do it, --dry-run to look"
        )
    if click.confirm(question, err=True):
        return True
    say("nothing was done")
    return False
