"""Names under which shared tiers hold values: digests, from which no key and no secret in it can be read."""

import hashlib

import msgspec

from budgetguard.errors import UsageError

_canonical = msgspec.msgpack.Encoder(order="deterministic")
_DIGEST_BYTES = 24
_LONGEST_SECRET = hashlib.blake2b.MAX_KEY_SIZE


def digest(secret: bytes, policy: str, key: object) -> str:
    """The name of a key of a policy: equal for equal content, whatever the order of its dicts and sets.

    Raises `UsageError` for a key that is no plain data.
    """
    try:
        content = _canonical.encode((policy, key))
    except (TypeError, OverflowError, ValueError) as error:
        raise UsageError(
            f"a key of policy {policy!r} is no plain data: {error}; expected text, numbers, lists and "
            f"dicts of them, or dataclasses"
        ) from None
    hashed = hashlib.blake2b(content, key=secret[:_LONGEST_SECRET], digest_size=_DIGEST_BYTES)
    return hashed.hexdigest()


def etag(packed: bytes) -> str:
    """A strong validator of a value (RFC 9110, 8.8.3), from its bytes."""
    return f'"{hashlib.blake2b(packed, digest_size=16).hexdigest()}"'
