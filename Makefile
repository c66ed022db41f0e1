# Two commands are enough: `make run` to chat, `make test` to test. Each installs what it needs into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Old pips warn about a dependency that ships no wheel, new ones do not know the flag: the variable suits both.
PIP    := PIP_USE_PEP517=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check
HOME_DIR ?= .run/home
PORT   ?= 8080

.DEFAULT_GOAL := help
.PHONY: help run chat test lint format demo docs bench sim faults man picture clean forget

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

$(BIN)/chatd: pyproject.toml
	$(PYTHON) -m venv $(VENV) || { echo "make: no venv for $(PYTHON); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/chatd
	$(PIP) --editable '.[dev]'
	@touch $@

run: $(BIN)/chatd ## start a daemon in the foreground, with its store in .run/home
	@echo "attach from another terminal: make chat$(if $(filter-out .run/home,$(HOME_DIR)), HOME_DIR='$(HOME_DIR)')" >&2
	@exec $(BIN)/chatd --home '$(HOME_DIR)' --port $(PORT) --log-format console $(ARGS)

chat: $(BIN)/chatd ## open the REPL on the daemon of `make run`
	@exec $(BIN)/chat --home '$(HOME_DIR)' $(ARGS)

test: $(VENV)/.dev ## run the whole test suite
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-fail-under 95 $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(BIN)/chatd ## three daemons tell a story in a temporary folder, in under 30 s
	@$(BIN)/python -m tests.e2e.demo

docs: $(BIN)/chatd ## write docs/rpc.md from the table of methods
	$(BIN)/python -m chatcore.api > docs/rpc.md

bench: $(VENV)/.dev ## measure throughput, latency, memory, start-up and searches; prints a table, writes build/bench.json
	@$(BIN)/python -m tests.bench $(ARGS)

sim: $(VENV)/.dev ## gossip on simulated networks of up to 10,000 nodes: table, build/sim.json, docs/img
	@$(BIN)/python -m tests.sim $(ARGS)

faults: $(VENV)/.dev ## kills, damaged stores, split and halved networks, returns and presence on real daemons
	@$(BIN)/python -m tests.faults $(ARGS)

man: $(BIN)/chatd ## man pages of chatd, chatctl and chat: build/man/*.1
	@$(BIN)/python -m tests.docs.man $(ARGS)

picture: $(VENV)/.dev ## two daemons, two terminals, a real talk: docs/img/two-terminals.svg for the README
	@$(BIN)/python -m tests.docs.picture $(ARGS)

clean: ## remove what make made, but for .run
	rm -rf $(VENV) build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

forget: ## remove .run: the identity and the whole history of `make run`, for good
	rm -rf .run
