/** How plans write command lines in these tests. */
import type { CommandLines } from '../../scripts/lib/lifecycle/steps.ts';

export const LINES: CommandLines = {
  kubectl: (...args) => ['kubectl', ...args].join(' '),
  helm: (...args) => ['helm', ...args].join(' '),
  ours: (...args) => ['factory-worker', ...args].join(' '),
};

export const NOW = new Date('2026-11-22T20:00:00Z');
export const LONG_AGO = '2026-11-21T20:00:00Z';
export const JUST_NOW = '2026-11-22T19:59:30Z';
