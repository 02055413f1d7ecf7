# What a person types; `make help` lists it. CI and hooks call these targets too.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run score monitor serve deploy ui mcp repl setup-deep data env up down logs seed stack-check cluster-up cluster-down dashboards transcript test test-all check format lock schema images images-check bench simulate chaos mutants screenshots clean

UV := 0.13.8
PYTHON ?= python3
PIPELINE ?= churn
PARAMS ?=
PIPELINES_ENVIRONMENT ?= development
DATA_MIRROR ?=
UNPAUSE ?=
SERVICE ?=
UI_PORT ?= 8080
MLFLOW_PORT ?= 5000
SERVE_PORT ?= 8090
S3_PORT ?= 8333
MCP_PORT ?= 8765
HTTP ?=
MUTANTS ?=
SECTIONS ?=
RUNS ?= 3
SEED ?=

# One more than two cores have room for: a test often waits for a server, a pod or Airflow.
WORKERS ?= 3

ROOT := $(CURDIR)
BIN := $(ROOT)/.venv/bin
# A module's tests share a worker, and start in their order: the longest, end to end, come early.
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder
# To collect the others would take longer than to run these.
ALONE = $(shell grep -rl --include='*.py' 'pytest\.mark\.alone' tests)
STATE := .airflow .data .mlflow .outbox .runs .serving .studies
# What Airflow says of its own bookkeeping; a step's log stays as it is.
QUIET := airflow.api_fastapi=WARNING airflow.dag_processing=WARNING airflow.models=WARNING airflow.serialization=WARNING task=WARNING
# What a person types reaches programs as it was typed: make would carry out its `$(shell …)` and eat its `$5`.
TYPED := PIPELINE PARAMS DATA_MIRROR UNPAUSE SERVICE UI_PORT MLFLOW_PORT S3_PORT SERVE_PORT MCP_PORT HTTP MUTANTS SECTIONS RUNS SEED
$(foreach name,$(TYPED),$(eval override $(name) := $$(value $(name))))
export PIPELINES_ENVIRONMENT $(filter-out %_PORT,$(TYPED))
# Not for all: docker compose would take such a variable rather than the port in .env.
$(foreach name,$(filter %_PORT,$(TYPED)),$(eval ui serve screenshots cluster-up mcp: export override $(name) := $$($(name))))
# Bytecode is compiled at install and halves every start.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH

