# make demo    install into .venv and write the demonstration into demo/
# make test    lint, types, layers, doctests and tests: what a merge must pass
#
# Needs Python 3.11 or newer and make, nothing else. Another interpreter: PYTHON=python3.12 make test

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# Stamps: what is installed is not installed again. The first carries the version, so that another PYTHON
# makes a new environment instead of running silently in the old one.
MADE := $(VENV)/.made-$(VERSION)
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
TORCH := $(VENV)/.torch
DOCS := $(VENV)/.docs
READERS := $(VENV)/.readers

.PHONY: demo docs test test-all test-page lint types layers format bench install torch clean help
.DEFAULT_GOAL := help

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "also: make docs, test-all, test-page, lint, format, bench, install, torch, clean"

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "rheobase needs Python 3.11 or newer; '$(PYTHON)' is '$(VERSION)'. Try: PYTHON=python3.12 make $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(CORE): $(MADE) pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(DEV): $(CORE)
	$(INSTALL) --editable '.[dev]'
	@touch $@

# constraints.txt holds the version
$(TORCH): $(DEV)
	$(INSTALL) --editable '.[torch]'
	@touch $@

$(READERS): $(TORCH)
	$(INSTALL) --editable '.[readers]'
	@touch $@

$(DOCS): $(TORCH)
	$(INSTALL) --editable '.[docs]'
	@touch $@

install: $(DEV)

torch: $(TORCH)

demo: $(CORE)
	$(BIN)/rheobase demo --out demo/

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

layers: $(DEV)
	$(BIN)/lint-imports --no-logo

test: lint types layers $(TORCH)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -n $(JOBS) --durations=10

# everything: training, too, and what reads the formats of other programs
test-all: lint types layers $(TORCH) $(READERS)
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(JOBS) --durations=20 -m ""

# warnings are errors; the examples are drawn anew
docs: $(DOCS)
	$(BIN)/sphinx-build -W --keep-going -b html -j auto docs docs/_build/html
	@echo "docs/_build/html/index.html"

# the page in a real browser; needs Node and Chromium (CHROMIUM=/path/to/it)
test-page: $(DEV)
	cd tools/page && npm ci --no-audit --no-fund
	$(BIN)/python -m pytest -m slow tests/page

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# one after the other, alone on the machine: two at once would measure each other
BENCHES := $(sort $(wildcard bench/[a-z]*.py))
bench: $(DEV)
	@set -e; for script in $(BENCHES); do echo "== $$script"; $(BIN)/python $$script; done

clean:
	rm -rf $(VENV) demo build dist docs/_build docs/_drawn docs/examples docs/reference .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench examples docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
