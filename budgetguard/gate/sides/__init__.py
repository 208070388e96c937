"""Base and head: how the base is made, and how both are run in turn."""
