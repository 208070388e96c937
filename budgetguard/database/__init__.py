"""What a program asks of its database: counted, timed and grouped by the line that asked."""

from budgetguard.database.recorder import install, record, uninstall
from budgetguard.database.recording import N_PLUS_ONE_AT, Group, Recording

__all__ = ["N_PLUS_ONE_AT", "Group", "Recording", "install", "record", "uninstall"]
