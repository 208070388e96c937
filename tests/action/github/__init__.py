"""A stateful fake of the part of GitHub's REST API that the Action calls; see fake_github.py."""
