.DEFAULT_GOAL := help
PYTHON ?= python
SITE ?= site
DIST ?= dist
COVERAGE ?= coverage.json
ENGINE ?= docker
UPGRADE ?=
BENCH ?= runs/benchmarks
BENCH_OPTIONS ?=
MNIST ?=
SBOM ?= sbom.cdx.json
ADVISORIES ?= required
LOWEST ?= lowest.txt
AUDIT = $(PYTHON) -m pip_audit --strict --no-deps --disable-pip --progress-spinner off

.PHONY: help install check lint types contracts test suite bench docs wheel audit sbom format pins lowest image

help:  ## show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install:  ## editable install with everything a developer needs
	$(PYTHON) -m pip install -e '.[dev]'

check: ADVISORIES = optional
check: lint types contracts suite docs wheel sbom audit  ## what CI runs, word for word

lint:  ## ruff: rules and format; hadolint: the Dockerfile
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	"$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/hadolint" Dockerfile

types:  ## mypy, strict
	$(PYTHON) -m mypy

contracts:  ## imports go down only
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command; sys.argv = ['lint-imports', '--no-cache']; lint_imports_command()"

test:  ## the fast tests, for one's own loop
	$(PYTHON) -m pytest -m 'not slow'

suite:  ## all tests, with coverage
	$(PYTHON) -m slipcover --json --out $(COVERAGE) -m pytest -m 'not compiled'
	$(PYTHON) -m slipcover --merge $(COVERAGE) --out $(COVERAGE) --fail-under 90
	$(PYTHON) -m pytest -m compiled -n 0

bench:  ## every benchmark of speed, into the folder BENCH (BENCH_OPTIONS=--quick: that they run; MNIST=DIR: on real data)
	for each in startup memory throughput scaling gpu_check parzen $(if $(MNIST)$(BENCH_OPTIONS),time_to_score); do \
	  case $$each in memory | throughput | time_to_score) root='$(MNIST:%=--root %)' ;; *) root= ;; esac; \
	  $(PYTHON) -m benchmarks.$$each --out $(BENCH) $$root $(BENCH_OPTIONS) || exit; \
	done

docs:  ## the documentation, strict
	$(PYTHON) -m mkdocs build --strict --site-dir $(SITE)

wheel:  ## build the wheel and the source distribution, and look at both
	$(PYTHON) -m build --outdir $(DIST) .
	$(PYTHON) -m twine check --strict $(DIST)/lit_gan-*
	$(PYTHON) -m check_wheel_contents $(DIST)/lit_gan-*.whl

# The first line asks nothing: it fails where pip-audit itself does. What was found always fails; where the audit did not end,
# no answer for one package that the index has means that there is no index.
audit:  ## known weaknesses of the pinned packages (ADVISORIES=optional: no failure where their index cannot be reached)
	@said=$$($(AUDIT) --dry-run --requirement constraints.txt 2>&1) || { echo "$$said" >&2; exit 1; }
	@said=$$($(AUDIT) --requirement constraints.txt 2>&1) && { echo "$$said"; exit; }; \
	echo "$$said" >&2; \
	case $$said in *Found*known*vulnerabilit*) echo 'audit: a weakness of a pinned package is known: see above' >&2; exit 1;; esac; \
	one=$$(mktemp); grep '^torch==' constraints.txt >"$$one"; \
	if [ -n "$$($(AUDIT) --requirement "$$one" --format json 2>/dev/null)" ]; then \
	  rm "$$one"; echo 'audit: it did not end: see above' >&2; exit 1; \
	fi; \
	rm "$$one"; echo 'audit: the index of advisories cannot be reached: the pinned packages were NOT audited' >&2; \
	[ $(ADVISORIES) = optional ]

sbom:  ## what the image is made of, as a CycloneDX bill of materials, in SBOM
	$(PYTHON) -m cyclonedx_py requirements constraints.txt --pyproject pyproject.toml --output-reproducible --output-file $(SBOM)

format:  ## let ruff rewrite
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

pins:  ## constraints.txt anew, for the container (needs uv); with UPGRADE=--upgrade the newest versions
	echo hatchling | uv pip compile pyproject.toml - --extra sweep --quiet $(UPGRADE) --python-version 3.13 \
	  --python-platform x86_64-manylinux_2_28 --custom-compile-command 'make pins' --output-file constraints.txt

lowest:  ## the lowest versions that pyproject.toml allows, in LOWEST (needs uv): there the fast tests pass, too
	uv pip compile pyproject.toml --extra test --extra sweep --quiet --resolution lowest-direct --custom-compile-command 'make lowest' \
	  --python-version 3.11 --output-file $(LOWEST)

image:  ## the container image (ENGINE=podman for another engine)
	$(ENGINE) build --tag lit-gan --label org.opencontainers.image.revision=$$(git rev-parse HEAD) .
