# Every target is one line that calls a documented command; `make help` lists them.
PYTHON := .venv/bin/python
# With another interpreter (make test PYTHON=python, as in a conda environment) nothing is installed.
READY := $(if $(filter .venv/%,$(PYTHON)),.venv/.ready)
BOOTSTRAP ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
SEEDS ?= 1
PARALLEL ?= 1
BENCH ?= papo_suite
MODEL ?= tiny
ENGINE ?= hf
SCALE ?= mini
METHOD ?= papo_g
NODES ?= 1
GPUS ?= 8
PROJECT ?= percept
# One worker and one thread per core, in the order and groups of tests/tiers.py.
PYTEST ?= -q -n 2 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo base methods reproduce-table1 reproduce-all arithmetic claims verify-results artifact eval weights data slurm gpu-check bench bench-peers report dashboard dashboard-local notebooks test test-unit test-all lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: pyproject.toml install.py environment/torchvision_hook.py $(if $(GPU),always)
	@$(BOOTSTRAP) install.py

install: $(READY) ## make the environment in .venv, for this machine or as GPU=1, GPU=0 say
.PHONY: always
always:

demo: $(READY) ## a short tour: train, evaluate and compare two methods on this machine
	$(PYTHON) -m analysis demo

base: $(READY) ## remake the base weights of the tiny model
	$(PYTHON) -m models.tiny.teach

methods: $(READY) ## list the methods with paper, pieces, extra passes and how sure we are
	$(PYTHON) -m train method=list

TABLES = $(patsubst configs/tables/%.yaml,reproduce-%,$(wildcard configs/tables/*.yaml))
.PHONY: $(TABLES)

reproduce-table1: ## fill a table, figure or study of configs/tables by its name (SCALE=mini, SEEDS=1; PARALLEL=2 runs two at a time, PLAN=1 prints what would run, SLURM=1 writes its job scripts)
# A static rule: a phony target is not searched for among pattern rules.
$(TABLES): reproduce-%: $(READY)
	$(PYTHON) -m analysis table=$(patsubst table%,%,$*) scale=$(SCALE) seeds=$(SEEDS) $(if $(PLAN),plan=true,$(if $(SLURM),slurm=true jobs=[$(JOBS)],fill=true parallel=$(PARALLEL)))

reproduce-all: $(TABLES) ## fill every table and study that has a file, one after another

arithmetic: $(READY) ## recompute what the paper prints from what else it prints (results/arithmetic)
	$(PYTHON) -m analysis.arithmetic out=results/arithmetic

claims: $(READY) ## judge the claims of configs/claims.yaml on the committed tables (results/claims)
	$(PYTHON) -m analysis.claims out=results/claims

verify-results: $(READY) ## recompute every committed result from the records beside it, and fail on any difference
	$(PYTHON) -m analysis.verify_results

artifact: $(READY) ## pack the commit, its results, installed versions and checksums into one archive (dist/)
	$(PYTHON) -m analysis.artifact

eval: $(READY) ## evaluate MODEL (a run folder or a file of configs/models) on BENCH (ENGINE=vllm SET="preset=paper_eval")
	$(PYTHON) -m eval bench=$(BENCH) engine=$(ENGINE) $(if $(findstring /,$(MODEL)),run=$(MODEL),model=$(MODEL) out=runs/eval/$(MODEL)/$(BENCH)) $(SET)

weights: $(READY) ## download the weights of SCALE into runs/hub, pinned there (PLAN=1 prints sizes)
	$(PYTHON) -m analysis.fetch weights scale=$(SCALE) $(if $(PLAN),plan=true)

data: $(READY) ## download the training set and the benchmarks of SCALE into runs/hub, pinned there (PLAN=1 prints sizes)
	$(PYTHON) -m analysis.fetch data scale=$(SCALE) $(if $(PLAN),plan=true)

slurm: $(READY) ## write the Slurm script of a run (SCALE=7b METHOD=papo_g NODES=2 GPUS=8 SET="seed=1")
	$(PYTHON) -m train.slurm scale=$(SCALE) method=$(METHOD) nodes=$(NODES) gpus=$(GPUS) $(SET)

gpu-check: $(READY) ## check kernels, ZeRO, resume, adapters, vLLM and evaluation on this machine's GPUs (SET="blocks=[vllm]")
	$(PYTHON) -m bench.gpu_check $(SET)

bench: $(READY) ## measure the fast path (bench/*.json, about 25 minutes; nothing else should run)
	$(PYTHON) -m bench.step && $(PYTHON) -m bench.sampling && $(PYTHON) -m bench.head && $(PYTHON) -m bench.report

.venv-peers/.ready: $(READY) environment/peers.py
	$(PYTHON) environment/peers.py

bench-peers: .venv-peers/.ready ## compare an update with TRL's, installed in an environment of its own
	.venv-peers/bin/python -m bench.peers

report: $(READY) ## write the HTML report of runs (RUNS=a,b; those of the demo unless given)
	$(PYTHON) -m analysis report $(if $(RUNS),runs=$(RUNS))

dashboard: $(READY) ## build the W&B workspace (ENTITY=<user or team> PROJECT=percept)
	$(PYTHON) -m analysis.dashboard entity=$(or $(ENTITY),$(error give ENTITY=<W&B user or team>)) project=$(PROJECT)

dashboard-local: $(READY) ## write training curves and rollouts as one HTML page (RUNS=a,b; all trainings below runs/ unless given)
	$(PYTHON) -m analysis.dashboard $(if $(RUNS),runs=$(RUNS))

notebooks: $(READY) ## execute the notebooks of perception errors on the runs of the demo (RUNS=a,b)
	$(PYTHON) -m notebooks html=true $(if $(RUNS),runs=$(RUNS))

test: $(READY) ## run the tests that guard a change, whole runs included (two cores, about 10 minutes)
	$(PYTHON) -m pytest $(PYTEST) -m "not nightly"

test-unit: $(READY) ## run the tests that start no process and train nothing (three minutes)
	$(PYTHON) -m pytest $(PYTEST) -m "not slow and not nightly"

test-all: $(READY) ## run all tests: every model family, ZeRO stage and engine, and long runs
	$(PYTHON) -m pytest $(PYTEST)

lint: $(READY) ## check style, formatting and types
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy

clean: ## remove caches and build leftovers; runs and the environment stay
	rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache && find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
