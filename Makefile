# make demo and make test need Python 3.11, pip and make; everything else they install into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: demo test check docs format install dev clean

demo: $(VENV)/.installed ## write a small corpus with the embedded model, offline
	$(BIN)/metasynth run examples/demo.yaml --out runs/demo

# Many tests start a process of their own: where bytecode is not kept, each compiles torch anew.
test: $(VENV)/.installed-dev ## the whole test suite, a file at a time on two cores
	env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --benchmark-disable

check: $(VENV)/.installed-dev ## formatting, linting, types, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) docs

docs: $(VENV)/.installed-dev ## the documentation as a site in build/docs; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

# torch first and alone: a later step then finds its requirement met and never asks for a CUDA build.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) torch==2.13.0
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs build dist *.egg-info
