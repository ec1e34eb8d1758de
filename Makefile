# One verb for each thing that a person does. `make help` lists them.
# Every verb does its own set-up: a virtual environment in .venv with the locked packages, checked by their hashes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
STORE ?= store
WORKERS ?= 2
JOB ?= jobs/quickstart.yaml
# more of a verb's options: PROFILE=FILE, OPTIONS='--context NAME'
PROFILE ?=
OPTIONS ?=
ON = $(JOB) $(if $(PROFILE),--profile $(PROFILE)) $(OPTIONS)

# Compiled byte code makes every later start seconds faster; it is written once, here.
unexport PYTHONDONTWRITEBYTECODE
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.bootstrap: requirements/bootstrap.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing. Install Python 3.11 or newer: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed. Name another with PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: Python's venv module is missing. Install it: apt-get install python3-venv"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.train: $(VENV)/.bootstrap requirements/train.txt requirements/light.txt requirements/build.txt pyproject.toml
	@echo "installing the training packages (about 5 GB, a minute or two)"
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(INSTALL) --require-hashes --no-build-isolation -r requirements/train.txt -r requirements/light.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.train requirements/dev.txt
	@echo "installing the development packages"
	@$(INSTALL) --require-hashes --no-build-isolation -r requirements/dev.txt
	@touch $@

$(VENV)/.light: $(VENV)/.bootstrap requirements/light.txt requirements/build.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(INSTALL) --require-hashes --no-build-isolation -r requirements/light.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	@$(INSTALL) --require-hashes --no-build-isolation -r requirements/bench.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.train ## the virtual environment with the training packages

.PHONY: demo
demo: $(VENV)/.train ## the sample study, from its YAML file to results/quickstart/report.html
	@$(BIN)/stilts run jobs/quickstart.yaml --store $(STORE)

.PHONY: real-data
real-data: $(VENV)/.train ## the study on real data slices; DATA=FOLDER says where they are
	@$(BIN)/stilts run jobs/real-data.yaml --store $(STORE) --data $(DATA)

.PHONY: submit
submit: $(VENV)/.light ## run a study on Kubernetes: JOB=FILE PROFILE=FILE
	@$(BIN)/stilts submit $(ON)

.PHONY: status
status: $(VENV)/.light ## how far a study is: JOB=FILE PROFILE=FILE
	@$(BIN)/stilts status $(ON)

.PHONY: results
results: $(VENV)/.light ## the tables of what has committed: JOB=FILE PROFILE=FILE
	@$(BIN)/stilts results $(ON)

.PHONY: lint
lint: $(VENV)/.dev ## style, and imports that point one way
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

.PHONY: types
types: $(VENV)/.dev ## strict typing
	@$(BIN)/mypy

.PHONY: test
test: $(VENV)/.dev ## every test of one machine
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup

SEEDS ?= 10
FROM ?= 0

.PHONY: test-faults
test-faults: $(VENV)/.dev ## a small study under SEEDS=10 schedules of faults, numbered from FROM=0; OPTIONS=--training, --damage or --sample-study
	@PYTHONPATH=tests $(BIN)/python -m faults --seeds $(SEEDS) --from $(FROM) $(OPTIONS)

.PHONY: check
check: lint types test ## lint, types and tests

