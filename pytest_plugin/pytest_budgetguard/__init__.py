"""The pytest plugin of budgetguard. `plugin.py` is all that an idle run imports."""
