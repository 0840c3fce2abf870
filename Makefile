# make demo | test | check | bench: each makes .venv and installs what it needs.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CODE := ebs_core actions nas_backends nas_simulator ebs_server migrations tests
WORKERS ?= 2

.PHONY: demo test check bench migrations clean


demo: $(VENV)/.ebs
	$(BIN)/ebs demo

test: $(VENV)/.test
	sh tests/install_packages.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check: $(VENV)/.check migrations
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

# The migrations and the tables in code say the same.
migrations: $(VENV)/.check
	$(BIN)/python -m tests.check_migrations

bench: $(VENV)/.test
	sh tests/install_packages.sh
	$(BIN)/python -m tests.bench $(ARGS)

$(BIN)/python:
	sh tests/make_venv.sh $(VENV)

$(VENV)/.ebs: $(BIN)/python setup.cfg pyproject.toml
	$(PIP) install --editable .
	touch $@

$(VENV)/.test: $(VENV)/.ebs
	$(PIP) install --editable '.[test]'
	touch $@

$(VENV)/.check: $(VENV)/.ebs
	$(PIP) install --editable '.[check,test]'
	touch $@ $(VENV)/.test

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
