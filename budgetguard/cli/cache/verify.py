"""`budgetguard cache verify`: which entries nobody can trust."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from budgetguard.cache.codec import UNSIGNED, Codec
from budgetguard.cache.inspection import walk
from budgetguard.cache.opening import VARIABLE
from budgetguard.cache.tiers.base import Tier
from budgetguard.cli.cache.options import (
    MOST_BYTES,
    agreed,
    codec_of,
    json_option,
    namespace_option,
    opened,
    tiers_option,
    yes_option,
)
from budgetguard.cli.project import watched
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError

_VERIFY_EPILOG = """\
\b
Examples:
  budgetguard cache verify
  budgetguard cache verify --remove --yes

\b
Exit codes:
  0    every entry is sound
  1    some are not, and stay; to an application each is a miss
  4    a tier does not answer
"""
_SOUND, _OUTDATED = "sound", "outdated"
_MOST_REMOVED = 100_000
_UNSOUND = 1


@dataclass(slots=True)
class _Finding:
    """What one tier holds, and the digests of what is unsound."""

    tier: Tier
    counts: Counter[str] = field(default_factory=Counter)
    unsound: list[str] = field(default_factory=list)

    @property
    def foreign(self) -> bool:
        """Whether not one entry is ours: then it is the secret that is wrong."""
        return set(self.counts) == {UNSIGNED}


@click.command(epilog=_VERIFY_EPILOG)
@click.option("--remove", is_flag=True, help="Remove what is unsound.")
@yes_option
@tiers_option
@namespace_option
@json_option
def verify(*, remove: bool, yes: bool, urls: tuple[str, ...], namespace: str, as_json: bool) -> int:
    """Open every entry, and tell which nobody can trust.

    Sound is what is signed with the secret, of its own key, and can be read. What is outdated, too, is
    sound; a tag of it was invalidated.
    """
    codec = codec_of(urls)
    with opened(urls, namespace) as tiers:
        found = watched(lambda watch: [_verified(tier, codec, watch) for tier in tiers])
        if as_json:
            rows = [{"tier": one.tier.name, "entries": dict(one.counts)} for one in found]
            say(json.dumps(rows, indent=2))
        else:
            for one in found:
                say(_line(one))
        unsound = sum(len(one.unsound) for one in found)
        if not unsound:
            return 0
        return _removed(found, yes=yes) if remove else _UNSOUND


def _verified(tier: Tier, codec: Codec, watch: Callable[[str], None]) -> _Finding:
    finding = _Finding(tier)
    for held in walk(tier, codec, MOST_BYTES):
        finding.counts[held.problem or (_OUTDATED if held.outdated else _SOUND)] += 1
        if held.problem and len(finding.unsound) < _MOST_REMOVED:
            finding.unsound.append(held.digest)
        watch(f"{finding.counts.total():,} entries of {tier.name} opened")
    return finding


def _line(found: _Finding) -> str:
    if not found.counts:
        return f"{found.tier.name}: no entries"
    parts = [
        f"{number:,} {what if what in (_SOUND, _OUTDATED) else style(what, 'red')}"
        for what, number in found.counts.most_common()
    ]
    return f"{found.tier.name}: {', '.join(parts)}"


def _removed(found: list[_Finding], *, yes: bool) -> int:
    for one in found:
        if one.foreign:
            raise UsageError(
                f"{one.tier.name}: not one entry is signed with this secret; nothing was removed. See that "
                f"{VARIABLE} is the application's; if it is, run: budgetguard cache invalidate --all"
            )
    unsound = sum(len(one.unsound) for one in found)
    if not agreed(f"Remove {unsound:,} that nobody can trust?", yes=yes):
        return _UNSOUND
    for one in found:
        if one.unsound:
            one.tier.delete(one.unsound)
    click.echo(f"removed {unsound:,}", err=True)
    return 0
