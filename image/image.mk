# The worker image and its tests. `make image FACTORY_DIR=DIR` builds it with the real factory.

IMAGE ?= factory-worker:dev
# The Docker to use: a running one, or one that is started here (test/image/machine/docker.sh).
WITH_DOCKER = eval "$$(test/image/machine/docker.sh up)" &&

.PHONY: image
image: build ## build the worker image, with the stand-in for factory unless FACTORY_DIR says where the real one is
	@$(WITH_DOCKER) image/build-local.sh $(IMAGE)

.PHONY: raise-claude
raise-claude: ## try another claude and pin it when its tests pass (VERSION=2.1.332)
	@image/npm/raise-claude.sh $(VERSION)

.PHONY: image-for-tests
image-for-tests: build programs
	@scripts/build/programs.sh busybox mkfs.ext4 ps script
	@$(WITH_DOCKER) test/image/prepare.sh

.PHONY: test-image
test-image: image-for-tests ## the tests of the worker image, in privileged containers (root, Docker)
	@$(WITH_DOCKER) npx vitest run --config test/image/vitest.config.ts $(VITEST_FLAGS) $(TESTS)

.PHONY: test-image-v2
test-image-v2: image-for-tests ## the same image on cgroup v2, in a virtual machine (root, QEMU)
	@$(WITH_DOCKER) npx vitest run --config test/image/v2/vitest.config.ts $(VITEST_FLAGS)
