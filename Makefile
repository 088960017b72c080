# make demo   the sample, a trained model, an index, outfits for three users as pictures and a page
# make serve  the demo, as a service with pages in a browser: http://127.0.0.1:8000
# make test   the ordinary tests
# make chromium  a browser for the tests of the pages, by apt; without one these tests skip
# make postgres  a PostgreSQL for the tests of exported codes, by apt; without one these tests skip
# make fuzz   a kill at every moment of what writes files, and thousands of damaged files (FUZZ_CASES or FUZZ_MINUTES a kind)
# make check  ruff (lint, format) and mypy
# make bare   the wheel, alone in a bare environment without torch, answers from bundles
# make bench  the benchmarks, as tables
# make docs   the documentation as a site, in site/
# make figures  the tables of figures in README and docs, drawn again from results/

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo serve test chromium postgres test-slow fuzz check bare format bench docs figures clean

$(VENV)/.made: setup.cfg setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,check]'
	touch $@

polyvore_data/.made: | $(VENV)/.made
	$(BIN)/python tools/make_sample.py --out polyvore_data --seed 0 --variable
	touch $@

demo: $(VENV)/.made polyvore_data/.made
	rm -rf runs/demo
	$(BIN)/python -m fashion_hash.cli demo .

runs/demo/bundle/current: | $(VENV)/.made polyvore_data/.made
	$(BIN)/python -m fashion_hash.cli demo .

serve: runs/demo/bundle/current
	$(BIN)/python -m fashion_hash.cli serve runs/demo/bundle

test: $(VENV)/.made polyvore_data/.made chromium postgres
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.made polyvore_data/.made chromium postgres
	$(BIN)/python -m pytest -n 2 --dist worksteal

chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && test "$$(id -u)" = 0; then apt-get update -qq && apt-get install -y -qq chromium >/dev/null; fi \
	|| echo "no chromium could be installed: the tests of pages in a browser skip"

postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	{ command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq postgresql >/dev/null; } \
	|| echo "no PostgreSQL could be installed: its tests skip"

fuzz: $(VENV)/.made
	$(BIN)/python -m pytest -m slow $(wildcard tests/kills tests/fuzz)

check: $(VENV)/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bare: $(VENV)/.made
	.ci/bare_install.sh $(BIN)/python

format: $(VENV)/.made
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.made
	for script in benchmarks/bench_*.py; do echo; echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.made
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

figures: $(VENV)/.made
	$(BIN)/python benchmarks/draw.py

clean:
	rm -rf $(VENV) runs demo_output site
