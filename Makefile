# `make` lists the targets. Everything is installed into .venv; needed are git, make and Python 3.11+ with venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN ?= .venv/bin
ARGS ?=
# Chalice asks for a region even when it only packages; proxies of the operator are kept.
export AWS_DEFAULT_REGION ?= us-east-1
# Compiled files are kept: without them every process that a test starts would compile all of Sauron again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run dev quick test coverage mutants simulate parity faults attack check fmt pictures bench soak docs package image image-test lock release first-bundle

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: .venv/.installed ## Make .venv with everything pinned in requirements-dev.txt

.venv/.installed: requirements-dev.txt pyproject.toml
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit("Sauron needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@$(or $(PYTHON),python3) -c 'import ensurepip, venv' 2>/dev/null && command -v git >/dev/null || { \
	  echo "Sauron needs git, and Python with venv. On Debian: sudo apt-get install git make python3-venv" >&2; exit 1; }
	@echo "Installing into .venv; the first time takes a minute or two."
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Without a bundle of your own the first start makes one: a git repository with example jobs, named in .env.
first-bundle: install
	@if [ ! -e .env ] && [ -z "$$JOBS_GIT_REPO_URL" ]; then \
	  [ -e .sauron/bundle/.git ] || $(BIN)/sauron init .sauron/bundle; \
	  printf '%s\n' 'JOBS_GIT_REPO_URL=$(CURDIR)/.sauron/bundle' \
	    '# How often that repository is looked at, 300 when unset; `sauron sync` looks at once.' \
	    '# JOBS_REFRESH_INTERVAL_SECONDS=300' > .env; \
	fi

run: first-bundle ## Start Sauron: API, clock and workers (writes an example bundle the first time)
	@exec $(BIN)/sauron serve

dev: first-bundle ## Start Sauron under `chalice local`, for work on the handlers
	@exec $(BIN)/chalice local --stage dev --no-autoreload --host "$${API_HOST:-127.0.0.1}" --port "$${API_PORT:-8080}"

# Tests run on every core, with one process more, since many wait. Their files lie in memory where there is room for them: what they write need not last.
TMP_IN_MEMORY := $(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'NR == 2 { print $$4 }')" -gt 4000000 ] && echo TMPDIR=/dev/shm)
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

quick: install ## The quick loop: what is pure and the store on SQLite, within a minute
	@$(TMP_IN_MEMORY) $(BIN)/pytest -q -n $(WORKERS) -m "not process and not postgresql and not slow and not long" tests/unit $(ARGS)

test: install ## Run the tests (ARGS="tests/unit -k cron", WORKERS=0 for one process)
	@$(TMP_IN_MEMORY) $(BIN)/pytest -n $(WORKERS) $(ARGS)

coverage: install ## Run the tests and print which share of the lines they reach, folder by folder
	@$(TMP_IN_MEMORY) $(BIN)/pytest -q -n $(WORKERS) --cov --cov-report= $(ARGS)
	@$(BIN)/python -m tests.coverage_by_folder

mutants: install ## Break the code in small ways and see that tests notice (ARGS="--seed 7 --count 40")
	@$(TMP_IN_MEMORY) $(BIN)/python -m tests.mutants $(ARGS)

simulate: install ## Play stories of faults in virtual time on the real code, ten minutes (ARGS="--seed 7 --shrink"; --mutants)
	@$(TMP_IN_MEMORY) $(BIN)/python -m tests.simulation $(ARGS)

parity: install ## One suite on container, PostgreSQL, chalice local and Lambda (ARGS="-k sync")
	@$(BIN)/pytest tests/parity --parity=all $(ARGS)

check: install ## Lint, format, types, import direction: what CI runs before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: install ## Format the code and apply ruff's safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# Without ARGS it writes the table of docs/faults.md.
faults: install ## Kill, cut off, fill, freeze and skew what Sauron stands on (40 minutes; ARGS="-k clocks")
	@LIFE_HUB_RUNS=$${LIFE_HUB_RUNS:-3000} KILLS=$${KILLS:-1000} POWER_CUTS=$${POWER_CUTS:-10} PROPERTIES=many \
	  $(BIN)/python -m pytest -s -p tests.faults.page $(if $(ARGS),,--page docs/faults.md) -m "faults or properties" tests $(ARGS)

attack: install ## Attack a server of its own on this machine and print what got through (two minutes at most)
	@$(TMP_IN_MEMORY) $(BIN)/python -m tests.attack
	@$(TMP_IN_MEMORY) $(BIN)/pytest -q -m long tests/e2e/test_openapi_requests.py

pictures: install ## Take the pictures in docs/ again (Debian's Chromium; ARGS=tour takes those of the tour)
	@$(TMP_IN_MEMORY) $(BIN)/python -m tests.pictures $(ARGS)

bench: install ## Measure the promised speeds (ARGS="tick throughput")
	@$(BIN)/python -m tests.bench $(ARGS)

soak: install ## Let Sauron work at 20 runs a second for two hours and see that nothing grows (ARGS="--minutes 10")
	@$(BIN)/python -m tests.soak $(ARGS)

docs: install ## Write docs/api.md from the routes' declarations
	@$(BIN)/python -m tests.api_page

# Packaged from a clean copy, because Chalice packs every file it finds, caches included. One zip serves all
# functions: CloudFormation uploads it once. The layer is for `chalice deploy`, which uploads once per function.
STAGE ?= prod

package: install ## Build the Lambda zip and a CloudFormation template in build/lambda (STAGE=prod)
	@rm -rf build/src build/lambda && mkdir -p build/src/.chalice
	@cp -RP app.py chalicelib sauron_jobs_loader vendor requirements.txt build/src
	@cp .chalice/policy-*.json build/src/.chalice
	@sed 's/"automatic_layer": true/"automatic_layer": false/' .chalice/config.json > build/src/.chalice/config.json
	@find build/src -name __pycache__ -prune -exec rm -rf {} +
	@PYTHONDONTWRITEBYTECODE=1 $(BIN)/chalice --project-dir build/src package --stage $(STAGE) $(CURDIR)/build/lambda
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(CURDIR):$(CURDIR)/container $(BIN)/python -m sauron.aws.template build/lambda $(STAGE)
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(CURDIR):$(CURDIR)/container $(BIN)/python -m sauron.aws.precompile build/lambda/deployment.zip
	@rm -rf build/src && ls -l build/lambda

image: ## Build the container image with docker, podman or buildah (ARGS='--build-arg EXTRA_APT="gh"')
	@container/build.sh $(ARGS)

image-test: install ## Build the image without an engine and run it (root, buildah, mmdebstrap; four minutes)
	@$(BIN)/pytest -s -m image tests/image $(ARGS)

# Hashes come from the public index alone, so that any machine can install what one machine locked. The largest set is
# resolved first and bounds the others. `make lock ARGS=--upgrade` moves every pin.
LOCK = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null $(BIN)/pip-compile --quiet --no-config \
  --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-header --no-annotate $(ARGS)
WANTS = $(BIN)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  extras = sys.argv[1:]; wanted = [one for one in project["dependencies"] if extras or one != "chalice"]; \
  print(*wanted, *(one for extra in extras for one in project["optional-dependencies"][extra]), sep="\n")'

lock: install ## Pin the dependencies of pyproject.toml again, with hashes
	@mkdir -p build
	@$(WANTS) container dev > build/dev.in && $(LOCK) -o requirements-dev.txt build/dev.in
	@$(WANTS) container > build/container.in && $(LOCK) -c requirements-dev.txt -o requirements-container.txt build/container.in
	@$(WANTS) > build/lambda.in && $(LOCK) -c requirements-dev.txt -o requirements.txt build/lambda.in

release: install ## Check version, changelog and tree, then create the annotated tag (nothing is pushed)
	@$(BIN)/python .ci/release.py
