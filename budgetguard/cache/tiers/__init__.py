"""The tiers that several processes share, behind one small protocol."""
