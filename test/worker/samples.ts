/** Answers and snapshots of a worker, each test naming only what it is about. */
import { describeHold } from '../../scripts/lib/account.ts';
import { type AccountHold, type Boot, type Heartbeat, SCHEMA } from '../../scripts/lib/contract.ts';
import type { Pipeline } from '../../scripts/lib/factory.ts';
import type { Frame } from '../../scripts/lib/transport/frame.ts';
import { parseSnapshot, type Snapshot } from '../../scripts/lib/worker/snapshot.ts';

/** The worker's clock in every sample, 2026-03-02T12:00:00Z. */
export const CLOCK = 1_772_452_800;

export type Parts = Readonly<Record<string, string | { readonly rc: number; readonly text: string }>>;

export function frame(parts: Parts): Frame {
  const entries = Object.entries(parts).map(
    ([name, part]) => [name, typeof part === 'string' ? { rc: 0, text: part } : part] as const,
  );
  return { rc: 0, parts: new Map(entries) };
}

export const boot: Boot = {
  schema: SCHEMA,
  bootId: 'b',
  podUid: null,
  image: null,
  startedAt: '2026-03-02T11:00:00Z',
  finishedAt: '2026-03-02T11:00:03Z',
  phases: [
    { name: 'tmux', status: 'ok', startedAt: '2026-03-02T11:00:00Z', ms: 20, message: '' },
    { name: 'docker', status: 'off', startedAt: '2026-03-02T11:00:00Z', ms: 0, message: 'not wanted' },
  ],
};

export const heartbeat: Heartbeat = {
  schema: SCHEMA,
  state: 'waiting',
  reason: null,
  pid: 7,
  project: 'demo',
  startedAt: '2026-03-02T11:59:40Z',
  finishedAt: '2026-03-02T11:59:50Z',
  intervalSeconds: 30,
  actions: [],
};

/** What the loop writes while claude's account does not work. */
export function heldHeartbeat(fields: Partial<AccountHold> = {}): string {
  const account: AccountHold = {
    cause: 'token-refused',
    text: 'API Error: 401 Invalid bearer token',
    since: '2026-03-02T11:50:00Z',
    until: null,
    probeAt: '2026-03-02T12:05:00Z',
    sessions: ['23-build-1'],
    ...fields,
  };
  return JSON.stringify({ ...heartbeat, state: 'refused', reason: describeHold(account), account });
}

/** A worker that runs and has nothing to do. */
export const RUNNING: Parts = {
  clock: `${CLOCK}.500000`,
  'repos-dir': '/root/.factory/repos',
  sessions: `orchestrator\t${CLOCK - 5}\t${CLOCK - 3600}\t0\t0\t`,
  boot: JSON.stringify(boot),
  heartbeat: JSON.stringify(heartbeat),
  locks: 'boot=held\ncheck-in=free',
  clones: 'demo\thttps://github.com/acme/demo.git',
  queue: 'null',
  pipelines: 'null',
};

export function snapshot(parts: Parts = {}): Snapshot {
  return parseSnapshot(frame({ ...RUNNING, ...parts }));
}

/** `factory queue list --format json` of A. */
export function queueJson(...rows: readonly (readonly [issue: number, status: string])[]): string {
  return JSON.stringify(
    rows.map(([Issue, Status], index) => ({
      ID: index + 1,
      Issue,
      Status,
      Position: index + 1,
      FeatureIntent: `intent ${Issue}`,
      AddedAt: '2026-03-02 11:00:00',
    })),
  );
}

/** `factory status --format json`. */
export function pipelinesJson(...given: readonly (Pick<Pipeline, 'issue'> & Partial<Pipeline>)[]): string {
  return JSON.stringify(
    given.map((pipeline) => ({
      title: `Title ${pipeline.issue}`,
      status: 'in_progress',
      stage: 'build',
      attempt: 1,
      session: `${pipeline.issue}-build-1`,
      branch: `feature/issue-${pipeline.issue}`,
      ...pipeline,
    })),
  );
}
