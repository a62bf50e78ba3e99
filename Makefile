# `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable
SAMPLE := samples/canon_eos30d_IMG_0848.CR2
NAME ?= edge
MODEL := invisp_deploy/models/canon_eos30d_$(NAME)
WORK ?= work
# photographs that the shipped model has never seen; saturated wallpapers among them
HELD := Aqua Twigonometry Sunset_by_the_Pier ng-32703 roman-colosseum red-cherry-leaves friends_by_Aitzol_Berasategi
STEPS_edge := 6000
STEPS_nano := 15000

.DEFAULT_GOAL := help
.PHONY: help demo test check test-clients test-arm64 docs model doctor bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.base ## sample RAW -> demo/photo.jpg -> demo/photo.dng, and a report on the round trip
	mkdir -p demo
	$(BIN)/invisp-run $(SAMPLE) -o demo/photo.jpg --overwrite
	$(BIN)/invisp-run demo/photo.jpg -o demo/photo.dng --overwrite
	$(BIN)/invisp eval roundtrip $(SAMPLE) -o demo/report --overwrite

test: $(VENV)/.test ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.test ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict invisp_deploy

test-clients: $(VENV)/.base ## open our DNGs with dcraw, ExifTool, RawTherapee and darktable (installs them if root)
	scripts/install_clients.sh
	PYTHON=$(BIN)/python scripts/test_clients.sh

test-arm64: $(VENV)/.base ## run the base install on an emulated arm64 and compare it with this machine; minutes
	PYTHON=$(BIN)/python scripts/arm64.sh

docs: $(VENV)/.base ## write what is made from tables: docs/tolerances.md, docs/images/rooms.svg
	$(BIN)/python scripts/tolerances_table.py docs/tolerances.md
	$(BIN)/python scripts/rooms_picture.py docs/architecture.md docs/images/rooms.svg

model: $(VENV)/.test ## train and export a shipped model again: make model NAME=nano PHOTOS=folder [WORK=work]; hours
	@test -n "$(PHOTOS)" || { echo "make model needs photographs: make model PHOTOS=folder"; exit 2; }
	mkdir -p $(WORK)/held $(MODEL)
	$(BIN)/invisp prepare synthesize --like $(SAMPLE) --saturation 3398 --per-photo 4 $(PHOTOS) -o $(WORK)/dngs
	for name in $(HELD); do mv $(WORK)/dngs/$$name-*.dng $(WORK)/held/; done
	rm -f $(WORK)/held/*-[1-9].dng
	$(BIN)/invisp prepare raws $(WORK)/dngs -o $(WORK)/data --test-share 0
	$(BIN)/invisp train $(WORK)/data --config $(NAME) --white-level adjusted --gains min --cfa RGGB \
		--steps $(STEPS_$(NAME)) --patch 96 -o $(WORK)/run-$(NAME) --held-out $(WORK)/held
	$(BIN)/invisp-export onnx --checkpoint $(WORK)/run-$(NAME)/weights.safetensors -o $(MODEL) --overwrite
	cp $(WORK)/run-$(NAME)/weights.safetensors $(MODEL)/weights.safetensors
	$(BIN)/invisp calibrate --checkpoint $(MODEL)/weights.safetensors $(SAMPLE) $(WORK)/dngs/*-0.dng \
		--max-tiles 86 --held-out $(SAMPLE) --held-out $(WORK)/held --held-tiles 16 --max-drop 0.1 \
		-o $(MODEL)/scales.json --overwrite
	$(BIN)/python scripts/shipped_card.py $(MODEL) $(SAMPLE) $(PHOTOS)

doctor: $(VENV)/.base ## say what is installed, what of it works, and what to do
	$(BIN)/invisp doctor

bench: $(VENV)/.base ## measure speed and memory on this machine
	mkdir -p $(WORK)
	$(BIN)/invisp bench $(MODEL) --tile 512 --sizes 1,8,24 --file $(SAMPLE) --report $(WORK)/bench.json --overwrite

clean: ## remove outputs and caches, not the environment
	rm -rf demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find invisp_deploy tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: installed again only when the metadata or the pins change.

$(VENV)/.base: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) '.[test]'
	touch $@
