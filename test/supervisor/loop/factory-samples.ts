/** Small values of the program's types, each test naming only what it is about. */
import type { Settings } from '../../../scripts/lib/contract.ts';
import { DEFAULT_SETTINGS } from '../../../scripts/lib/contract.ts';
import type { Dialect, Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';

export const A: Dialect = {
  name: 'A',
  addByProject: false,
  config: 'none',
  dependsOn: false,
  intent: true,
  postgres: false,
};
export const B: Dialect = { ...A, name: 'B', config: 'required', dependsOn: true };
export const DESIGN: Dialect = { ...A, name: 'design', addByProject: true };

export function pipeline(issue: number, overrides: Partial<Pipeline> = {}): Pipeline {
  // Between two stages there is none.
  const inStage = overrides.status !== 'pending';
  return {
    issue,
    title: '',
    status: 'in_progress',
    stage: 'build',
    attempt: 1,
    session: inStage ? `${issue}-build-1` : '',
    sessionState: inStage ? 'started' : '',
    branch: '',
    ...overrides,
  };
}

export function row(issue: number, overrides: Partial<QueueRow> = {}): QueueRow {
  return {
    issue,
    status: 'pending',
    position: issue,
    intent: 'x',
    addedAt: '2026-11-22T12:00:00Z',
    project: null,
    namespace: '',
    configPath: '',
    dependsOn: [],
    ...overrides,
  };
}

export function settings(orchestrator: Partial<Settings['orchestrator']> = {}): Settings {
  return { ...DEFAULT_SETTINGS, orchestrator: { ...DEFAULT_SETTINGS.orchestrator, ...orchestrator } };
}
