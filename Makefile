PYTHON ?= python3
VENV ?= .venv
WORKSPACE ?= workspace
UV_VERSION := 0.13.9
BIN := $(VENV)/bin
ENGINE ?= $(if $(shell command -v docker),docker,podman)
IMAGE ?= localhost/iadb-tfx:0.1.0
TARGET ?= cpu

# Where this is set, Python compiles 5,500 modules in each process that imports TensorFlow and TFX,
# which takes ten seconds. The installation imports them once, for processes that make does not start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow test-all lint canonical manifests docs bench parity gate month kubeflow-image kubeflow-e2e lock clean venv

# The main job: from a folder of scikit-learn's digits to a gated, pushed sampler.
run: venv
	$(BIN)/iadb data write digits $(WORKSPACE)/data/digits
	$(BIN)/iadb run --preset digits --data $(WORKSPACE)/data/digits --workspace $(WORKSPACE)

# Runs tests in two processes. The tests of a file share fixtures, so they run in the same process.
# tests/conftest.py starts the longest files first. A process that crashes ends the run: pytest-xdist
# would start another, and then wait for ever for tests that have ended.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 10

# Tests that take no more than a few seconds each. tests/pipeline runs separately, because TFX and
# TensorFlow release little memory.
test: venv
	$(PYTEST) -m "not slow" --ignore tests/pipeline
	$(PYTEST) -m "not slow" tests/pipeline

# The remaining tests, of several seconds or more: among them kills, whole evaluations, workers and
# Kubeflow tasks in processes of their own, Beam's portable protocol, and days of the month.
test-slow: venv
	$(PYTEST) -m slow

# Both, in less time: what fast and slow tests of a process share, they import and train once.
test-all: venv
	$(PYTEST) --ignore tests/pipeline
	$(PYTEST) tests/pipeline

# Compares examples, metrics, samples, signatures and outputs of five small workspaces with those in
# tests/canonical/recorded, in nine minutes on two busy cores: before a commit that is to change none of them.
# NAMES="digits pairs" takes some of them, OPTIONS=--record records them anew.
canonical: venv
	$(BIN)/python -m tests.canonical $(OPTIONS) $(NAMES)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Checks the Dockerfile and the manifests, as kustomize builds them, with checkov in an environment of
# its own. .ci/checkov.yaml lists the exceptions. Needs Debian's kustomize.
manifests: .venv-checkov/complete
	rm -rf build/manifests
	mkdir -p build/manifests
	cp kubeflow/Dockerfile kubeflow/manifests/*.yaml build/manifests
	set -e; for folder in kubeflow/manifests/base kubeflow/manifests/overlays/*; do \
	    kustomize build $$folder > build/manifests/$$(basename $$folder).yaml; done
	LOG_LEVEL=ERROR .venv-checkov/bin/checkov --config-file .ci/checkov.yaml

.venv-checkov/complete: $(VENV)/complete .ci/checkov.lock
	$(PYTHON) -m venv --clear --without-pip .venv-checkov
	$(BIN)/uv pip install --quiet --python .venv-checkov/bin/python --require-hashes -r .ci/checkov.lock
	@touch $@

# Builds the site from docs/ in build/site; fails on broken links and missing pages.
docs: venv $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true PYTHONPATH=. $(BIN)/mkdocs build

$(VENV)/docs: $(VENV)/complete docs/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r docs/requirements.lock
	@touch $@

# Runs all benchmarks, in most of a day: time_to_quality, translation and distillation take hours;
# `make bench NAMES="main_job training_step"` runs some of them, and benchmarks/settings.py names what
# shortens a run, or gives it other sizes. PyTorch has an environment of its own.
bench: venv .venv-parity/complete
	$(BIN)/python -m benchmarks $(NAMES)

# Compares the network with diffusers' UNet2DModel, and the metrics with clean-fid, torch-fidelity
# and prdc. These packages are installed in a separate environment.
parity: venv .venv-parity/complete
	$(BIN)/python tests/parity/comparison.py .venv-parity/bin/python
	$(BIN)/python tests/parity/metrics_comparison.py .venv-parity/bin/python

# Judges good models and models with known faults on four data sets. Other limits of the gate are
# tried in minutes, since the numbers are kept in build/gate. Needs Fashion-MNIST and the emoji:
# OPTIONS="--fashion FOLDER --emoji TARBALL", or their packages of Debian and npm.
gate: venv
	$(BIN)/python -m benchmarks.gate $(OPTIONS)

# Simulates a month of unattended retraining in half an hour. The mount namespace allows a small
# file system that can fill up.
month: venv
	rm -rf build/month
	unshare --user --map-root-user --mount $(BIN)/python -m tests.month build/month

.venv-parity/complete: tests/parity/requirements.txt
	$(PYTHON) -m venv --clear .venv-parity
	.venv-parity/bin/python -m pip install --quiet --disable-pip-version-check -r tests/parity/requirements.txt
	@touch $@

# Builds the image of the nodes on a cluster; TARGET=gpu includes the CUDA libraries. BUILD_OPTIONS
# are passed to the engine, for example "--network host".
kubeflow-image:
	$(ENGINE) build $(BUILD_OPTIONS) --build-arg UV_VERSION=$(UV_VERSION) --file kubeflow/Dockerfile --target $(TARGET) --tag $(IMAGE) .

# Runs the compiled pipeline in these containers with KFP's local runner. Requires root, the Debian
# package postgresql, and an engine with Docker's API (DOCKER_HOST).
kubeflow-e2e: venv kubeflow-image
	$(BIN)/python -m tests.kubeflow_e2e $(IMAGE)

venv: $(VENV)/complete

# The stamp is written last, so that an interrupted installation is repeated.
$(VENV)/complete: requirements.lock setup.py
	@command -v $(PYTHON) >/dev/null || { echo "iadb-tfx needs Python 3.11, 3.12 or 3.13: no $(PYTHON) found (make PYTHON=/path/to/python3.13)" >&2; exit 1; }
	@$(PYTHON) .ci/check_platform.py
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	-@$(BIN)/python -c "import pipeline.graph, pipeline.runners.local, trainer.run_fn" >/dev/null 2>&1
	@touch $@

# Run this only after changing the dependencies in setup.py. One lock serves Python 3.11 to 3.13. The
# GPU image adds the CUDA libraries to the packages of every other installation, and the site adds its
# generator. checkov is alone. TFDV asks for a pyfarmhash below 0.4, whose releases have to be compiled:
# a later one, which has wheels, does for what is used of TFDV.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: venv
	echo 'pyfarmhash>=0.5.1,<0.6' | $(COMPILE) --overrides - --extra kserve --extra kubeflow --extra onnx --extra serve --extra svg --extra test setup.py --output-file requirements.lock
	echo 'tensorflow[and-cuda]' | $(COMPILE) --constraint requirements.lock --output-file kubeflow/requirements-gpu.lock -
	echo checkov | $(COMPILE) --output-file .ci/checkov.lock -
	printf '%s\n' mkdocs mkdocs-click mkdocs-gen-files mkdocs-material 'mkdocstrings[python]' | $(COMPILE) --constraint requirements.lock --output-file docs/requirements.lock -

clean:
	rm -rf $(VENV) .venv-checkov .venv-parity build *.egg-info
