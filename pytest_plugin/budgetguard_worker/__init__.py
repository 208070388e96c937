"""One side of a comparison: runs a project's real pytest items and serves rounds of their bodies.

Started by path with that side's interpreter, so it imports the standard library and the environment's
pytest only, and nothing of ours is on `sys.path`.
"""
