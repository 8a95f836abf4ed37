# `make experiments` and `make test` do everything on a fresh machine; the rest is for those who work on Bakeoff.
PYTHON ?= python3
EXTRAS ?= torch,tensorflow,deploy,report,tensorboard,tutorial,dev
BIN := .venv/bin
READY := .venv/.ready
TESTERS ?= $(shell nproc)

.PHONY: help setup run experiments article quick test check overhead gate ab gate-power reproducibility targets gpu gpu-libraries clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@command -v g++ >/dev/null || command -v clang++ >/dev/null || echo 'note: no C++ compiler; Inductor cells will be unavailable. apt-get install g++'
	@touch $(READY)

setup: $(READY)  ## build .venv from the pinned versions

run: $(READY)  ## a first result: one model on the main stacks, measured and saved (ARGS="lstm training ...")
	$(BIN)/bakeoff run $(ARGS)

experiments: $(READY)  ## measure the whole inference matrix, save the run, print the table (ARGS="--models mlp ...")
	$(BIN)/pytest experiments --benchmark-autosave $(ARGS)

# a failed test (exit code 1) at one batch size does not keep the others from being measured; anything else does
article: $(READY)  ## the article's table and memory by batch size: ResNet-50 training (ARGS="--size full ...")
	@status=0; for batch in 8 16 32 64; do \
		$(BIN)/pytest experiments/test_article.py --modes training --batch-size $$batch --benchmark-save=article_batch_$$batch $(ARGS) \
			|| { status=$$?; [ $$status -eq 1 ] || exit $$status; }; \
	done; \
	$(BIN)/python -m experiments.test_article $(filter --benchmark-storage=%,$(ARGS)) article_batch_8 article_batch_16 article_batch_32 article_batch_64 && exit $$status

quick: $(READY)  ## the tests that start no child process, in under a minute (ARGS="-k steady ...")
	BAKEOFF_TESTS=quick $(BIN)/pytest tests/unit -p no:xdist $(ARGS)

# workers have a CPU each, and two processes need two: those tests once more without workers
test: $(READY)  ## all tests: unit, process and frameworks (ARGS="tests/process", ARGS="-m 'not tensorflow'" ...)
	$(BIN)/pytest $(if $(filter tests/%,$(ARGS)),,tests) -n $(TESTERS) --dist loadfile --no-loadscope-reorder --durations=30 --durations-min=8 $(ARGS)
	$(if $(ARGS),,$(BIN)/pytest tests -m two_cpus)

check: $(READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy bakeoff
	$(BIN)/lint-imports

overhead: $(READY)  ## what Bakeoff itself costs, side by side with bare scripts
	$(BIN)/python -m benchmarks.overhead

gate: $(READY)  ## compare two saved runs, with an exit code (ARGS="BASELINE CANDIDATE")
	$(BIN)/bakeoff gate $(ARGS)

ab: $(READY)  ## measure this checkout against another in pairs, with an exit code (ARGS="main --models mlp")
	$(BIN)/bakeoff ab $(ARGS)

gate-power: $(READY)  ## how often gate and ab err, beside --benchmark-compare-fail: records for three quarters of an hour, then resamples
	$(BIN)/python -m benchmarks.gate_power record .bakeoff/power
	$(BIN)/python -m benchmarks.gate_power table .bakeoff/power/pairs/*.json

reproducibility: $(READY)  ## does the matrix say the same thing again? Eight runs, half of them beside other work; over an hour
	$(BIN)/python -m benchmarks.reproducibility run .bakeoff/reproducibility $(ARGS)

targets: $(READY)  ## compile all models for GPUs that are not here, and compare with experiments/compiled.toml (ARGS="--models mlp")
	$(BIN)/pytest experiments/test_compiled.py experiments/test_kernels.py --target cuda:sm_80 --stacks torch_inductor,torch_triton --benchmark-autosave $(ARGS)
	$(BIN)/pytest experiments/test_compiled.py experiments/test_kernels.py --target cuda:sm_90 --stacks torch_inductor,torch_triton --benchmark-autosave $(ARGS)

# on a GPU machine PyTorch, Triton and pytest-benchmark are the machine's own; without a network the rest comes along in a folder
gpu:  ## on a machine with a GPU: kernels, PyTorch's side of the matrix in bfloat16 and float32, targets against it; 8 minutes (PYTHON=python3)
	PYTHONPATH=.gpu-libraries $(PYTHON) -m benchmarks.gpu $(ARGS)

gpu-libraries:  ## what `make gpu` needs beside PyTorch, Triton, numpy and pytest-benchmark, as a folder to take along
	$(PYTHON) -m pip install --quiet --upgrade --no-deps --target .gpu-libraries msgspec psutil rich pygments markdown-it-py mdurl ruptures scipy tomlkit

clean:  ## remove .venv and whatever runs left, except saved runs
	rm -rf .venv .bakeoff
