// Runs ONE table of contract cases against a binary of `factory`.
//
//   npx vitest run test/contract                             the stand-in, in every dialect
//   CONTRACT_DIALECTS=a,b npx vitest run test/contract       in some of them
//   FACTORY_BIN=/path/factory npx vitest run test/contract   a real binary, its dialect found out
//   CONTRACT_SLOW=1 …                                        with the cases that take it minutes
//
// The cases come from what was observed of real binaries (README.md; each case names
// the section), so that the stand-in is not tested against itself alone.
import { describe, it, vi } from 'vitest';
import { needs } from '../support/needs.ts';
import { POSTGRES_BIN } from '../support/postgres.ts';
import type { Case } from './case.ts';
import { CHECK_IN_CASES } from './cases/check-in.ts';
import { HELP_CASES } from './cases/help.ts';
import { QUEUE_CASES } from './cases/queue.ts';
import { RECOVER_CASES } from './cases/recover.ts';
import { SESSION_CASES } from './cases/session.ts';
import { STATUS_CASES } from './cases/status.ts';
import { detectDialect, runCase } from './runner.ts';
import { type Dialect, FACTORY_BIN } from './sandbox.ts';

const TABLE: readonly Case[] = [
  // The slow ones first, so that nothing waits for them at the end.
  ...RECOVER_CASES,
  ...CHECK_IN_CASES,
  ...HELP_CASES,
  ...QUEUE_CASES,
  ...STATUS_CASES,
  ...SESSION_CASES,
];

const ALL: readonly Dialect[] = ['design', 'a', 'b', 'c'];
/** Those in $CONTRACT_DIALECTS, separated by commas, or all; of a real binary, its own. */
const DIALECTS: readonly Dialect[] =
  FACTORY_BIN === null
    ? ALL.filter((dialect) => (process.env['CONTRACT_DIALECTS'] ?? ALL.join()).split(',').includes(dialect))
    : [await detectDialect(FACTORY_BIN)];

// Most cases sleep while a stage runs; a case of a real binary lasts up to a few minutes.
vi.setConfig({ maxConcurrency: 10, testTimeout: FACTORY_BIN === null ? 60_000 : 900_000 });

/** Whether a case belongs to a dialect's table. */
function belongs(row: Case, dialect: Dialect): boolean {
  if (!(row.dialects ?? ALL).includes(dialect)) return false;
  // The stand-in's `design` is its `a` with another `queue add`: the slow cases need no second run.
  return !(FACTORY_BIN === null && dialect === 'design' && row.slow === true);
}

/** Why a case is left out, or null. */
function leftOut(row: Case, dialect: Dialect): string | null {
  if (dialect === 'c' && POSTGRES_BIN === null) return 'postgresql';
  if (FACTORY_BIN === null) return null;
  if (row.standinOnly !== undefined) return `the stand-in: ${row.standinOnly}`;
  if (row.slow === true && process.env['CONTRACT_SLOW'] !== '1') return 'CONTRACT_SLOW=1';
  return null;
}

for (const dialect of DIALECTS) {
  describe(`${FACTORY_BIN ?? 'stand-in'}, dialect ${dialect}`, { concurrent: true }, () => {
    for (const row of TABLE.filter((each) => belongs(each, dialect))) {
      const reason = leftOut(row, dialect);
      it(`${row.name} (${row.section})`, needs(reason === null, reason ?? ''), () => runCase(row, dialect));
    }
  });
}
