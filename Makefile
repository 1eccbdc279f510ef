# Two commands set up everything: `make demo` and `make test`. Python 3.11 or later is all they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
DEMO_SERVE ?= 1

# The studies of results/published: on a GPU at about 5M parameters, elsewhere at what two cores can do in two hours.
PUBLISHED ?= positions feedforward norms recipes
GPU := $(shell nvidia-smi --list-gpus 2>/dev/null | wc -l)
ifeq ($(GPU),0)
SCALE ?= --set training.tokens=400_000
else
SCALE ?= --set size.layers=6 --set size.width=256 --set size.heads=8 \
	--set training.tokens=20_000_000 --set training.batch_size=32
endif

.PHONY: demo test lint dashboard bench published readme clean

demo: $(VENV)/.installed
	$(BIN)/workbench run ablations/quickstart.yaml
ifneq ($(DEMO_SERVE),0)
	$(BIN)/workbench dashboard --port $(PORT)
endif

test: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: $(VENV)/.installed
	$(BIN)/workbench bench

published: $(VENV)/.installed  # stop and start it at will: each study goes on where it stopped
	for study in $(PUBLISHED); do \
		$(BIN)/workbench run ablations/$$study.yaml $(SCALE) && $(BIN)/workbench publish $$study || exit 1; \
	done

readme: $(VENV)/.installed  # what the published studies say of the claim cards, put into README
	$(BIN)/workbench published --into README.md

lint: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dashboard: $(VENV)/.installed
	$(BIN)/workbench dashboard --port $(PORT)

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; name a newer one: make demo PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
