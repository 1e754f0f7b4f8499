# Releases; included by the top-level Makefile, to which paths are relative.
#
#   WORKER='worker-1 worker-2' or ALL=1   which workers (rollback: one); push and release take the repository from the first one's image
#   IMAGE=REPOSITORY[:TAG]                another image; for rollout also REPOSITORY@sha256:…, default: the image pushed last
#   FACTORY_BIN=FILE or FACTORY_DIR=DIR   the factory program for the image
#   YES=1                                 do not ask
#   RELEASE_FLAGS='--now …'               further flags of the command

.PHONY: push rollout release rollback

# image.mk has a default for IMAGE, which is not in a registry.
RELEASE_IMAGE = $(if $(filter file default undefined,$(origin IMAGE)),,--image '$(IMAGE)')
RELEASE_ARGS = $(if $(ALL),--all) $(WORKER) $(if $(YES),--yes) $(RELEASE_FLAGS)

push: build ## build the worker image for the cluster and push it; prints its digest
	@npx tsx scripts/build-push-rollout.ts push $(RELEASE_IMAGE) $(RELEASE_ARGS)

rollout: build ## roll out what was pushed last (or IMAGE=…), worker by worker
	@npx tsx scripts/build-push-rollout.ts rollout $(RELEASE_IMAGE) $(RELEASE_ARGS)

release: build ## build, push and roll out
	@npx tsx scripts/build-push-rollout.ts release $(RELEASE_IMAGE) $(RELEASE_ARGS)

rollback: build ## go back to the image that WORKER= ran before
	$(if $(or $(ALL),$(word 2,$(WORKER))),$(error rollback takes one worker at a time: make rollback WORKER=worker-1))
	@npx tsx scripts/rollback.ts $(RELEASE_ARGS)