CLUSTER = PYTHONPATH=tests $(BIN)/python -m cluster
# every image archive that is there is in the cluster's nodes from their start
LOAD = $(addprefix --load ,$(wildcard build/images/*.tar))

.PHONY: cluster-packages
cluster-packages: $(VENV)/.dev ## install what this machine needs to be a test cluster, as root
	@$(CLUSTER) packages

.PHONY: cluster-up
cluster-up: $(VENV)/.dev ## a Kubernetes cluster: that of KUBECONFIG, else kind, else built and started on this machine
	@$(CLUSTER) up $(LOAD)

.PHONY: cluster-down
cluster-down: $(VENV)/.dev ## take the test cluster away; its programs and images stay in ~/.cache/stilts-cluster
	@$(CLUSTER) down

.PHONY: test-cluster
test-cluster: $(VENV)/.dev ## cluster-up, every test on a cluster, cluster-down
	@$(CLUSTER) test $(LOAD)

.PHONY: cluster-refresh
cluster-refresh: $(VENV)/.dev ## the newest code into the images that the cluster's nodes have, in seconds; packages stay
	@$(CLUSTER) refresh

.PHONY: demo-cluster
demo-cluster: $(VENV)/.dev ## a small study through the chart, an S3 server in the cluster and stilts submit, to its report
	@[ -n "$${KUBECONFIG:-}" ] || [ -f build/images/stilts-train.tar ] || $(MAKE) --no-print-directory image image-archive
	@$(MAKE) --no-print-directory cluster-up
	@$(CLUSTER).demo

.PHONY: bench-cluster
bench-cluster: cluster-up ## what a driver of 500 stages costs a cluster, and how soon a child follows a commit
	@PYTHONPATH=tests $(BIN)/python benchmarks/cluster_scale.py

.PHONY: bench-coverage
bench-coverage: $(VENV)/.dev ## how often the intervals hold the truth in 1,000 simulated studies of each design (minutes)
	@PYTHONPATH=tests $(BIN)/python benchmarks/coverage.py $(OPTIONS)

.PHONY: bench-bootstrap
bench-bootstrap: $(VENV)/.dev ## how long 10,000 draws over 40 languages, 5,000 examples and 5 seeds take
	@PYTHONPATH=tests $(BIN)/python benchmarks/bootstrap.py

.PHONY: bench-rows
bench-rows: $(VENV)/.dev ## how long a million result rows take: a table to analyse and render, a study to collect and report
	@PYTHONPATH=tests $(BIN)/python benchmarks/million_rows.py

.PHONY: bench-mining
bench-mining: $(VENV)/.bench ## nearest neighbours of 20,000 rows in both directions, beside an exact index of FAISS
	@$(BIN)/python benchmarks/mining.py $(OPTIONS)

.PHONY: image
image: ## the two container images; says their sizes. Docker, podman or buildah; BASE=NAME, REGISTRY=HOST/TEAM
	@containers/build.sh images

.PHONY: base-image
base-image: ## a base for them from Debian's packages, where no registry can be reached (root)
	@containers/build.sh base

.PHONY: image-archive
image-archive: ## the images as archives in build/images, to load into a cluster's containerd
	@containers/build.sh archives

.PHONY: test-image
test-image: $(VENV)/.dev image ## what the images promise: size, user, read-only root, no compiler, no traces
	@$(BIN)/pytest --capture=no tests/image

# One set of versions: whatever the other sets share with the training packages has the same version there.
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock"

.PHONY: chart
chart: $(VENV)/.dev ## the chart's values and schema from the program's models, and manifests/ from the chart
	@$(BIN)/python charts/generate.py
	@$(MAKE) --no-print-directory manifests

.PHONY: manifests
manifests: $(VENV)/.dev ## plain YAML for kubectl, from the chart
	@$(BIN)/python charts/manifests.py "$$(PYTHONPATH=tests $(BIN)/python tests/helm.py)"

.PHONY: lock
lock: $(VENV)/.bootstrap ## renew the locked packages
	@$(COMPILE) pyproject.toml --extra train --output-file requirements/train.txt
	@for set in "base:" "light:--extra kubernetes" "dev:--extra train --extra kubernetes --group dev" "bench:--extra train --group bench"; do \
		$(COMPILE) pyproject.toml $${set#*:} --constraint requirements/train.txt --output-file requirements/$${set%%:*}.txt; done
	@for set in "bootstrap:uv" "build:setuptools wheel packaging py-cpuinfo hatchling editables"; do \
		printf '%s\n' $${set#*:} | $(COMPILE) - --output-file requirements/$${set%%:*}.txt; done

.PHONY: clean
clean: ## remove the virtual environment and caches; stores and results stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
