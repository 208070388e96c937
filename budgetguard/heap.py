"""The garbage collector's permanent generation, lent for a measurement."""

import gc

_OF_THE_INTERPRETER = 1000
"""CPython 3.12 starts with some 400 frozen objects; a program that freezes its own has many more."""


def freeze() -> bool:
    """Take what lives now out of the collector's sight, after a collection; tell whether it was done.

    Where a program has frozen objects of its own they stay as they are: `gc.unfreeze()`, which the
    caller owes when this was done, would let them go.
    """
    gc.collect()
    if gc.get_freeze_count() > _OF_THE_INTERPRETER:
        return False
    gc.freeze()
    return True
