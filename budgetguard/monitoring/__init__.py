"""What code keeps: bytes a call retains (`leaks`) and what a block leaves open (`resources`)."""

from budgetguard.monitoring.leaks import Leak, LeakProbe, measure
from budgetguard.monitoring.resources import Left, Tracked, track

__all__ = ["Leak", "LeakProbe", "Left", "Tracked", "measure", "track"]
