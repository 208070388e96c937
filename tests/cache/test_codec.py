"""Nothing that comes out of a shared tier is trusted: what is not ours is a miss, and no code runs."""

import os
import pickle
import tracemalloc
from decimal import Decimal

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.cache.codec import Codec, Damaged, Sealed, pack, unpack
from budgetguard.errors import UsageError

SECRET = b"0123456789abcdef"
MOST = 1 << 20
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def sealed(value, **changed):
    known = {
        "ttl_s": 60.0,
        "stale_s": 0.0,
        "load_s": 0.1,
        "cost_usd": Decimal("0.004"),
        "versions": {"a": 3},
    }
    return Sealed(**{**known, "packed": pack(value, "p"), **changed})  # fmt: skip


def blob(value, key="k", compress_min_bytes=1024):
    return Codec(SECRET).seal(key, sealed(value), compress_min_bytes)


@given(PLAIN, st.sampled_from([0, 1 << 30]))
def test_plain_data_comes_back(value, compress_min_bytes):
    """Whatever plain data goes in comes out, compressed or not, with all that is known of it."""
    found = Codec(SECRET).open("k", blob(value, compress_min_bytes=compress_min_bytes), MOST)
    assert found == sealed(value)
    assert unpack(found.packed, None) == value


def test_what_is_large_is_compressed():
    """A kilobyte of words takes less."""
    assert len(blob("words " * 1000)) < 500
    assert len(blob("words " * 1000, compress_min_bytes=1 << 20)) > 6000


class Evil:
    def __reduce__(self):
        return (os.abort, ())


def _bomb():
    return zstandard.ZstdCompressor().compress(bytes(300_000_000))


HOSTILE = {
    "nothing": lambda _: b"",
    "a pickle that would end the process": lambda _: pickle.dumps(Evil()),
    "a foreign version": lambda good: b"BGC9" + good[4:],
    "another key's": lambda _: blob("x", key="other"),
    "cut": lambda good: good[:-1],
    "head only": lambda good: good[:20],
    "a flipped bit": lambda good: good[:-1] + bytes([good[-1] ^ 1]),
    "another kind": lambda good: good[:4] + b"\x00" + good[5:],
    "another secret": lambda _: Codec(b"f" * 16).seal("k", sealed("x"), 1024),
    "larger than allowed": lambda good: good + bytes(2 * MOST),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_not_ours_is_damaged(kind):
    """Each of them is refused, at the cost of less than a mebibyte."""
    found = HOSTILE[kind](blob("words " * 1000))
    codec = Codec(SECRET)
    tracemalloc.start()
    with pytest.raises(Damaged):
        codec.open("k", found, MOST)
    assert tracemalloc.get_traced_memory()[1] < MOST
    tracemalloc.stop()


def test_a_bomb_that_is_signed():
    """Also what has our secret is not unpacked where it says, or turns out, that it is too large."""
    codec = Codec(SECRET)
    body = _bomb()
    whole = b"BGC1\x01" + codec._tag("k", b"\x01", body) + body
    with pytest.raises(Damaged, match="larger than allowed"):
        codec.open("k", whole, MOST)
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    body = stream.compress(bytes(30_000_000)) + stream.flush()
    whole = b"BGC1\x01" + codec._tag("k", b"\x01", body) + body
    with pytest.raises(Damaged):
        codec.open("k", whole, MOST)


@given(st.binary(max_size=200))
def test_any_bytes(found):
    """No bytes at all do anything but miss."""
    with pytest.raises(Damaged):
        Codec(SECRET).open("k", found, MOST)


def test_what_cannot_leave_the_process():
    """An object that is no plain data is told with what would help."""
    with pytest.raises(UsageError, match=r"a value of policy 'p' cannot be copied.*copies=False"):
        pack(object(), "p")
