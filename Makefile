# Each target does all the set-up it needs; `make` alone lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python

.PHONY: help setup demo run test check bench format lock clean

help:            ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' Makefile

setup:           ## make .venv and Azurite (the other targets do this by themselves)
	@sh scripts/setup.sh

demo: setup      ## run the guard on a local Azure and tell what happens, and who is told of it
	@$(PY) -m sandbox demo

run: setup       ## leave the same local Azure running; prints its endpoints; Ctrl-C ends it
	@$(PY) -m sandbox up

# Python keeps what it compiles, whatever the environment says: all workers read the same.
test: setup      ## every test, four at a time: the end-to-end ones mostly wait
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 4 --dist worksteal

check: setup     ## lint, format and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

bench: setup     ## the benchmark: prints CPU, latency, memory, cold start, estates and notifications beside floors
	@$(PY) -m sandbox bench

format: setup    ## let ruff mend what it can
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

lock: setup      ## compile requirements*.in into pinned requirements*.txt
	@$(PY) -m pip install --quiet --target build/uv uv==0.13.9
	@for name in requirements requirements-dev; do \
	    build/uv/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o $$name.txt $$name.in || exit 1; done

clean:           ## remove everything that set-up and tests made
	@rm -rf .venv build sandbox/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
