# A new user needs two of these: `make quickstart` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Bytecode is compiled once here: else the six processes of the first Ray would all compile the same thousand files at once.
# uv installs in a tenth of pip's time; where it cannot (a platform without wheels, an index that only pip knows) pip does.
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) || $(BIN)/pip install --quiet $(1)

.PHONY: help quickstart test lint types imports check examples slow swarm bench bench-peers docs dist clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

$(VENV)/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tuner needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "installing into $(VENV) (once; a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1" uv
	@$(call INSTALL,-e .)
	@touch $@

$(VENV)/dev: $(VENV)/base
	@echo "installing what the tests need"
	@$(call INSTALL,--group dev)
	@touch $@

quickstart: $(VENV)/base ## tune XGBoost on a real table: 40 trials, a model, under two minutes
	@$(BIN)/tuner run examples/quickstart.yaml --new

test: $(VENV)/dev ## the everyday tests, under ten minutes
	@$(BIN)/python -m pytest -q -m "not slow"

slow: $(VENV)/dev ## the tests that take longer
	@$(BIN)/python -m pytest -q -m slow

swarm: $(VENV)/dev ## 5,000 random worlds
	@$(BIN)/python -m pytest -q tests/test_swarm.py --swarm-seeds 5000

lint: $(VENV)/dev ## style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/dev ## mypy, strict
	@$(BIN)/mypy

imports: $(VENV)/dev ## the floors of the house
	@$(BIN)/lint-imports

check: lint types imports ## all three

examples: $(VENV)/dev ## run every example
	@$(BIN)/python examples/run_all.py

$(VENV)/bench: $(VENV)/dev
	@$(call INSTALL,--group bench)
	@touch $@

bench: $(VENV)/bench ## the benchmarks; results in benchmarks/results
	@$(BIN)/python -m benchmarks.run_all

bench-peers: $(VENV)/bench ## the other searches' runs, in .venv-peers, then the tables with them
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet -r benchmarks/peers.txt
	@for name in search_quality early_stopping; do .venv-peers/bin/python -m benchmarks.$$name; $(BIN)/python -m benchmarks.$$name; done
	@$(BIN)/python -m benchmarks.report

dist: $(VENV)/dev ## build the wheel and look into it
	@$(BIN)/python -m pytest -q -m slow tests/test_search_spaces.py

clean: ## remove what these targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis .import_linter_cache
