# Targets of the benchmarks, for the Makefile at the top (which includes this file; paths are from there).

.PHONY: bench
bench: build programs ## measure how fast the commands are, into bench/RESULTS.md
	@node --import tsx bench/bench.ts

.PHONY: bench-image
bench-image: image-for-tests ## measure how fast the worker image is ready, into bench/RESULTS-image.md (root, Docker)
	@$(WITH_DOCKER) node --import tsx bench/image.ts
