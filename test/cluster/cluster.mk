# A real Kubernetes on this machine, and the tests that need one. See test/cluster/README.md and test/e2e/README.md.

.PHONY: cluster cluster-down e2e e2e-image

cluster: node_modules/.installed ## start a single-node Kubernetes on this machine (root; no image is pulled)
	@test/cluster/up.sh

cluster-down: ## stop it and remove every process, mount, link, cgroup and file of it
	@test/cluster/down.sh

e2e-image: build
	@test/e2e/image.sh

e2e: node_modules/.installed e2e-image ## drive workers on that Kubernetes with the real commands, faults included
	npx vitest run --config test/e2e/vitest.config.ts $(VITEST_FLAGS) $(TESTS)
