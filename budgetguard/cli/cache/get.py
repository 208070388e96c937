"""`budgetguard cache get`: the value of a key, and what is known of it."""

import json
from collections.abc import Sequence

import click
import msgspec

from budgetguard.cache.codec import Codec, unpack
from budgetguard.cache.inspection import Held, look
from budgetguard.cache.keys import etag
from budgetguard.cache.tiers.base import Tier, TierError
from budgetguard.cli.cache.figures import life, plain, size, usd
from budgetguard.cli.cache.options import (
    MOST_BYTES,
    codec_of,
    digest_of,
    json_option,
    namespace_option,
    opened,
    tiers_option,
)
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError

_GET_EPILOG = """\
\b
Examples:
  budgetguard cache get article 42 --raw
  budgetguard cache get search --json-key '["python", 10]' --json
  budgetguard cache get --digest 5f2c0e...

\b
Exit codes:
  0    found
  1    no tier holds it
  4    a tier that may hold it does not answer
"""
_NOT_HELD, _UNKNOWN = 1, 4


@click.command(epilog=_GET_EPILOG)
@click.argument("policy", required=False)
@click.argument("key", required=False)
@click.option("--json-key", help="The key, where it is a number, a list or an object.")
@click.option("--digest", help="The key as `keys` lists it, in place of policy and key.")
@click.option("--raw", is_flag=True, help="Print the value alone; text without quotes.")
@tiers_option
@namespace_option
@json_option
def get(
    policy: str | None,
    key: str | None,
    *,
    json_key: str | None,
    digest: str | None,
    raw: bool,
    urls: tuple[str, ...],
    namespace: str,
    as_json: bool,
) -> int:
    """Show the value of a KEY of a POLICY, from the first tier that holds it.

    A key of text is given as it is. Nothing is loaded, promoted or counted.
    """
    with opened(urls, namespace) as tiers:
        name = digest or digest_of(urls, *_asked(policy, key, json_key))
        found, problems = _first(tiers, name, codec_of(urls))
    for problem in problems:
        click.echo(problem, err=True)
    if found is None:
        click.echo(f"no tier holds it; {name} is its digest", err=True)
        return _UNKNOWN if problems else _NOT_HELD
    held, packed = found
    value = unpack(packed, None)
    if as_json:
        say(json.dumps({**plain(held), "etag": etag(packed), "value": _builtins(value)}, indent=2))
    elif raw:
        say(value if isinstance(value, str) else json.dumps(_builtins(value)))
    else:
        say(style(_about(held, packed), "dim"))
        say(json.dumps(_builtins(value), indent=2, ensure_ascii=False))
    return 0


def _asked(policy: str | None, key: str | None, json_key: str | None) -> tuple[str, object]:
    if policy is None or (key is None) == (json_key is None):
        raise UsageError("expected POLICY KEY, POLICY --json-key JSON, or --digest DIGEST")
    if json_key is None:
        return policy, key
    try:
        return policy, json.loads(json_key)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--json-key: no JSON: {error}") from None


def _first(
    tiers: Sequence[Tier], name: str, codec: Codec
) -> tuple[tuple[Held, bytes] | None, list[str]]:
    """What the first tier holds that can be trusted and is not outdated; and why others were passed."""
    problems = []
    for tier in tiers:
        try:
            found = look(tier, name, codec, MOST_BYTES)
        except TierError as error:
            problems.append(f"down: {error}")
            continue
        if found is None:
            continue
        held, _ = found
        if not held.problem and not held.outdated:
            return found, problems
        click.echo(f"{tier.name}: {held.problem or 'outdated by a tag'}; a miss", err=True)
    return None, problems


def _builtins(value: object) -> object:
    """What JSON has no type for, such as bytes and moments, becomes text."""
    return msgspec.to_builtins(value, str_keys=True)


def _about(held: Held, packed: bytes) -> str:
    parts = [
        f"in {held.tier}",
        f"{life(held.age_s) if held.age_s else '0 s'} old",
        f"{life(held.left_s)} left" if held.left_s > 0 else "stale",
        f"{usd(held.cost_usd)} USD",
        size(held.stored_bytes),
        f"etag {etag(packed)}",
    ]
    return " · ".join([*parts, *(f"tag {tag}" for tag in held.tags)])
