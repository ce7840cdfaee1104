# Needs nothing but Python 3.11+ and make. The first call of a target sets up .venv with what it
# needs; later calls find it there.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo dev run test test-fast lint format clean

demo: .venv/core  ## a week of synthetic playlists, without any account
	$(BIN)/spotify-pipeline demo

dev: .venv/core  ## the Dagster UI on http://127.0.0.1:3000
	$(BIN)/spotify-pipeline dev

run: .venv/core  ## today's graph in this process
	$(BIN)/spotify-pipeline run

test: .venv/dev  ## everything that needs no account
	$(BIN)/pytest --numprocesses 2

test-fast: .venv/dev  ## the inner loop
	$(BIN)/pytest --numprocesses 2 -m "not slow"

lint: .venv/dev  ## style, types, and which room may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## takes away what make made; your data in .local stays
	rm -rf .venv .demo

.venv/core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/dev: .venv/core
	$(PIP) -e '.[dev,aws,spark]'
	@touch $@
