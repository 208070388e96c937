"""Names in shared tiers: equal for equal content, and telling nothing of it."""

import pytest

from budgetguard.cache.keys import digest
from budgetguard.errors import UsageError

SECRET = b"0123456789abcdef"


def test_content_decides():
    """Order does not matter, policy and content do."""
    one = digest(SECRET, "p", {"a": 1, "b": [1, 2]})
    assert one == digest(SECRET, "p", {"b": [1, 2], "a": 1})
    others = [
        digest(SECRET, "q", {"a": 1, "b": [1, 2]}),
        digest(SECRET, "p", {"a": 1, "b": [2, 1]}),
        digest(SECRET, "p", "{'a': 1, 'b': [1, 2]}"),
        digest(b"another secret 1", "p", {"a": 1, "b": [1, 2]}),
    ]
    assert len({one, *others}) == 5


@pytest.mark.parametrize(
    "key", ["x" * 10_000, "a\0b", "sk-live-secret", ("t", 1), b"bytes", 7, None]
)
def test_no_key_is_told(key):
    """A name is 48 hexadecimal digits, however long or secret the key is."""
    name = digest(SECRET, "p", key)
    assert len(name) == 48
    assert set(name) <= set("0123456789abcdef")


def test_no_plain_data():
    """What cannot be hashed by content is told."""
    with pytest.raises(UsageError, match="a key of policy 'p' is no plain data"):
        digest(SECRET, "p", object())
