# make install | demo | test | test-slow | test-web | test-onedl | test-python | lint | docs
# make wheel | sdist | check-wheel
# Overridable: PYTHON, VENV, TORCH, PIP_ARGS (e.g. PIP_ARGS="--index-url https://…"), STACK=onedl,
# JOBS (processes of the tests), TESTS (what pytest is given)
PYTHON ?= python3
STACK ?= openmmlab
VENV ?= .venv
TORCH ?= torch==2.13.0
PIP_ARGS ?=
TESTS ?=
JOBS ?= 2

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed-$(STACK)
SOURCES := setup.py pyproject.toml $(patsubst %,requirements/%.txt,$(STACK) deploy test)

.PHONY: install demo test test-slow test-web test-onedl test-python lint docs wheel sdist check-wheel clean

install: $(INSTALLED)

# torch first and pinned: without the pin, the stack's packages would bring the CUDA builds along.
$(INSTALLED): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(PIP_ARGS) "$(TORCH)"
	$(PIP) install --quiet $(PIP_ARGS) "$(TORCH)" -e ".[$(STACK),deploy,test]"
	touch $@

demo: install
	$(BIN)/python tools/demo.py

# one thread a process: two thread pools on two cores would wait for each other
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(TESTS)

test-slow: install
	$(BIN)/python -m pytest -m slow $(TESTS)

# The page of a browser export in headless Chromium (Debian: apt install chromium chromium-driver).
# What it serves, onnxruntime-web, is fetched from npm on first use; MMSEG_EFF_WEB_RUNTIME names it.
test-web: install
	$(PIP) install --quiet $(PIP_ARGS) -r requirements/browser.txt
	$(BIN)/python -m pytest -m slow tests/deploy/test_web_page.py $(TESTS)

test-onedl:
	$(MAKE) test STACK=onedl VENV=.venv-onedl

# On another Python of this machine, in an environment of its own: make test-python PYTHON=python3.13
test-python:
	$(MAKE) test VENV=.venv-$(STACK)-$(notdir $(PYTHON))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site. The docstrings are read, not imported; what the pages run is in `make test`.
docs: install
	$(PIP) install --quiet $(PIP_ARGS) -r requirements/docs.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

wheel: install
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

sdist: install
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')"

# Both in fresh environments, from another folder: import, train, predict, export.
check-wheel:
	rm -rf dist
	$(MAKE) wheel sdist
	$(BIN)/python tests/check_wheel.py dist/* --stack $(STACK) --torch "$(TORCH)" --pip-args="$(PIP_ARGS)"

clean:
	rm -rf .venv .venv-* build dist *.egg-info mmseg_eff/.mim
