# make install | demo | test | test-slow | test-onedl | test-python | lint | docs
# make test-web | test-mobile | test-triton | test-recipes
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
RECIPES := build/recipes
ORT_HEADERS := com.github.asus4.onnxruntime@0.4.9
SOURCES := setup.py pyproject.toml $(patsubst %,requirements/%.txt,$(STACK) deploy test)

.PHONY: install demo test test-slow test-onedl test-python lint docs wheel sdist check-wheel clean
.PHONY: test-web test-mobile test-triton test-recipes

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

# Exports for NVIDIA Triton by a real server, PyTriton's, which needs an older numpy than torch's stack.
test-triton: install
	test -x .venv-triton/bin/python || $(PYTHON) -m venv .venv-triton
	.venv-triton/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS) -r requirements/triton.txt
	MMSEG_EFF_TRITON=.venv-triton $(BIN)/python -m pytest tests/deploy/test_triton_server.py $(TESTS)

# Programs in other languages that run an exported folder, with what they need from npm and pip in
# build/recipes; g++, node and npm are there already. The headers of ONNX Runtime, which its Python
# package lacks, come from the one for Unity.
test-recipes: install
	mkdir -p $(RECIPES)/onnxruntime
	cp examples/node/package.json $(RECIPES)
	npm install --prefix $(RECIPES) --ignore-scripts --no-audit --no-fund --silent
	test -f $(RECIPES)/onnxruntime/onnxruntime_cxx_api.h || { cd $(RECIPES) \
		&& tar -xzf "$$(npm pack --silent $(ORT_HEADERS))" -C onnxruntime --strip-components=7 \
		--wildcards '*/ios-arm64_x86_64-simulator/*/Headers/*.h' && rm *.tgz; }
	test -x $(RECIPES)/venv/bin/python || $(PYTHON) -m venv $(RECIPES)/venv
	$(RECIPES)/venv/bin/python -m pip install --quiet $(PIP_ARGS) \
		$$(sed -n 's/^RUN pip install --no-cache-dir //p' examples/docker/Dockerfile)
	$(BIN)/python -m pytest -m "slow or not slow" tests/examples

# Exports for phones. LiteRT's and ExecuTorch's packages, 4 GB, get an environment of their own.
test-mobile:
	test -x .venv-mobile/bin/python || $(PYTHON) -m venv .venv-mobile
	.venv-mobile/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS) "$(TORCH)"
	.venv-mobile/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS) "$(TORCH)" \
		-e ".[$(STACK),deploy,test,litert,executorch]"
	OMP_NUM_THREADS=1 .venv-mobile/bin/python -m pytest $(TESTS) \
		tests/deploy/backends/test_litert.py tests/deploy/backends/test_executorch.py

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
