# Two targets are enough to begin with: `make quickstart` and `make test`. Both do their own set-up.

SHELL := bash
.SHELLFLAGS := -Eeuo pipefail -c
.DEFAULT_GOAL := help

BASH_FILES = $(shell git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run examples/bin image/bin image/lib/ssh)

.PHONY: help
help: ## explain the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up -----------------------------------------------------------------------------------------------------------

.PHONY: node
node:
	@scripts/build/check-node.sh
	@scripts/build/shared-cache.sh

# The packages, again whenever the lock file changed, and not again after `npm ci` by hand, which leaves this file.
# It also builds dist/ (package.json, "prepare").
node_modules/.package-lock.json: package.json package-lock.json | node
	npm ci --no-audit --no-fund
	@touch $@

.PHONY: programs
programs: | node
	@scripts/build/programs.sh tmux git jq sqlite3 flock timeout setsid

# For builds of factory that keep their state in PostgreSQL.
.PHONY: postgres
postgres: | node
	@scripts/build/programs.sh postgres

# --- what users type --------------------------------------------------------------------------------------------------

.PHONY: quickstart
quickstart: node_modules/.package-lock.json programs ## start a worker on this machine, with stand-ins, and dispatch an issue to it
	@examples/quickstart.sh

.PHONY: quickstart-down
quickstart-down: node_modules/.package-lock.json ## stop the quickstart's worker and remove its folder
	@examples/quickstart.sh down

.PHONY: build
build: node_modules/.package-lock.json ## bundle the umbrella command and the supervisor into dist/
	npm run build --silent

# --- tests ------------------------------------------------------------------------------------------------------------

.PHONY: test
test: node_modules/.package-lock.json programs helm ## what needs no root, no network and no cluster, in a minute and a half
	CONTRACT_DIALECTS=a HELM_NEWEST=1 npx vitest run $(addprefix --project=,unit smoke chart contract hostile) $(VITEST_FLAGS) $(TESTS)

.PHONY: test-worker
test-worker: node_modules/.package-lock.json programs postgres ## the commands against real local workers, in every case
	npx vitest run --project=worker $(VITEST_FLAGS) $(TESTS)

.PHONY: test-contract
test-contract: node_modules/.package-lock.json programs ## the contract of `factory` in every dialect, against the stand-in or FACTORY_BIN=…
	npx vitest run --project=contract $(VITEST_FLAGS) $(TESTS)

.PHONY: test-recovery
test-recovery: node_modules/.package-lock.json programs postgres ## kill -9 at random moments, ROUNDS=200 of each dialect, with SEED=… the same again
	VERBOSE=1 ROUNDS=$(or $(ROUNDS),200) SEED=$(SEED) npx vitest run --project=recovery $(VITEST_FLAGS)

.PHONY: test-hostile
test-hostile: node_modules/.package-lock.json ## every command against every lie of a worker; `make test` tries a part of them
	HOSTILE=all npx vitest run test/hostile

.PHONY: docs
docs: node_modules/.package-lock.json programs build ## write what of the documentation is made from the code, and run what it shows
	npx tsx test/docs/reference.ts
	npx tsx test/docs/schemas.ts
	npx tsx test/docs/recording.ts
	npx tsx test/docs/pictures.ts
	npx vitest run test/docs

.PHONY: lint
lint: node_modules/.package-lock.json lint-bash ## types, style, shell scripts
	npx tsc --noEmit
	npx biome check .

.PHONY: lint-bash
lint-bash: | node
	@scripts/build/programs.sh shellcheck
	shellcheck --external-sources $(BASH_FILES)

.PHONY: fix
fix: node_modules/.package-lock.json ## format and mend what can be mended by itself
	npx biome check --write .

-include charts/chart.mk image/image.mk image/release.mk bench/bench.mk test/cluster/cluster.mk test/agents/agents.mk
