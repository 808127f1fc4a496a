# `make serve` runs the gateway, `make test` passes the tests; each sets itself up in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
PEERS := .venv-peers
# A file of tests stays in one process: its fixtures may be whole servers.
IN_PARALLEL := --numprocesses auto --dist loadfile

.PHONY: serve test crash fuzz clients bench bench-http check format wheel-test lock clean

serve: $(VENV)/.installed
	@$(BIN)/greenroom serve $(ARGS)

test: $(VENV)/.developed
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

# What the tests of crashes do for a few seconds, in full; ARGS as in `make crash ARGS="--kills 50"`.
crash: $(VENV)/.developed
	$(BIN)/python -m tests.crash $(ARGS)

# What CI does in seconds, for minutes: malformed bodies, and schemathesis at every bound.
fuzz: $(VENV)/.developed
	BODIES=100000 $(BIN)/python -m pytest tests/http/test_malformed.py
	EXAMPLES=100 $(BIN)/python -m pytest -o faulthandler_timeout=2400 tests/sdk/test_schemathesis.py

# Client libraries, each in an environment of its own; ARGS as in `make clients ARGS="--newest litellm"`.
clients: $(VENV)/.developed
	$(BIN)/python -m tests.clients $(ARGS)

# Beside its peers, which are installed for this alone; ARGS as in `make bench ARGS="--rounds 1"`.
bench: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m bench kernel $(ARGS)

# The whole gateway beside peers that are installed for this alone, each in its own environment.
bench-http: $(VENV)/.developed $(PEERS)/tensorzero/.installed $(PEERS)/litellm/.installed
	$(BIN)/python -m bench http --tensorzero $(PEERS)/tensorzero --litellm $(PEERS)/litellm $(ARGS)

check: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy typings/greenroom bench tests
	$(BIN)/basedpyright

format: $(VENV)/.developed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Tests against an installed wheel: what pyproject's list of packages forgets is missing there. Those that
# go through every corner would find nothing else than `make test` has.
WHEEL_TESTS := tests/test_layers.py tests/runtime tests/docs tests/examples tests/http/test_process.py \
  tests/http/config tests/actors/tools tests/actors/errands
wheel-test: WHEEL_VENV := .venv-wheel
wheel-test:
	rm -rf $(WHEEL_VENV) dist build
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/pip install --quiet --requirement requirements-dev.lock
	$(WHEEL_VENV)/bin/python -m build --wheel --outdir dist .
	$(WHEEL_VENV)/bin/pip install --quiet --no-deps dist/*.whl
	$(WHEEL_VENV)/bin/pytest $(IN_PARALLEL) $(WHEEL_TESTS) $(ARGS)

# Needs uv; the lock names versions only, so that any registry serves.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade \
	  --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(PEERS) .venv-clients .venv-wheel dist build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Setting up in $(VENV); this takes a moment."
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.developed: pyproject.toml requirements-dev.lock | $(VENV)/bin/python
	$(BIN)/pip install --quiet --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@ $(VENV)/.installed

# The peers as pyproject's group `bench` names them; pip reads groups from 25.1 on only.
$(BENCH_VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --editable . "autogen-core>=0.7.5,<0.8" "pykka>=4.5,<5"
	@touch $@

$(PEERS)/tensorzero/.installed: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(PEERS)/tensorzero
	$(PEERS)/tensorzero/bin/pip install --quiet "tensorzero>=2026.6,<2027"
	@touch $@

$(PEERS)/litellm/.installed: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(PEERS)/litellm
	$(PEERS)/litellm/bin/pip install --quiet "litellm[proxy]>=1.108,<2"
	@touch $@