LOCK = $(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --generate-hashes
IMAGE_LOCK = $(LOCK) --no-annotate -c requirements.txt
# The images on a CUDA base are for one platform, the only one that PyTorch's CUDA wheels of this version are for.
GPU = --python-platform x86_64-manylinux_2_28 --override tasks_image/overrides-gpu.txt tasks_image/requirements-gpu.in \
  tasks_image/pyproject.toml --extra tabular --extra cluster --extra deep

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

run: .airflow/ready  ## run a pipeline and print its summary: PIPELINE=churn PARAMS='{"trials": 5}'
	@source .airflow/env && exec $(BIN)/python -m include.laptop.run_once "$$PIPELINE" --parameters "$$PARAMS"

score: .airflow/ready  ## score the rows of a pipeline's `scoring` with its production version: PIPELINE=churn
	@source .airflow/env && exec $(BIN)/python -m include.laptop.run_once "$$PIPELINE" --flow scoring

monitor: .airflow/ready  ## look at a pipeline's scored rows and their labels: PIPELINE=churn
	@source .airflow/env && exec $(BIN)/python -m include.laptop.run_once "$$PIPELINE" --flow monitoring

serve: .airflow/ready  ## answer requests with a pipeline's production version until Ctrl-C: PIPELINE=churn SERVE_PORT=8090
	@source .airflow/env && exec $(BIN)/python -m include.laptop.serve "$$PIPELINE" --port "$$SERVE_PORT"

deploy: .airflow/ready  ## let a pipeline's production version answer requests, a part of the traffic first: PIPELINE=churn
	@source .airflow/env && exec $(BIN)/python -m include.laptop.run_once "$$PIPELINE" --flow deployment

ui: .airflow/ready  ## Airflow and MLflow in the browser until Ctrl-C: UNPAUSE=churn (or all, or a DAG of scoring or monitoring) UI_PORT=8080 MLFLOW_PORT=5000
	@source .airflow/env && exec $(BIN)/python -m include.laptop.ui --port "$$UI_PORT" --mlflow-port "$$MLFLOW_PORT" --unpause "$$UNPAUSE"

mcp: .venv/ready  ## serve the agent tools by MCP on stdio; HTTP=1 by streamable HTTP on loopback: MCP_PORT=8765
	@exec $(BIN)/python -m include.agents.mcp_server $${HTTP:+--http} --port "$$MCP_PORT"

repl: .venv/ready  ## a prompt over the agent tools: list mlflow experiments, trigger training job mnist with 2 epochs, ...
	@exec $(BIN)/python -m include.agents.repl

setup-deep: .venv/ready-deep  ## add PyTorch and transformers, for pipelines of images and texts: the build for processors

data: .venv/ready  ## fetch the real data sets into .data/ (DATA_MIRROR=folder takes them from there)
	@$(BIN)/trainer data --to .data --mirror "$$DATA_MIRROR"

env:  ## write .env for the stack, with random passwords; it never overwrites one
	@$(PYTHON) -m include.stack env

up:  ## start the stack of docker-compose.yaml, wait until it is healthy, print the addresses
	@$(PYTHON) -m include.stack up

down:  ## end the stack; its data stays
	@$(PYTHON) -m include.stack down

logs:  ## follow the stack's logs: SERVICE=airflow-scheduler
	@$(PYTHON) -m include.stack logs $$SERVICE

seed:  ## load the churn data of .data/ into the stack's PostgreSQL
	@$(PYTHON) -m include.stack seed

stack-check:  ## start the stack and train on it; exits with 2 where there is no Docker
	@$(PYTHON) -m include.stack check

cluster-up: .venv/ready  ## start a cluster with kind, with MLflow, PostgreSQL and an S3 store in it: MLFLOW_PORT=5000 S3_PORT=8333
	@$(BIN)/python -m include.cluster up --mlflow-port "$$MLFLOW_PORT" --s3-port "$$S3_PORT"

cluster-down: .venv/ready  ## delete that cluster and all that it holds
	@$(BIN)/python -m include.cluster down

test: .airflow/ready .venv/ready-dev  ## the test suite without its longest tests: WORKERS=3
	@source .airflow/env && $(PYTEST) -m "not slow and not alone" && $(BIN)/pytest -m "alone and not slow" $(ALONE)

test-all: .airflow/ready .venv/ready-dev  ## the whole test suite
	@source .airflow/env && $(PYTEST) -m "not alone" && $(BIN)/pytest -m alone $(ALONE)

check: .airflow/ready .venv/ready-dev  ## lint, format, types, pipeline files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@source .airflow/env && $(BIN)/trainer check include/pipelines/*.yaml && $(BIN)/python -m include.laptop.check
	@$(BIN)/trainer schema | diff -u docs/pipeline.schema.json - || { echo "docs/pipeline.schema.json is old: make schema"; exit 1; }

format: .venv/ready-dev  ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

schema: .venv/ready  ## write the JSON schema of a pipeline's YAML
	$(BIN)/trainer schema > docs/pipeline.schema.json

lock: .venv/ready  ## resolve all requirements anew: the laptop's, then with the same versions those of the images
	$(LOCK) --universal requirements-dev.in -o requirements-dev.txt
	$(LOCK) --universal -c requirements-dev.txt requirements.in -o requirements.txt
	@sed -i -E "s/ (;|and) sys_platform == 'linux'( \\\\)?$$/\2/" requirements.txt requirements-dev.txt  # it would stand in every line
	$(IMAGE_LOCK) --universal requirements-airflow.in -o requirements-airflow.txt
	$(IMAGE_LOCK) --universal tasks_image/pyproject.toml --extra tabular --extra cluster -o tasks_image/requirements-tabular.txt
	$(IMAGE_LOCK) --universal tasks_image/requirements-mlflow.in -o tasks_image/requirements-mlflow.txt
	$(IMAGE_LOCK) $(GPU) -o tasks_image/requirements-vision.txt
	$(IMAGE_LOCK) $(GPU) --extra language -c tasks_image/requirements-vision.txt -o tasks_image/requirements-language.txt
	@sed -i -E "s/ (;|and) sys_platform == 'linux'( \\\\)?$$/\2/" requirements-airflow.txt tasks_image/requirements-*.txt

images:  ## build images with docker or podman: IMAGES="tabular mlflow airflow vision language" TAG= REGISTRY= BASE_IMAGE=
	@tasks_image/images.sh build

images-check:  ## build the image for tabular pipelines and run steps in it, without rights or network
	@tasks_image/images.sh check

bench: .airflow/ready .venv/ready-dev  ## measure speed, each figure against a reference in the same run
	@source .airflow/env && $(BIN)/python -m bench

simulate: .venv/ready-dev  ## how often the rules decide wrongly, on models and tables of known truth: SECTIONS="promotion months freshness retraining experiments drift"
	@$(BIN)/python -m bench.simulation $$SECTIONS

dashboards: .venv/ready-dev  ## write Grafana's dashboards from include/stack/grafana/dashboards.py
	@$(BIN)/python -m include.stack.grafana.dashboards

screenshots: .airflow/ready .venv/ready-dev  ## take the README's pictures from a running `make ui` and its newest successful run
	@source .airflow/env && $(BIN)/python -m docs.screenshots --address "http://127.0.0.1:$$UI_PORT" --pipeline "$$PIPELINE"

transcript: .venv/ready  ## write the transcript in docs/agents.md from a running `make ui` and its newest successful run
	@exec $(BIN)/python -m docs.agents_transcript --pipeline "$$PIPELINE"

chaos: .airflow/ready .venv/ready-dev  ## kill the steps of whole runs at random instants: RUNS=3 SEED=7
	@source .airflow/env && $(BIN)/python -m tests.faults.chaos --runs "$$RUNS" $${SEED:+--seed "$$SEED"}

mutants: .airflow/ready .venv/ready-dev  ## break the product in 40 places, for each of which a test must fail: MUTANTS="id ..."
	@source .airflow/env && $(BIN)/python -m tests.mutants $$MUTANTS

clean:  ## remove what the above made
	rm -rf .venv $(STATE) .mypy_cache .pytest_cache .ruff_cache bench/results.json tasks_image/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt tasks_image/pyproject.toml
	@case "$(ROOT)" in *[[:space:]]*) echo "There is a space in $(ROOT): move this folder, or clone it elsewhere"; exit 1;; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV); }
	@echo "Installing pinned requirements into .venv …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable tasks_image
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements-dev.txt
	@touch $@

