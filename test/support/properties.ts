/** How often a property is tried: a few times here, since each run draws other values, and often where it has to be certain (`.ci/run`). */
import fc from 'fast-check';

const ALL = process.env['FC_RUNS'] === 'all';

/** @param all how many times it is with `FC_RUNS=all`; otherwise a fifth */
export function runs(all: number): number {
  return ALL ? all : Math.max(10, Math.ceil(all / 5));
}

// fast-check's own number is a hundred.
fc.configureGlobal({ numRuns: runs(100) });
