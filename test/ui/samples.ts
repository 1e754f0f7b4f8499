/** Rows of the dashboard, each test naming only what it is about. */
import { type Event, type Model, reduce, start } from '../../scripts/lib/ui/model.ts';
import type { Group, Row } from '../../scripts/lib/ui/row.ts';

export function row(worker: string, group: Group = 'IDLE', more: Partial<Row> = {}): Row {
  const idle = { cause: 'nothing to do', issue: '', number: null, stage: '', age: '', behind: 0 };
  return { worker, group, ...idle, sessions: ['orchestrator'], drained: false, ...more };
}

/** Fifty workers: five need the operator, twenty work. */
export function fleet(...events: readonly Event[]): Model {
  const names = Array.from({ length: 50 }, (_, n) => `worker-${n}`);
  const group = (n: number): Group => (n < 5 ? 'NEEDS YOU' : n < 25 ? 'AT WORK' : 'IDLE');
  const sessions = ['23-qa-1', 'orchestrator'];
  const rows = names.map(
    (name, n): Event => ({
      type: 'row',
      row: row(name, group(n), {
        cause: '界'.repeat(n % 3),
        issue: `demo#${n}`,
        stage: 'qa',
        behind: n,
        sessions,
      }),
    }),
  );
  const lines = Array.from({ length: 100 }, (_, n) => `line ${n} ${'─'.repeat(n * 3)}`);
  const pane: Event = { type: 'pane', pane: { worker: 'worker-0', session: '23-qa-1', lines } };
  return [...rows, pane, ...events].reduce((model, event) => reduce(model, event).model, start(names));
}
