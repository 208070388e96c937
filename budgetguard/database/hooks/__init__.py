"""How each driver is watched: what stands from `install()` on, and what is set while recording."""
