# `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable
SAMPLE := samples/canon_eos30d_IMG_0848.CR2
SAMPLES := $(SAMPLE) samples/canon_powershot_s40_0101.CRW
MODEL := invisp_deploy/models/universal
WORK ?= work
KILLS ?= 1000
# RAW files that the model is judged on
RAWS ?= $(SAMPLES)
# of fuzzing
RUNS ?= 100000
SEED ?= 1
# of its training
CROPS := --patch 96

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz check web test-web test-clients test-arm64 torture docs model doctor bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.base ## RAW files of two cameras -> demo/*.jpg -> demo/*.dng, and a report on a round trip
	mkdir -p demo
	$(BIN)/invisp-run $(SAMPLES) -o demo --overwrite
	$(BIN)/invisp-run demo/canon_eos30d_IMG_0848.jpg demo/canon_powershot_s40_0101.jpg -o demo --overwrite
	$(BIN)/invisp eval roundtrip $(SAMPLE) -o demo/report --overwrite

test: $(VENV)/.test ## run the tests; what examples/cpp is built with is installed if root
	scripts/install_cpp.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

fuzz: $(VENV)/.test ## read RUNS changed files of every kind; what breaks lies in work/fuzz
	$(BIN)/python -m tests.fuzz --runs $(RUNS) --seed $(SEED) --broken $(WORK)/fuzz --page docs/security.md

check: $(VENV)/.test ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict invisp_deploy

test-clients: $(VENV)/.hdr ## open our files with dcraw, ExifTool, RawTherapee, darktable (installed if root), Chromium
	scripts/install_clients.sh
	PYTHON=$(BIN)/python scripts/test_clients.sh

web: ## build the page that renders and recovers in a browser, to web/dist (npm needed); `invisp serve` shows it
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent check && npm run --silent build

test-web: $(VENV)/.base ## build the page, drive it in Chromium (installed if root), and compare it with Python
	scripts/install_browser.sh
	$(MAKE) web
	$(BIN)/python scripts/check_page.py $(WORK)/page

test-arm64: $(VENV)/.base ## run the base install on an emulated arm64 and compare it with this machine; minutes
	PYTHON=$(BIN)/python scripts/arm64.sh

torture: $(VENV)/.test ## kill commands at random moments, fill disks under them: make torture [KILLS=1000]; minutes
	$(BIN)/python scripts/torture.py --kills $(KILLS)

docs: $(VENV)/.base ## write what is made from tables: docs/tolerances.md, docs/images/rooms.svg
	$(BIN)/python scripts/tolerances_table.py docs/tolerances.md
	$(BIN)/python scripts/rooms_picture.py docs/architecture.md docs/images/rooms.svg

# two threads are no faster on so small a network
model: export OMP_NUM_THREADS = 1
model: $(VENV)/.test ## train and export the shipped model again: make model PHOTOS=folder [RAWS=files] [WORK=work]
	@test -n "$(PHOTOS)" || { echo "make model needs photographs: make model PHOTOS=folder"; exit 2; }
	mkdir -p $(WORK) $(MODEL)
	$(BIN)/invisp prepare synthesize $(PHOTOS) -o $(WORK)/dngs --per-photo 4 --seed 2
	$(BIN)/invisp train $(WORK)/dngs -o $(WORK)/run --config universal $(CROPS) --learning-rate 0.001 --steps 14000 \
		--raw-weight 0.4 --clipped-weight 0
	cp $(WORK)/run/weights.safetensors $(MODEL)/weights.safetensors
	$(BIN)/invisp-export onnx --checkpoint $(MODEL)/weights.safetensors -o $(MODEL) --overwrite
	$(BIN)/invisp calibrate --checkpoint $(MODEL)/weights.safetensors $(WORK)/dngs/*-0.dng \
		--max-tiles 64 --held-out samples --held-tiles 16 --max-drop 0.06 \
		-o $(MODEL)/scales.json --overwrite
	$(BIN)/invisp eval files $(RAWS) -o $(WORK)/table --overwrite
	$(BIN)/python scripts/shipped_card.py $(MODEL) --table $(WORK)/table/files.json --photos $(PHOTOS) \
		--runs $(WORK)/run --dngs $(WORK)/dngs

doctor: $(VENV)/.base ## say what is installed, what of it works, and what to do
	$(BIN)/invisp doctor

bench: $(VENV)/.base ## measure speed and memory on this machine
	mkdir -p $(WORK)
	$(BIN)/invisp bench $(MODEL) --tile 512 --sizes 1,8,24 --file $(SAMPLE) --report $(WORK)/bench.json --overwrite

clean: ## remove outputs and caches, not the environment
	rm -rf demo build dist web/dist web/node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find invisp_deploy tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: installed again only when the metadata or the pins change.

$(VENV)/.base: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) .
	touch $@

$(VENV)/.hdr: $(VENV)/.base
	$(PIP) '.[hdr]'
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) '.[test]'
	touch $@
