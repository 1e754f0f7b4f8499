/** What one probe found in a worker, parsed. */
import {
  type Boot,
  ContractError,
  type DispatchRecord,
  type Drain,
  type Heartbeat,
  type Repair,
  readContract,
  readJsonLines,
} from '../contract.ts';
import {
  type Dialect,
  type Ownership,
  type Pipeline,
  parseDialect,
  parseError,
  parsePipelines,
  parseQueue,
  projectOf,
  type QueueRow,
} from '../factory.ts';
import type { Frame } from '../transport/frame.ts';
import { type Disk, parseDisks } from './disk.ts';
import { parseSessions, type Session } from './sessions.ts';

/** A row of the queue together with what is known of its project and of the work on it. */
export interface QueueItem extends QueueRow {
  /** Null when nothing says which project the row belongs to. */
  readonly owner: string | null;
  readonly pipeline: Pipeline | null;
}

export interface Clone {
  readonly project: string;
  readonly url: string;
}

/** A part of the probe that failed, in the failing program's own words. */
export interface Fault {
  readonly part: string;
  readonly message: string;
}

export interface Snapshot {
  /** The worker's clock, in seconds since 1970; every age is told by it, never by the laptop's. */
  readonly now: number;
  readonly sessions: readonly Session[];
  readonly queue: readonly QueueItem[];
  /** Issues that were begun, with or without a row in the queue. */
  readonly pipelines: readonly Pipeline[];
  readonly clones: readonly Clone[];
  readonly boot: Boot | null;
  readonly heartbeat: Heartbeat | null;
  readonly drain: Drain | null;
  readonly repairs: readonly Repair[];
  /** The supervisor holds the first; a check-in, which may outlive it, the second. */
  readonly locks: { readonly boot: boolean; readonly checkIn: boolean };
  readonly dialect: Dialect | null;
  readonly disk: Disk | null;
  readonly faults: readonly Fault[];
}

/** @param frame the answer of scripts/remote/probe.sh, or of any script that ends with the function `probe` */
export function parseSnapshot(frame: Frame): Snapshot {
  const faults: Fault[] = [];
  const text = (part: string) => frame.parts.get(part)?.text ?? '';
  /** A part's value, or what to take for it when the part is missing, failed or cannot be read. */
  const read = <T>(part: string, fallback: T, parse: (text: string) => T): T => {
    const found = frame.parts.get(part);
    if (found === undefined) return fallback;
    if (found.rc !== 0) {
      faults.push({ part, message: faultMessage(part, text(`${part}.error`), found.rc) });
      return fallback;
    }
    try {
      return parse(found.text);
    } catch (error) {
      const message = error instanceof ContractError ? error.message : `unreadable: ${String(error)}`;
      faults.push({ part, message });
      return fallback;
    }
  };

  const clones = read('clones', [], parseClones);
  const dispatches = read('dispatches', [], (lines) => readJsonLines<DispatchRecord>(lines));
  const pipelines = read('pipelines', [], parsePipelines);
  const ownership: Ownership = {
    dispatches,
    projects: clones.map(({ project }) => project),
    reposDir: text('repos-dir'),
  };
  const rows = read('queue', [], parseQueue);
  const byIssue = new Map(pipelines.map((pipeline) => [pipeline.issue, pipeline]));
  return {
    now: Number(text('clock')) || 0,
    sessions: read('sessions', [], parseSessions),
    queue: rows.map((row) => ({
      ...row,
      owner: projectOf(row.issue, row, ownership),
      pipeline: byIssue.get(row.issue) ?? null,
    })),
    pipelines,
    clones,
    boot: read<Boot | null>('boot', null, (json) => readContract('boot.json', json)),
    heartbeat: read<Heartbeat | null>('heartbeat', null, (json) => readContract('heartbeat.json', json)),
    drain: frame.parts.has('drain')
      ? read('drain', UNREADABLE_DRAIN, (json) => readContract<Drain>('drain', json))
      : null,
    repairs: read('repairs', [], (lines) => readJsonLines<Repair>(lines)),
    locks: {
      boot: /^boot=held$/m.test(text('locks')),
      checkIn: /^check-in=held$/m.test(text('locks')),
    },
    dialect: read('dialect', null, (help) => parseDialect(help, help.includes('postgres=1'))),
    disk: read('disk', null, (text) => parseDisks(text)[0] ?? null),
    faults,
  };
}

/** A drain file counts whatever is in it. */
const UNREADABLE_DRAIN: Drain = {
  schema: 1,
  by: 'unknown',
  host: 'unknown',
  since: '',
  reason: 'the drain file cannot be read',
  release: null,
};

function faultMessage(part: string, stderr: string, rc: number): string {
  const ofFactory = part === 'queue' || part === 'pipelines' || part === 'dialect';
  if (rc === 127 && ofFactory) return 'factory is not on the PATH of the worker';
  if (rc === 124) return 'took too long';
  return (ofFactory ? parseError(stderr) : stderr.trim()) || `ended with ${rc}`;
}

function parseClones(text: string): Clone[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [project = '', url = ''] = line.split('\t');
      // Git keeps the password of a URL that was cloned with one; people and logs need not see it.
      return { project, url: url.replace(/^(https?:\/\/)[^/@]*@/, '$1') };
    });
}
