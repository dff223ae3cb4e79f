.DEFAULT_GOAL := help
PYTHON ?= python
SITE ?= site
DIST ?= dist

.PHONY: help install check lint types contracts test docs wheel format

help:  ## show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install:  ## editable install with everything a developer needs
	$(PYTHON) -m pip install -e '.[dev]'

check: lint types contracts test docs wheel  ## what CI runs, word for word

lint:  ## ruff: rules and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## mypy, strict
	$(PYTHON) -m mypy

contracts:  ## imports go down only
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command; sys.argv = ['lint-imports', '--no-cache']; lint_imports_command()"

test:  ## the test suite with coverage
	$(PYTHON) -m pytest --cov --cov-report=term --cov-fail-under=90

docs:  ## the documentation, strict
	$(PYTHON) -m mkdocs build --strict --site-dir $(SITE)

wheel:  ## build the wheel and the source distribution
	$(PYTHON) -m build --outdir $(DIST) .

format:  ## let ruff rewrite
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
