"""What our files are called, for those that may load nothing else, such as the hooks of a commit."""

YAML_NAME = "budgetguard.yml"
TOML_NAME = "pyproject.toml"
BASELINE_NAME = "budgetguard.baseline.json"
