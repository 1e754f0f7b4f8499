# The real claude, as the image fetches it, in tmux on this machine, with a server of ours on loopback for its API.

# Where the image build fetches them, too: 500 MB that do not change before the version does.
AGENTS_CACHE = $(CURDIR)/.cache/image/npm
AGENTS_ARCH = $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
# Another one to try: make test-agents CLAUDE_BIN=…/claude
CLAUDE_BIN ?= $(AGENTS_CACHE)/linux_$(AGENTS_ARCH)/claude

.PHONY: claude
claude: node
	@[[ "$(CLAUDE_BIN)" != "$(AGENTS_CACHE)/"* ]] || image/npm/fetch.sh $(AGENTS_ARCH) "$(AGENTS_CACHE)"

.PHONY: test-agents
test-agents: node_modules/.package-lock.json programs claude ## the real claude on every screen it may stop at (npm; no account, no other network)
	CLAUDE_BIN=$(CLAUDE_BIN) npx vitest run --config test/agents/vitest.config.ts $(VITEST_FLAGS) $(TESTS)

.PHONY: screens
screens: node_modules/.package-lock.json programs claude ## capture those screens anew for the tests that do without the program
	SCREENS=write CLAUDE_BIN=$(CLAUDE_BIN) npx vitest run --config test/agents/vitest.config.ts test/agents/screens.test.ts
