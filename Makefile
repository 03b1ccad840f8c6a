# Everything a newcomer needs: Python 3.11 or newer and make.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/installed
WORKERS ?= 2

.PHONY: help demo install test lint bench growth stress fuzz clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: $(INSTALLED) ## start everything with sample data on SQLite (options: ARGS="--port 8001")
	@$(BIN)/fhir-lab demo $(ARGS)

install: $(INSTALLED) ## make the environment in .venv

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "FHIR Lab needs Python 3.11 or newer; set PYTHON to one."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Installing into .venv (once; a minute or two) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[dev,flower]' --constraint constraints.txt
	@touch $@

test: $(INSTALLED) ## run the whole suite on SQLite, PostgreSQL and Redis (options: ARGS="tests/search -x")
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

lint: $(INSTALLED) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED) ## measure against the budget, on PostgreSQL
	$(BIN)/python -m benchmarks $(ARGS)

growth: $(INSTALLED) ## measure how searches grow from 10,000 to a million Observations (half an hour or more)
	$(BIN)/python -m benchmarks.growth $(ARGS)

stress: $(INSTALLED) ## let writers and pagers meet for a minute on each database (options: ARGS="--seconds 10")
	$(BIN)/python -m tests.support.stress $(ARGS)

fuzz: $(INSTALLED) ## send hostile requests to every operation, results to docs/ (options: ARGS="--examples 20")
	$(BIN)/python -m tests.support.fuzz_everything $(ARGS)

clean: ## remove the environment and caches; the data in var/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
