"""Is anything looser after a commit or a push: the limits of a configuration and the recorded values.

`versions` reads both versions out of git, `loosened` compares them. Budgets of tests that stand in
markers are Python code and not read here. `built` looks at bundles before they are pushed.
"""
