# `make experiments` and `make test` do everything on a fresh machine; the rest is for those who work on Bakeoff.
PYTHON ?= python3
EXTRAS ?= torch,tensorflow,dev
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup experiments test check overhead gate ab gate-power clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@command -v g++ >/dev/null || command -v clang++ >/dev/null || echo 'note: no C++ compiler; Inductor cells will be unavailable. apt-get install g++'
	@touch $(READY)

setup: $(READY)  ## build .venv from the pinned versions

experiments: $(READY)  ## measure the whole inference matrix, save the run, print the table (ARGS="--models mlp ...")
	$(BIN)/pytest experiments --benchmark-autosave $(ARGS)

test: $(READY)  ## test the instrument (ARGS="-k steady ...")
	$(BIN)/pytest tests $(ARGS)

check: $(READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy harness
	$(BIN)/lint-imports

overhead: $(READY)  ## what the harness itself costs, side by side with bare scripts
	$(BIN)/python -m benchmarks.overhead

gate: $(READY)  ## compare two saved runs, with an exit code (ARGS="BASELINE CANDIDATE")
	$(BIN)/bakeoff gate $(ARGS)

ab: $(READY)  ## measure this checkout against another in pairs, with an exit code (ARGS="main --models mlp")
	$(BIN)/bakeoff ab $(ARGS)

gate-power: $(READY)  ## how often gate and ab err, beside --benchmark-compare-fail: records for half an hour, then resamples
	$(BIN)/python -m benchmarks.gate_power record .bakeoff/power
	$(BIN)/python -m benchmarks.gate_power table .bakeoff/power/pairs/*.json

clean:  ## remove .venv and whatever runs left, except saved runs
	rm -rf .venv .bakeoff
