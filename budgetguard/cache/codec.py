"""The format in which a value leaves the process: authenticated, compressed above a size, never pickled.

`BGC1`, a byte that says whether the body is compressed, 32 bytes of HMAC-SHA256 over key, byte and body,
and the body: a MessagePack array of what is known of the value, the value last. Nothing of the body is
read before the HMAC has been found right, and nothing is unpacked that says it is larger than allowed.
"""

import hashlib
import hmac
import threading
from decimal import Decimal
from typing import Any

import msgspec
import zstandard

from budgetguard.errors import UsageError

_MAGIC = b"BGC1"
_RAW, _ZSTD = b"\x00", b"\x01"
_TAG_BYTES = hashlib.sha256().digest_size
_HEAD_BYTES = len(_MAGIC) + 1 + _TAG_BYTES
_LEVEL = 3
_ALLOWANCE_BYTES = 64 * 1024
"""What is known of a value takes less."""
UNSIGNED = "not signed with our secret"
_TOO_LARGE = "larger than allowed"
PLAIN = (str, bytes, int, float, bool, type(None))
"""What nobody can change, so that one object can be given to all."""


class Damaged(Exception):
    """Bytes that this cache has not written so, whatever the reason; a miss, and never an error."""


class Sealed(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What a shared tier holds of a value."""

    ttl_s: float
    stale_s: float
    load_s: float
    cost_usd: Decimal
    versions: dict[str, int]
    """Of its tags, in the tier that holds it, when it was begun to be loaded."""
    packed: bytes


_encode = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(Sealed)


class Codec:
    """Seals and opens values with a secret that all who share them have."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._local = threading.local()

    def seal(self, key: str, what: Sealed, compress_min_bytes: int) -> bytes:
        """The bytes of a value under a key."""
        kind, body = _RAW, _encode.encode(what)
        if len(body) >= compress_min_bytes:
            smaller = self._zstd().compress(body)
            if len(smaller) < len(body):
                kind, body = _ZSTD, smaller
        return b"".join((_MAGIC, kind, self._tag(key, kind, body), body))

    def open(self, key: str, blob: bytes, max_value_bytes: int) -> Sealed:
        """The value in these bytes; raises `Damaged` for anything that `seal` did not make of this key."""
        most = max_value_bytes + _ALLOWANCE_BYTES
        if len(blob) > most + _HEAD_BYTES:
            raise Damaged(_TOO_LARGE)
        if not blob.startswith(_MAGIC):
            raise Damaged("not of this format")
        kind, tag = blob[len(_MAGIC) : len(_MAGIC) + 1], blob[len(_MAGIC) + 1 : _HEAD_BYTES]
        body = blob[_HEAD_BYTES:]
        if not hmac.compare_digest(tag, self._tag(key, kind, body)):
            raise Damaged(UNSIGNED)
        try:
            return _decode.decode(self._inflated(body, most) if kind == _ZSTD else body)
        except (msgspec.MsgspecError, zstandard.ZstdError) as error:
            raise Damaged(f"signed, and cannot be read: {error}") from None

    def _inflated(self, body: bytes, most: int) -> bytes:
        # max_output_size alone is ignored where a frame states its size: 9 kB became 300 MB
        if zstandard.get_frame_parameters(body).content_size > most:
            raise Damaged(_TOO_LARGE)
        return bytes(self._unzstd().decompress(body, max_output_size=most))

    def _tag(self, key: str, kind: bytes, body: bytes) -> bytes:
        signed = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in (key.encode(), b"\x00", kind, body):
            signed.update(part)
        return signed.digest()

    def _zstd(self) -> zstandard.ZstdCompressor:
        """One for each thread: they are not made to be shared."""
        if not hasattr(self._local, "zstd"):
            self._local.zstd = zstandard.ZstdCompressor(level=_LEVEL)
        return self._local.zstd  # type: ignore[no-any-return]  # threading.local has no types

    def _unzstd(self) -> zstandard.ZstdDecompressor:
        if not hasattr(self._local, "unzstd"):
            self._local.unzstd = zstandard.ZstdDecompressor()
        return self._local.unzstd  # type: ignore[no-any-return]  # threading.local has no types


def pack(value: object, policy: str) -> bytes:
    """A value as MessagePack; raises `UsageError` for what is no plain data."""
    try:
        return _encode.encode(value)
    except (TypeError, OverflowError, ValueError, RecursionError) as error:
        raise UsageError(
            f"a value of policy {policy!r} cannot be copied: {error}; load plain data or dataclasses, "
            f"or keep it as it is: Policy(places={{Place.MEMORY}}, copies=False)"
        ) from None


def unpack(packed: bytes, kind: Any) -> Any:
    """The value of its bytes, as a new object; raises `Damaged` where it is no longer of the type `kind`."""
    try:
        return msgspec.msgpack.decode(packed, type=Any if kind is None else kind)
    except msgspec.MsgspecError as error:
        raise Damaged(str(error)) from None
