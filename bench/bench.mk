# Target of the benchmarks, for the Makefile at the top (which includes this file; paths are from there).

.PHONY: bench
bench: build programs ## measure how fast the commands are, into bench/RESULTS.md
	@node --import tsx bench/bench.ts
