"""A part of all budgets, for one of several jobs: disjoint, complete together, and stable. Pure.

Which part a budget is in follows from its own name alone, so that neither order nor what else
there is moves it. The tests of one file stay together and share their fixtures.
"""

import re
from dataclasses import dataclass

from budgetguard.errors import UsageError

MOST = 1000
SESSION = "pytest"
"""The name that stands for a session of tests which broke; each shard has a session of its own."""
_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    def holds(self, budget: str) -> bool:
        """Whether the budget of this name is in this part; a test goes where its file goes."""
        import hashlib  # only few runs are of a shard, and all of them read this module

        file = budget.partition("::")[0].encode("utf-8", "surrogatepass")
        drawn = int.from_bytes(hashlib.sha256(file).digest()[:8], "big")
        return drawn % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(text: str) -> Shard:
    """The shard that `2/5` means; raises `UsageError`."""
    found = _FORM.fullmatch(text.strip())
    shard = Shard(int(found[1]), int(found[2])) if found else None
    if shard is None or not 1 <= shard.number <= shard.of <= MOST:
        raise UsageError(
            f"--shard {text}: is no shard; expected I/N, the part I of N counted from 1, such as "
            f"1/3 2/3 3/3; at most {MOST}"
        )
    return shard
