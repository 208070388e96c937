"""The laboratory: how often verdicts on time are wrong, ours and those of the peers.

`python -m benchmarks.verdict --minutes 30` measures and tells; `__main__.py` says the rest.
"""
