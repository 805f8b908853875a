# make install | demo | test | test-slow | lint | test-onedl | wheel
# Overridable: PYTHON, VENV, TORCH, PIP_ARGS (e.g. PIP_ARGS="--index-url https://…"), STACK=onedl
PYTHON ?= python3
STACK ?= openmmlab
VENV ?= .venv
TORCH ?= torch==2.13.0
PIP_ARGS ?=

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed-$(STACK)
SOURCES := setup.py pyproject.toml $(patsubst %,requirements/%.txt,$(STACK) deploy test)

.PHONY: install demo test test-slow test-onedl lint wheel clean

install: $(INSTALLED)

# torch first and pinned: without the pin, the stack's packages would bring the CUDA builds along.
$(INSTALLED): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(PIP_ARGS) "$(TORCH)"
	$(PIP) install --quiet $(PIP_ARGS) "$(TORCH)" -e ".[$(STACK),deploy,test]"
	touch $@

demo: install
	$(BIN)/python tools/demo.py

test: install
	$(BIN)/python -m pytest

test-slow: install
	$(BIN)/python -m pytest -m slow

test-onedl:
	$(MAKE) test STACK=onedl VENV=.venv-onedl

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

wheel: install
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf .venv .venv-onedl build dist *.egg-info mmseg_eff/.mim
