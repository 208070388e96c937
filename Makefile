# Everything that a person or CI does with this repository. The two that matter: make demo, make test.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# where it is set, every process of a test would compile all that it imports: twice the time
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test lint matrix bench format clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(READY): pyproject.toml examples/content_app/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "budgetguard needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group dev --editable '.[all]' --editable examples/content_app
	@touch $@

demo: $(READY)  ## check the example application, then break one of its budgets on a copy
	@$(BIN)/python examples/demo.py

test: lint $(READY)  ## every check that a commit has to pass
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=15 $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

matrix: $(READY)  ## the built wheel with no extras, each extra and all, on every Python found
	$(BIN)/python tests/packaging/matrix.py

bench: $(READY)  ## the figures of docs/benchmarks.md, measured here
	$(BIN)/python benchmarks/run_all.py

format: $(READY)  ## let ruff lay out the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

clean:  ## remove what these commands made
	rm -rf $(VENV) .matrix .demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
