/** What a release compares of a worker before and after: build, database, and a probe. */
import type { Build } from '../contract.ts';
import { readJson } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import type { Transport } from '../transport/transport.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';

/** The database in a few numbers. */
export interface DatabaseState {
  /** `none`: there is no SQLite database (yet, or the build keeps its state in PostgreSQL). */
  readonly database: 'sqlite' | 'none';
  readonly schema: number | null;
  readonly rows: number | null;
  /** The largest id that was ever given. */
  readonly newest: number | null;
  /** `ok`, or what SQLite complains about. */
  readonly integrity: string | null;
}

export interface Facts {
  /** build.json of the image; null where it has none. */
  readonly build: Build | null;
  readonly state: DatabaseState;
  readonly snapshot: Snapshot;
}

export async function readFacts(
  transport: Transport,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Facts> {
  return parseFacts(await transport.run({ script: 'release-facts', args: [], timeoutMs, signal }));
}

/** @param frame the answer of scripts/remote/release-facts.sh */
export function parseFacts(frame: Frame): Facts {
  return {
    build: parseBuild(frame.parts.get('build')?.text ?? ''),
    state: parseState(frame.parts.get('state')?.text ?? ''),
    snapshot: parseSnapshot(frame),
  };
}

function parseBuild(text: string): Build | null {
  try {
    return readJson('build', 'build.json', text);
  } catch {
    return null;
  }
}

/** @param text lines KEY=VALUE */
export function parseState(text: string): DatabaseState {
  const values = new Map(
    text.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  );
  const number = (key: string) => {
    const value = values.get(key);
    return value === undefined || value === '' ? null : Number(value);
  };
  return {
    database: values.get('database') === 'sqlite' ? 'sqlite' : 'none',
    schema: number('schema'),
    rows: number('rows'),
    newest: number('newest'),
    integrity: values.get('integrity') ?? null,
  };
}

/** How the factory of a worker keeps its state. */
export interface Store {
  /** Null while it is not known, as of a factory that does not start. */
  readonly dialect: string | null;
  readonly schema: number | null;
}

/** @param facts null when the worker could not be asked */
export function storeOf(facts: Facts | null): Store {
  const dialect = facts?.snapshot.dialect ?? null;
  return {
    dialect: dialect === null ? null : `${dialect.name}${dialect.postgres ? ' with PostgreSQL' : ''}`,
    schema: facts?.state.schema ?? null,
  };
}

/**
 * What is worse in a worker than it was before the release. Work that came meanwhile is not; nor is what was broken before.
 *
 * @param before null when the worker could not be asked then
 * @returns sentences; empty when nothing is
 */
export function worseThan(before: Facts | null, after: Facts): string[] {
  const { snapshot, state } = after;
  const failedBefore = new Set(
    before?.snapshot.boot?.phases.filter(({ status }) => status === 'failed').map(({ name }) => name),
  );
  const phases = (snapshot.boot?.phases ?? [])
    .filter(({ status, name }) => status === 'failed' && !failedBefore.has(name))
    .map(({ name, message }) => `its boot phase ${name} failed: ${message}`);
  const faultsBefore = new Set(before?.snapshot.faults.map(({ part }) => part));
  const faults = snapshot.faults
    .filter(({ part }) => (part === 'queue' || part === 'sessions') && !faultsBefore.has(part))
    .map(({ part, message }) =>
      part === 'queue' ? `factory cannot read its queue: ${message}` : `tmux does not answer: ${message}`,
    );
  const left = new Set(snapshot.queue.map(({ issue }) => issue));
  const lost =
    faults.length > 0
      ? []
      : (before?.snapshot.queue ?? []).map(({ issue }) => issue).filter((issue) => !left.has(issue));
  return [
    ...phases,
    ...faults,
    ...(lost.length > 0
      ? [`rows of its queue are gone: ${lost.map((issue) => `#${issue}`).join(', ')}`]
      : []),
    ...(before?.state.integrity === 'ok' && state.integrity !== 'ok'
      ? [`its database is not whole: ${state.integrity ?? 'it is gone'}`]
      : []),
  ];
}

/** Whether the worker has come up as far as it will: boot over, supervisor there, a first heartbeat. */
export function isUp({ snapshot: { boot, locks, heartbeat } }: Facts): boolean {
  const docker = boot?.phases.find(({ name }) => name === 'docker')?.status;
  return boot?.finishedAt != null && locks.boot && heartbeat !== null && docker !== 'running';
}
