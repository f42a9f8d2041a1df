# POSIX make and sh; needs git, make and Python >= 3.11, nothing else.

VENV = .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PYTEST_ARGS ?= -n 3 --dist loadscope
LOCK_ARGS ?=
PEERS = .venv-peers

# The first Python >= 3.11 on the PATH; `make PYTHON=/path/to/python test` decides otherwise.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
	command -v "$$p" && break; done)

# Compiled kernels and font caches stay inside the venv: a home directory may be read-only.
export NUMBA_CACHE_DIR = $(CURDIR)/$(VENV)/numba-cache
export MPLCONFIGDIR = $(CURDIR)/$(VENV)/matplotlib
# pynwb dies on import where it cannot make a cache directory. Not exported: pip keeps its own.
RUN = XDG_CACHE_HOME=$(CURDIR)/$(VENV)/cache $(BIN)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# No telemetry from the validators.
export DANDI_NO_ET = 1
export NO_ET = 1

.PHONY: help setup demo test lint pytest lock soak score peers clean

help:
	@echo "make demo   one guided block on a simulated rig"
	@echo "make test   linters, types, import contracts, tests"
	@echo "make lint   the same without the tests"
	@echo "make soak   the long tests"
	@echo "make score  the checks against known truth and real recordings: docs/scores.md"
	@echo "make peers  an environment with the programs that the scores are compared with"
	@echo "make lock   requirements.lock from pyproject.toml (all anew: LOCK_ARGS=--upgrade)"
	@echo "make clean  remove the environment and caches"

setup: $(STAMP)

demo: $(STAMP)
	$(RUN)/tenmin demo

test: lint pytest

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Compiled first: a watcher that compiles for half a minute is late for a block of six seconds.
pytest: $(STAMP)
	$(RUN)/python -c "from tenmin import ring; from tenmin.checks import _kernels; \
		ring.warm(); _kernels.warm(*ring.COMMON_DTYPES)"
	$(RUN)/python -m pytest $(PYTEST_ARGS)

soak: $(STAMP)
	$(RUN)/python -m tests.soak --jobs 2

score: $(STAMP)
	$(RUN)/python -m tests.scoring --jobs 2 --peers $(PEERS)/bin/python

# Programs that the scores are compared with; no part of the lock, and `make score` goes without.
peers:
	@test -n "$(PYTHON)" || { echo "make peers needs Python 3.11 or newer" >&2; exit 1; }
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --only-binary :all: spikeinterface pyprep pyabf

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "tenmin needs Python 3.11 or newer, and none is on the PATH." >&2; \
		echo "Install one (python.org, or your system's python3), or name it:" >&2; \
		echo "    make PYTHON=/path/to/python3 test" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11; name a newer one:" >&2; \
		echo "    make PYTHON=/path/to/python3 test" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "This Python has no venv and ensurepip modules. On Debian and Ubuntu:" >&2; \
		echo "    apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $(STAMP)

# uv only resolves; nothing that installs needs it.
lock:
	@test -n "$(PYTHON)" || { echo "make lock needs Python 3.11 or newer" >&2; exit 1; }
	test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	UV_PYTHON_DOWNLOADS=never .venv-lock/bin/uv --system-certs pip compile --quiet \
		--python .venv-lock/bin/python --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--extra dev $(LOCK_ARGS) pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .venv-lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
