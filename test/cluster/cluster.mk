# A real Kubernetes on this machine, and the tests that need one. See test/cluster/README.md and test/e2e/README.md.
#
#   CLUSTER_KUBERNETES   1.34 for the oldest version that the tests are for; the newest otherwise
#   CLUSTER_NODE         containerd2 for containerd 2, etcd 3.5 and runc 1.3 instead of Debian's (debian)
#   CONTEXT, NAMESPACE   another cluster, and a namespace that is there: `make e2e` runs there what harms nobody
#   E2E_IMAGE            the worker image, with the stand-ins, that it can pull

.PHONY: cluster cluster-programs cluster-parts cluster-down cluster-kind e2e e2e-versions e2e-here e2e-there e2e-image e2e-push e2e-tools e2e-v2

cluster: node_modules/.package-lock.json cluster-programs ## start a single-node Kubernetes on this machine (root; no image is pulled)
	@test/cluster/up.sh

cluster-programs: | node
	@scripts/build/programs.sh ip iptables openssl nsenter jq curl mkfs.ext4 $(if $(filter containerd2,$(CLUSTER_NODE)),gcc pkg-config)

cluster-parts: cluster-programs
	@test/cluster/parts.sh

cluster-down: ## stop it and remove every process, mount, link, cgroup and file of it
	@test/cluster/down.sh

cluster-kind: e2e-image-file ## the same with kind, where Docker can run its node image; then make e2e CONTEXT=kind-…
	@test/cluster/kind.sh up

e2e-image: build
	@scripts/build/programs.sh debootstrap
	@test/e2e/image.sh

e2e-image-file: build
	@scripts/build/programs.sh debootstrap
	@test/e2e/image.sh --file-only

e2e-push: image-for-tests
	@$(WITH_DOCKER) test/e2e/push-image.sh

e2e-tools: build
	@scripts/build/programs.sh tmux busybox
	@charts/lint.sh tools

# Typed, not found in the environment: whoever types `make e2e` means the cluster of this machine.
e2e: $(if $(filter command line,$(origin CONTEXT)),e2e-there,e2e-here) ## drive workers on that Kubernetes with the real commands, faults included

e2e-here: e2e-tools e2e-image e2e-push
	env -u E2E_CONTEXT -u E2E_NAMESPACE npx vitest run --config test/e2e/vitest.config.ts $(VITEST_FLAGS) $(TESTS)

e2e-versions: ## the same at the oldest and the newest Kubernetes, and on a newer node, one after the other; every night, say
	for version in CLUSTER_KUBERNETES=1.34 CLUSTER_KUBERNETES=1.37 CLUSTER_NODE=containerd2; do env $$version $(MAKE) cluster-down cluster e2e; done

# Its node has the base of the small image as its system, and the real image on its disk.
e2e-v2: e2e-tools e2e-image e2e-push ## drive a worker on a second node whose cgroups are v2, in a virtual machine (QEMU)
	@test/cluster/v2/with-node.sh npx vitest run --config test/e2e/v2/vitest.config.ts $(VITEST_FLAGS)

e2e-there: build helm
	@scripts/build/programs.sh tmux
	@[[ -n "$(NAMESPACE)" && -n "$(E2E_IMAGE)" ]] || { echo 'error: NAMESPACE=… and E2E_IMAGE=… are needed with CONTEXT=…; see test/e2e/README.md' >&2; exit 2; }
	E2E_CONTEXT=$(CONTEXT) E2E_NAMESPACE=$(NAMESPACE) E2E_IMAGE=$(E2E_IMAGE) \
	  npx vitest run --config test/e2e/vitest.config.ts $(VITEST_FLAGS) $(TESTS)
