# Targets of the benchmarks; included by the top-level Makefile, to which paths are relative.

.PHONY: bench
bench: build programs ## measure how fast the commands are, into bench/RESULTS.md
	@node --import tsx bench/bench.ts

.PHONY: bench-image
bench-image: image-for-tests ## measure how fast the worker image is ready, into bench/RESULTS-image.md (root, Docker)
	@$(WITH_DOCKER) node --import tsx bench/image.ts
