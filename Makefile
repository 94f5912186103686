.DEFAULT_GOAL := help
.PHONY: help run test test-all coverage check proof mutants messages screenshots bench bench-data bench-admin clean

VENV := .venv
PY := $(VENV)/bin/python
RUNNABLE := $(VENV)/.runnable
TESTABLE := $(VENV)/.testable
BENCHABLE := $(VENV)/.benchable
# npm's packages for the tests: of generated clients, and a provider that staff sign on at.
CLIENTS := .data/clients
# Gets what this machine lacks beside Python's packages: run, test, proof, messages and pictures are its lists.
GET := $(PY) requirements/system.py
# Else each of the processes that tests start would compile all of the project again.
unexport PYTHONDONTWRITEBYTECODE
# More arguments for pytest: make test ARGS="-k placement -x"; those marked slow: make test-all ARGS=...
ARGS ?=
PYTEST = $(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder
# How many orders `make bench-data` makes.
ORDERS ?= 1000000

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: $(RUNNABLE) ## Start everything on this machine: PORT=8001 make run; Ctrl-C ends it
	@$(GET) run
	@$(PY) manage.py quickstart

test: $(TESTABLE) ## Run the tests, but for those of whole systems
	@$(GET) test
	@$(MAKE) --no-print-directory $(CLIENTS)/.installed
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(TESTABLE) ## Run every test, which takes three times as long; fails under 100 % coverage of services, storage and models
	@$(GET) test-all
	@$(MAKE) --no-print-directory $(CLIENTS)/.installed
	@$(PYTEST) --cov --cov-report= $(ARGS)
	@$(PY) -m coverage report --include='orders/services/*,orders/storage/*,orders/models/*' --fail-under=100

coverage: $(TESTABLE) ## Run every test with all code measured, which takes twice as long; fails under 95 % coverage
	@$(GET) test-all
	@$(MAKE) --no-print-directory $(CLIENTS)/.installed
	@TRACED=all COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml $(PYTEST) --cov --cov-report=term --cov-fail-under=95 $(ARGS)

proof: $(TESTABLE) ## Try to lose or double stock and orders, for some minutes, and write the figures in docs/ afresh
	@$(GET) proof
	@$(PY) -m tests.proof
	@DOSE=whole $(PY) -m pytest -n 4 --dist loadfile $$(grep -rl 'from tests.dose' tests --include='test_*.py')

mutants: $(TESTABLE) ## Plant single faults in the core and say which no test notices; ARGS="--count 40 orders/services/stock"
	@$(GET) test
	@$(PY) -m tests.mutants $(ARGS)

messages: $(TESTABLE) ## Collect the texts that people see in locale/, for their translators, and compile what is translated
	@$(GET) messages
	@$(PY) manage.py collect_messages

screenshots: $(TESTABLE) ## Take docs/screenshots/ afresh, of the backoffice with the demo data
	@$(GET) pictures
	@$(PY) -m tests.browser.screenshots

bench: $(BENCHABLE) ## Compare the service with a floor and two twins, and measure how it grows; ARGS=--million for more
	@$(GET) run
	@$(PY) -m tests.bench $(ARGS)

check: $(TESTABLE) ## Run every check of the code that is no test
	@$(GET) run
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check
	$(PY) .ci/audit

bench-data: $(RUNNABLE) ## Make ORDERS=1000000 orders to measure with, in the database MONGODB_DB=order_bench
	@$(GET) run
	@MONGODB_DB=$${MONGODB_DB:-order_bench} $(PY) -m tests.bench.data --orders $(ORDERS)

bench-admin: $(TESTABLE) ## Measure the backoffice on MONGODB_DB=order_bench; fails where a page's p95 is over its limit
	@$(GET) run
	@MONGODB_DB=$${MONGODB_DB:-order_bench} $(PY) -m tests.bench.backoffice

clean: ## Remove the virtual environment and what tools have left; the data in .data stay
	rm -rf $(VENV) staticfiles htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.data/*' -prune -exec rm -rf {} +

# npm is there only once the system's packages are.
$(CLIENTS)/.installed: tests/clients/package.json tests/clients/package-lock.json
	@echo "Installing what tests/clients/package-lock.json lists into $(CLIENTS) ..."
	@mkdir -p $(CLIENTS) && cp $^ $(CLIENTS)/
	@cd $(CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(BENCHABLE): $(TESTABLE) requirements/bench.txt
	@echo "Installing what requirements/bench.txt lists into $(VENV) ..."
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements/bench.txt
	@touch $@

# Running needs far less than testing, and is up the sooner for it.
$(TESTABLE): $(RUNNABLE) requirements/test.txt
	@echo "Installing what requirements/test.txt lists into $(VENV) ..."
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements/test.txt
	@touch $@

$(RUNNABLE): requirements/base.txt requirements/dev.txt requirements/constraints.txt
	@python3 requirements/system.py venv 2>/dev/null || true  # what could not be got is said below
	@for python in python3.11 python3; do \
	  $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer with venv is needed (Debian: apt-get install python3.11-venv)" >&2; exit 2; \
	fi; \
	echo "Installing what requirements/dev.txt lists into $(VENV) ..."; \
	$$python -m venv $(VENV) && \
	$(PY) -m pip install -qq --no-compile --disable-pip-version-check -r requirements/dev.txt
	@touch $@
