# `make experiments` and `make test` do everything on a fresh machine; the rest is for those who work on Bakeoff.
PYTHON ?= python3
EXTRAS ?= torch,tensorflow,dev
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup experiments test check overhead clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

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

clean:  ## remove .venv and whatever runs left, except saved runs
	rm -rf .venv .bakeoff
