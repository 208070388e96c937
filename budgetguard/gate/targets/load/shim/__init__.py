"""What is loaded into locust in front of the user's locustfile; never imported outside of locust.

Only `budgetguard_shim.py` is named on locust's command line. It needs nothing of ours installed
where locust runs: locust itself and the standard library are enough.
"""
