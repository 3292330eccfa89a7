# make demo: shows the main job on a copy of example-repo, with the embedded registry.
# make test: runs all tests but those of make lane, which install packages and call the SDKs. ROOM=tests/pull
# runs those of one directory or file.
# make lane: runs those. make lint: checks style and types.
# make fuzz: runs all tests with fresh random examples.
# make bench: measures the performance budgets; CONTRIBUTING.md explains the parts.
# make docs: builds the manual into build/docs; a dead link fails the build.
# make manual: runs the commands of the manual again and updates their output, tables and screenshots.
# make fidelity: calls every method of the official SDKs and updates docs/compatibility.md; needs npm.
# make verify-live: tries promptsync on your PromptLayer workspace, with names of its own; ARGS=--help explains.
# make screens: renders only the screenshots.
# make dist: builds the last commit into dist/ and checks what a user would install.
# make image: builds the image of the Containerfile and tries it; .ci/image.py says what it does without an engine.
# make lock: pins the newest versions of what promptsync needs in requirements.lock, with hashes, and
# finds what Homebrew builds.

PYTHON ?= python3
# Some containers set this. Each process would then compile promptsync again.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
BIN := $(VENV)/bin
# Many tests wait for a process or a socket, so run one more worker than there are processors.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: demo test lane fuzz lint bench docs manual fidelity verify-live screens dist image lock clean

demo: $(VENV)/.installed
	@PATH="$(abspath $(BIN)):$$PATH" sh tests/demo/demo.sh

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not lane" $(ROOM)

lane: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m lane

fuzz: $(VENV)/.installed-test
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs
	rm -rf build/docs
	$(BIN)/python -m sphinx -W -n --keep-going --quiet -b html docs build/docs

manual: $(VENV)/.installed-test screens
	$(BIN)/python tests/walkthrough_shell.py

fidelity: $(VENV)/.installed-test
	$(BIN)/python tests/fidelity/table.py build/fidelity

verify-live: $(VENV)/.installed
	@$(BIN)/python tests/live/verify.py $(ARGS)

screens: $(VENV)/.installed-test
	$(BIN)/python docs/screens.py

dist:
	@PYTHON=$(PYTHON) .ci/dist

image:
	@ENGINE=$(ENGINE) $(PYTHON) .ci/image.py .

# serve and the build backend are pinned, too, so that the image and a build from the lock need nothing else.
lock: $(VENV)/.installed-release
	$(BIN)/python -c 'import tomllib; \
	  print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --extra serve \
	    --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml -
	$(BIN)/uv pip compile --quiet --format pylock.toml --constraint requirements.lock \
	  --python-version 3.14 --python-platform macos --extra serve pyproject.toml \
	  | $(BIN)/python .ci/formula.py > .ci/sdists.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "promptsync requires Python 3.11 or later. Pass one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing promptsync and the packages that it needs into $(VENV):"
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group docs
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-release: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --group release
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
