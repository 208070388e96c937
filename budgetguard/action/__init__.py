"""The GitHub Action: what `action.yml` runs, so that the YAML holds no logic.

`install.py` brings budgetguard into the project's environment, `flow.py` measures and tells,
`posting.py` comments. Everything of GitHub comes in by the environment and goes out by files.
"""
