"""Readings of tests without the secrets of the environment: what a body raised may hold a password."""

from dataclasses import replace

from budgetguard.gate.model import Reading
from budgetguard.redaction import Redaction


def without_secrets(reading: Reading) -> Reading:
    """The reading with the names of secret variables where their values stood in its texts."""
    if not (reading.error or reading.evidence or reading.note):
        return reading
    redacted = Redaction()
    return replace(
        reading,
        error=redacted(reading.error),
        evidence=tuple(map(redacted, reading.evidence)),
        note=redacted(reading.note),
    )
