"""`budgetguard cache invalidate`: keys, tags or everything, in all processes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from budgetguard.cache.inspection import walk
from budgetguard.cache.tiers.base import Tier, TierError
from budgetguard.cli.cache.options import (
    MOST_BYTES,
    agreed,
    codec_of,
    digest_of,
    json_option,
    namespace_option,
    opened,
    tiers_option,
    yes_option,
)
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError

_INVALIDATE_EPILOG = """\
\b
Examples:
  budgetguard cache invalidate --key article 42 --key article 43
  budgetguard cache invalidate --tag project:7 --yes
  budgetguard cache invalidate --all --dry-run

A digest does not tell its policy, so that a policy cannot be given up as a whole: give its values a tag.

\b
Exit codes:
  0    done
  4    a tier did not hear of it; all others did
"""
_NOT_ALL = 4


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be given up."""

    digests: tuple[str, ...]
    tags: tuple[str, ...]
    everything: bool

    def __str__(self) -> str:
        if self.everything:
            return "everything"
        parts = [_counted(len(self.digests), "key")] if self.digests else []
        return " and ".join([*parts, *(f"all with the tag {tag}" for tag in self.tags)])


@click.command(epilog=_INVALIDATE_EPILOG)
@click.option(
    "--key",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="POLICY KEY",
    help="A key of text; repeatable.",
)
@click.option("--digest", "digests", multiple=True, help="A key as `keys` lists it; repeatable.")
@click.option("--tag", "tags", multiple=True, help="All that has the tag; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All of the namespace.")
@click.option("--dry-run", is_flag=True, help="Tell how much it is, and change nothing.")
@yes_option
@tiers_option
@namespace_option
@json_option
def invalidate(
    *,
    pairs: tuple[tuple[str, str], ...],
    digests: tuple[str, ...],
    tags: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    urls: tuple[str, ...],
    namespace: str,
    as_json: bool,
) -> int:
    """Give up keys, tags or everything, in all processes.

    They hear of it within a second, and a load that is under way is kept nowhere.
    """
    if not (pairs or digests or tags or everything):
        raise UsageError("nothing to invalidate: expected --key, --digest, --tag or --all")
    hashed = tuple(digest_of(urls, policy, key) for policy, key in pairs)
    wish = _Wish((*digests, *hashed), tags, everything)
    with opened(urls, namespace) as tiers:
        if dry_run:
            return _tell(tiers, lambda tier: _count(tier, wish, urls), "would go", as_json=as_json)
        names = ", ".join(tier.name for tier in tiers)
        if not agreed(f"Give up {wish}, in {names}?", yes=yes):
            return 0
        return _tell(tiers, lambda tier: _give_up(tier, wish), "gone", as_json=as_json)


def _count(tier: Tier, wish: _Wish, urls: Sequence[str]) -> int:
    if wish.everything:
        return tier.usage().entries
    found = {digest for digest in wish.digests if tier.get(digest)}
    if wish.tags:
        entries = walk(tier, codec_of(urls), MOST_BYTES)
        found |= {held.digest for held in entries if not set(wish.tags).isdisjoint(held.tags)}
    return len(found)


def _give_up(tier: Tier, wish: _Wish) -> int | None:
    """How many entries it removed; None where tags were, which takes no look at them."""
    if wish.everything:
        return tier.clear()
    removed = tier.delete(wish.digests) if wish.digests else 0
    if wish.tags:
        tier.bump(wish.tags)
        return None
    return removed


def _tell(
    tiers: Sequence[Tier], do: Callable[[Tier], int | None], done: str, *, as_json: bool
) -> int:
    rows, missed = list[dict[str, object]](), False
    for tier in tiers:
        try:
            number = do(tier)
        except TierError as error:
            missed = True
            rows.append({"tier": tier.name, "problem": str(error)})
        else:
            rows.append({"tier": tier.name, "entries": number})
    if as_json:
        say(json.dumps(rows, indent=2))
    else:
        for row in rows:
            say(_line(row, done))
    return _NOT_ALL if missed else 0


def _line(row: dict[str, object], done: str) -> str:
    if "problem" in row:
        return f"{row['tier']}: {style('did not hear of it', 'red')}: {row['problem']}"
    number = row["entries"]
    if not isinstance(number, int):
        return f"{row['tier']}: {done}, however many had a tag"
    return f"{row['tier']}: {_counted(number, 'entry', 'entries')} {done}"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
