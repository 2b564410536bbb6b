# make run: tonight's decision on a simulated market. make test: the whole suite. Everything installs itself once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test lint ui docs screenshots bench soak install clean
.DEFAULT_GOAL := run

run: $(INSTALLED)
	$(BIN)/rotation run

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 3 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint dbt/models dbt/tests warehouse/queries --config dbt/.sqlfluff

ui: $(INSTALLED)
	$(BIN)/rotation ui

docs: $(INSTALLED)
	$(BIN)/python docs/site_builder/build.py

# the pictures of the documentation, from the tests that drive the browser
screenshots: $(INSTALLED)
	SCREENSHOTS_TO=docs/img $(BIN)/python -m pytest -m browser tests/browser

bench: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks

soak: $(INSTALLED)
	$(BIN)/python -m tests.soak

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) dbt/target dbt/logs site