# Where pip's settings name a folder of wheels, the build for processors is taken from there, else from PyTorch's index.
# It is another file than the one whose hash the lock has, so that only the versions of the lock count here.
.venv/ready-deep: .venv/ready tasks_image/requirements-gpu.in tasks_image/requirements-language.txt
	@echo "Installing PyTorch and transformers into .venv …"
	@links="$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}"; \
	  torch="$$(grep '^torch==' tasks_image/requirements-gpu.in)"; \
	  sed -nE 's/^([a-z0-9.-]+==[^ ;]+).*/\1/p' tasks_image/requirements-language.txt > .venv/versions.txt; \
	  language="$$(grep -E '^(huggingface-hub|peft|safetensors|tokenizers|transformers)==' .venv/versions.txt)"; \
	  install="$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c .venv/versions.txt"; \
	  if [ -n "$$links" ]; then UV_FIND_LINKS="$$links" $$install "$$torch" $$language; \
	  else $$install --torch-backend cpu "$$torch" $$language; fi
	@touch $@

.airflow/env: .venv/ready Makefile
	@mkdir -p .airflow
	@printf '%s\n' \
	  '# Written by make: what a shell needs to use Airflow and the trainer in this checkout.' \
	  'export AIRFLOW_HOME="$(ROOT)/.airflow"' \
	  'export AIRFLOW__CORE__DAGS_FOLDER="$(ROOT)/dags"' \
	  'export AIRFLOW__CORE__PLUGINS_FOLDER="$(ROOT)/plugins"' \
	  'export AIRFLOW__CORE__LOAD_EXAMPLES=False' \
	  'export AIRFLOW__CORE__PARALLELISM=2' \
	  'export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:///$(ROOT)/.airflow/airflow.db"' \
	  'export AIRFLOW__LOGGING__LOG_FORMAT="%(asctime)s %(levelname)s %(message)s"' \
	  'export AIRFLOW__LOGGING__NAMESPACE_LEVELS="$(QUIET)"' \
	  'export PIPELINES_ENVIRONMENT="$${PIPELINES_ENVIRONMENT:-development}"' \
	  'export PYTHONPATH="$(ROOT)"' \
	  'export PATH="$(BIN):$$PATH"' \
	  'export PYTHONWARNINGS="ignore:Could not import graphviz"' \
	  'unset PYTHONDONTWRITEBYTECODE' \
	  'eval "$$(python -m include.environment.settings)"' > $@

.airflow/ready: .airflow/env airflow_settings.yaml
	@echo "Preparing Airflow's database under .airflow/ …"
	@source .airflow/env && airflow db migrate > .airflow/migrate.log 2>&1 || { cat .airflow/migrate.log; exit 1; }
	@source .airflow/env && python -m include.environment.airflow_settings airflow_settings.yaml .airflow | while read -r kind; do \
	  if [ "$$kind" = connections ]; then airflow connections import --overwrite .airflow/connections.json; \
	  else airflow $$kind import .airflow/$$kind.json; fi; rm -f .airflow/$$kind.json; done
	@touch $@

