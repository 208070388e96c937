"""Takes secrets out of text before it is shown: the values of environment variables become names."""

import os
import re
from collections.abc import Iterable, Mapping

_SHORTEST = 4
_SURE = 8
"""A value this long is no word of ordinary text; a shorter one counts only where it stands alone."""
_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|(?:^|_)KEYS?(?:_|$)", re.IGNORECASE
)


_CUT = r"(?:\.\.\.|…)"
"""What pytest and others put where they have cut a line, maybe in the middle of a secret."""


class Redaction:
    """Replaces the values of environment variables in text by their names.

    All of `env`, and those of our own environment, as it is now, that are called like a secret;
    nothing shorter than four characters, which would only make text unreadable. A value that was
    coded (base64, %40 in an address) or broken over two lines before it was printed is not found.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        named = {name: value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
        known = [*named.items(), *(env or {}).items()]
        self._names = {value: name for name, value in known if len(value) >= _SHORTEST}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._whole = _any(map(_whole, longest_first))
        self._begun = _any(_begun(value) for value in longest_first if len(value) > _SURE)

    def __call__(self, text: str) -> str:
        """The text with `$NAME` wherever a value stood."""
        if self._whole is None:
            return text
        text = self._whole.sub(lambda found: f"${self._names[found[0]]}", text)
        return text if self._begun is None else self._begun.sub(self._cut, text)

    def _cut(self, found: re.Match[str]) -> str:
        begun = found[0].rstrip(".…")
        names = (name for value, name in self._names.items() if value.startswith(begun))
        name = next(names, "")
        return f"${name}…" if name else found[0]


def _any(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(patterns)
    return re.compile(joined) if joined else None


def _whole(value: str) -> str:
    """The pattern of one value; SECRET_KEY=test must not eat the name of every test."""
    pattern = re.escape(value)
    return pattern if len(value) >= _SURE else rf"(?<!\w){pattern}(?!\w)"


def _begun(value: str) -> str:
    """The pattern of a value that was cut."""
    return rf"{re.escape(value[:_SURE])}.*?{_CUT}"
