# `make` on a fresh machine sets everything up and renders the book; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := render
.PHONY: render test lint format lock clean help

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python -m
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-input

# The first of these that is recent enough and can make virtual environments; `make PYTHON=…` names another.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3

# The version that the stored results were trained with. The lock names no build of it: pip takes the one of
# the configured indices.
TORCH := 2.13.0

render: $(READY) ## the website and the PDF, in _site/ (PROFILE=smoke: small models, trained from nothing)
	@$(RUN) epistemics render $(if $(PROFILE),--profile $(PROFILE))

test: lint ## linter, formatter, type checker, all tests (Debian: apt-get install chromium g++ poppler-utils python3-dev)
	@$(RUN) pytest

lint: $(READY) ## linter, formatter, layers and type checker, changing nothing
	@$(RUN) ruff check --quiet .
	$(RUN) ruff format --quiet --check .
	layers=$$($(VENV)/bin/lint-imports --no-cache) || { echo "$$layers"; exit 1; }
	$(RUN) mypy

format: $(READY) ## what linter and formatter can repair by themselves
	@$(RUN) ruff check --quiet --fix .
	$(RUN) ruff format --quiet .

$(READY): requirements.lock pyproject.toml
	@SECONDS=0
	if ! $(RUN) pip --version >/dev/null 2>&1; then
	    for python in $(PYTHON); do
	        version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
	        found=$${found:-$$python is Python $$version}
	        $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
	        recent=$${recent:-$$python}
	        $$python -c 'import ensurepip' 2>/dev/null || continue
	        usable=$$python
	        break
	    done
	    if [[ -z $${recent-} ]]; then
	        echo "Python 3.11 or newer is needed; $${found:-there is none} (looked for: $(PYTHON))." >&2
	        echo "Install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=…" >&2
	        exit 1
	    fi
	    if [[ -z $${usable-} ]]; then
	        echo "$$recent can't make virtual environments (it has no ensurepip)." >&2
	        echo "Install it (Debian: apt-get install python3-venv), or name another: make PYTHON=…" >&2
	        exit 1
	    fi
	    echo "making $(VENV) with $$($$usable --version)"
	    $$usable -m venv --clear $(VENV)
	fi
	echo "installing the packages of requirements.lock (minutes, if they are to be downloaded)"
	$(VENV)/bin/python $(PIP_INSTALL) -r requirements.lock
	$(VENV)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@
	echo "set up in $$SECONDS s"

lock: $(READY) ## requirements.lock from pyproject.toml, with the newest versions it allows (TORCH=… moves torch)
	@folder=$$(mktemp -d)
	trap 'rm -rf "$$folder"' EXIT
	$(RUN) venv "$$folder"
	"$$folder/bin/python" $(PIP_INSTALL) hatchling torch==$(TORCH) '.[dev]'
	{
	    echo "# The exact versions of everything that .venv holds, written by \`make lock\` from pyproject.toml."
	    echo "# Packages that torch needs for CUDA come with the build of torch that pip chooses."
	    "$$folder/bin/python" -m pip freeze --all --exclude pip --exclude epistemics |
	        sed 's/^\(torch==[0-9.]*\)+.*/\1/' | grep -Ev '^(nvidia|cuda|triton)'
	} >"$$folder/requirements.lock"
	cp "$$folder/requirements.lock" requirements.lock

clean: ## the book and the caches; results, checkpoints and .venv stay
	@rm -rf _site _book data llms.txt feed.xml _variables.yml index.typ site_libs .quarto _freeze .workspace/{book-cache,prepared,quarto-site,quarto-keys.json}
	rm -rf .jupyter_cache chapters/.jupyter_cache {.,chapters}/*_files {.,chapters}/*.quarto_ipynb
	rm -rf .mypy_cache .pytest_cache .ruff_cache

help: ## this list
	@sed -n 's/^\([a-z]*\):.* ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
