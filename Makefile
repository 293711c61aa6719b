# The only door. Every command a reader needs is a target here; `make` alone lists them.
# Needs Python >= 3.11 and nothing else; what it installs goes into .venv, what it runs keeps its data in .tuidan.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ASYNCAPI := $(VENV)/asyncapi
ASYNCAPI_STAMP := $(ASYNCAPI)/.installed
CODE := contracts chassis services sandbox tools tests

# PYTHON=/some/python make install   chooses another one.
PYTHON ?=

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# ── environment ──────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: install
install: $(STAMP) ## make .venv with exactly what requirements.lock names
	@python=$$(sed -n '1s/^#!//p' $(BIN)/tuidan); if ! [ -x "$$python" ]; then \
	  echo "make: $(VENV) was made for $$python, which is gone (was this folder moved, or that Python?). Type: rm -r $(VENV); then the same again." >&2; exit 1; \
	fi

$(STAMP): requirements.lock pyproject.toml
	@python='$(PYTHON)'; \
	if [ -z "$$python" ]; then \
	  for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$python" ]; then echo "make: Python 3.11 or newer is needed and no python3 on PATH is one (PYTHON=… names another)." >&2; exit 1; fi; \
	if ! [ -x $(BIN)/python ]; then \
	  echo "── .venv from $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo "make: this Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv." >&2; exit 1; }; \
	fi
	@echo "── install: requirements.lock (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: install ## resolve pyproject.toml again into requirements.lock and deploy/*.lock, of the images (hashes, no addresses)
	@compile() { $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 "$$@"; }; \
	bare() { compile --no-annotate --no-header --constraint requirements.lock "$$@" pyproject.toml; }; \
	compile --all-extras pyproject.toml -o requirements.lock; \
	bare -o deploy/service.lock; \
	bare --extra tools -o deploy/tools.lock

# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: demo up down status
demo: install ## start everything, replay real orders and cancellations, compare the books (ARGS=… goes to tuidan)
	@$(BIN)/tuidan demo $(ARGS)

up: install ## start the local stack
	@$(BIN)/tuidan up $(ARGS)

down: install ## stop the local stack
	@$(BIN)/tuidan down $(ARGS)

status: install ## what runs, where it listens
	@$(BIN)/tuidan status $(ARGS)

# ── judge ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# All checks run, one line each with the seconds it took; what failed is shown and makes the whole fail.
.PHONY: check
check: install ## everything that can be checked without running the system
	@failed=0; run() { \
	  local name=$$1 begin=$$(date +%s%N) out; shift; \
	  if out=$$("$$@" 2>&1); then word=ok; else word=FAILED; failed=1; fi; \
	  printf '── %-8s %-6s %4d ms\n' "$$name" "$$word" $$(( ($$(date +%s%N) - begin) / 1000000 )); \
	  if [ $$word = FAILED ] || [[ $$out == *SKIPPED:* ]]; then printf '%s\n' "$$out"; fi; \
	}; \
	run lint $(BIN)/ruff check --output-format concise $(CODE); \
	run format $(BIN)/ruff format --check $(CODE); \
	run types $(BIN)/mypy --strict $(CODE); \
	run imports $(BIN)/lint-imports --no-logo; \
	run rules $(BIN)/python -m tools.checks; \
	run schemas $(BIN)/python -m tools.catalogue --check; \
	if command -v promtool >/dev/null; then run alerts deploy/prometheus/check; \
	else echo "── alerts   skipped: no promtool here (Debian: apt-get install prometheus)"; fi; \
	run manifests $(BIN)/python -m tools.manifests; \
	exit $$failed

# About a minute, once; without Go they are left out, and `make check` says what it did not look at.
.PHONY: kubernetes-tools
kubernetes-tools: install ## build kustomize and kube-score, with which `make check` judges deploy/k8s (needs Go)
	@$(BIN)/python -m tools.manifests build

# Tests that do not mind others beside them: as many at once as there are cores.
SIDE_BY_SIDE := tests/unit tests/contracts
CORES := $(shell getconf _NPROCESSORS_ONLN)
.PHONY: test
ifeq ($(strip $(ARGS)),)
# Then what starts stacks; last the worlds, which use every core by themselves, with no stack beside them any more.
test: install asyncapi-parser ## every test; ARGS='-k refund' gives those words to one run of pytest instead
	@code=0; \
	$(BIN)/pytest -n $(CORES) $(SIDE_BY_SIDE) || code=$$?; \
	$(BIN)/pytest $(SIDE_BY_SIDE:%=--ignore=%) --ignore=tests/simulation tests || code=$$?; \
	$(BIN)/pytest tests/simulation || code=$$?; \
	exit $$code
else
test: install asyncapi-parser
	@$(BIN)/pytest $(ARGS)
endif

.PHONY: test-containers
test-containers: install ## Kafka, a MongoDB replica set, Redis and our images in containers; says so where no engine answers
	@$(BIN)/pytest tests/containers $(ARGS)

.PHONY: bench
bench: install ## paid cancellations a second and what they cost, on a real Kafka and a MongoDB replica set (docs/performance.md)
	@$(BIN)/tuidan bench bare
	@code=0; for provider in at-once sandbox; do $(BIN)/tuidan bench cancellations --provider $$provider $(ARGS) || code=$$?; done; exit $$code

# All services in one process, on virtual time (tests/simulation/README.md).
SEEDS ?= 1000
.PHONY: simulate sweep sabotage fuzz
simulate: install ## fresh worlds under every fault, behind those that failed once; SEEDS=20000 for so many
	@$(BIN)/python -m tests.simulation corpus
	@$(BIN)/python -m tests.simulation run --seeds $(SEEDS) $(ARGS)

sweep: install ## kill every process of every story at each thing it does with the outside (a quarter of an hour)
	@$(BIN)/python -m tests.simulation sweep

sabotage: install ## switch each guard off and see that it is missed
	@$(BIN)/python -m tests.simulation sabotage

# Requests made from the OpenAPI document, by every kind of caller, at the whole system in one process (tests/fuzz).
CASES ?= 20000
fuzz: install ## no fault and no undescribed answer in 20,000 generated requests; CASES=…, ARGS='--seed 1' for the same again
	@$(BIN)/python -m tests.fuzz --cases $(CASES) $(ARGS)

.PHONY: format
format: install ## let ruff put the code into shape
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

.PHONY: schemas
schemas: install ## rewrite contracts/schemas, tools/catalogue/stored, contracts/asyncapi.yaml and docs/api/errors.md from the code
	@$(BIN)/python -m tools.catalogue

# The official AsyncAPI parser exists for node only. Without node the tests still validate against the official JSON
# Schema and say that the parser was not asked.
.PHONY: asyncapi-parser
asyncapi-parser: install
	@if command -v npm >/dev/null; then $(MAKE) $(ASYNCAPI_STAMP) || echo "── the AsyncAPI parser could not be installed; its test will be skipped"; \
	else echo "── no npm here: the AsyncAPI parser's test will be skipped"; fi

$(ASYNCAPI_STAMP): tools/catalogue/package.json tools/catalogue/package-lock.json tools/catalogue/parse.mjs
	@echo "── install: tools/catalogue/package-lock.json"
	@mkdir -p $(ASYNCAPI)
	@cp $^ $(ASYNCAPI)/
	@npm ci --prefix $(ASYNCAPI) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
