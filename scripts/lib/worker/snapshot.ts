/** Parses what a probe found in a worker. */
import { type Boot, ContractError, type Drain, FILES, type Heartbeat, type Repair } from '../contract.ts';
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
import { LONGEST_TEXT, MOST_ENTRIES, type Note, readContract, readJsonLines } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { type Disk, parseDisks } from './disk.ts';
import { parseSessions, type Session } from './sessions.ts';

/** A row of the queue with its project and its pipeline. */
export interface QueueItem extends QueueRow {
  /** Null when nothing says which project the row belongs to. */
  readonly owner: string | null;
  readonly pipeline: Pipeline | null;
}

export interface Clone {
  readonly project: string;
  readonly url: string;
}

/** A part of the probe that failed, in the failing program's own words, or that is not valid. */
export interface Fault {
  readonly part: string;
  readonly message: string;
}

export interface Snapshot {
  /** The worker's clock, in seconds since 1970; all ages use it, never the laptop's. NaN when it cannot be read. */
  readonly now: number;
  readonly sessions: readonly Session[];
  readonly queue: readonly QueueItem[];
  /** Issues that were started, with or without a row in the queue. */
  readonly pipelines: readonly Pipeline[];
  readonly clones: readonly Clone[];
  readonly boot: Boot | null;
  readonly heartbeat: Heartbeat | null;
  readonly drain: Drain | null;
  readonly repairs: readonly Repair[];
  /** `boot` is held by the supervisor; `checkIn` by a check-in, which may outlive it. */
  readonly locks: { readonly boot: boolean; readonly checkIn: boolean };
  readonly dialect: Dialect | null;
  readonly disk: Disk | null;
  readonly faults: readonly Fault[];
}

/**
 * @param frame the answer of a script that calls the function `probe` of scripts/remote/worker.sh
 * @returns always a snapshot: a part that is not valid is discarded and becomes a fault
 */
export function parseSnapshot(frame: Frame): Snapshot {
  const faults: Fault[] = [];
  const text = (part: string) => frame.parts.get(part)?.text ?? '';
  /** A part's value, or the fallback when the part is missing, failed or not valid. */
  const read = <T>(part: string, fallback: T, parse: (text: string, note: Note) => T): T => {
    const found = frame.parts.get(part);
    if (found === undefined) return fallback;
    if (found.rc !== 0) {
      const said = text(`${part}.error`).slice(0, LONGEST_TEXT);
      faults.push({ part, message: faultMessage(part, said, found.rc) });
      return fallback;
    }
    try {
      // Only some entries are bad: the fault gets another name, since the part itself is usable.
      return parse(found.text, (message) => faults.push({ part: `${part}-rest`, message }));
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      faults.push({ part, message: error.message });
      return fallback;
    }
  };

  const clones = read('clones', [], parseClones);
  const dispatches = read('dispatches', [], (lines, note) =>
    readJsonLines('dispatch', FILES.dispatches, lines, note),
  );
  const pipelines = read('pipelines', [], parsePipelines);
  const ownership: Ownership = {
    dispatches,
    projects: clones.map(({ project }) => project),
    reposDir: text('repos-dir'),
  };
  const rows = read('queue', [], parseQueue);
  const byIssue = new Map(pipelines.map((pipeline) => [pipeline.issue, pipeline]));
  return {
    now: read('clock', Number.NaN, parseClock),
    sessions: read('sessions', [], parseSessions),
    queue: rows.map((row) => ({
      ...row,
      owner: projectOf(row.issue, row, ownership),
      pipeline: byIssue.get(row.issue) ?? null,
    })),
    pipelines,
    clones,
    boot: read<Boot | null>('boot', null, (json, note) => readContract('boot', FILES.boot, json, note)),
    heartbeat: read<Heartbeat | null>('heartbeat', null, (json, note) =>
      readContract('heartbeat', FILES.heartbeat, json, note),
    ),
    drain: frame.parts.has('drain')
      ? read('drain', UNREADABLE_DRAIN, (json) => readContract('drain', FILES.drain, json))
      : null,
    repairs: read<readonly Repair[]>('repairs', [], (lines, note) =>
      readJsonLines('repair', FILES.repairs, lines, note),
    ),
    locks: {
      boot: /^boot=held$/m.test(text('locks')),
      checkIn: /^check-in=held$/m.test(text('locks')),
    },
    dialect: read('dialect', null, (help) => parseDialect(help, help.includes('postgres=1'))),
    disk: read('disk', null, (text) => parseDisks(text)[0] ?? null),
    faults,
  };
}

/** A drain file counts even if it cannot be read. */
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

/** @throws ContractError when it is not a time in seconds */
function parseClock(text: string): number {
  if (!/^\d{1,11}(?:\.\d{1,9})?$/.test(text))
    throw new ContractError('the clock of the worker cannot be read');
  return Number(text);
}

function parseClones(text: string, note: Note): Clone[] {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > MOST_ENTRIES) note(`there are ${lines.length}; the first ${MOST_ENTRIES} are listed`);
  return lines.slice(0, MOST_ENTRIES).map((line) => {
    const [project = '', url = ''] = line.slice(0, LONGEST_TEXT).split('\t');
    // Git keeps the password of the URL it cloned from; do not show it.
    return { project, url: url.replace(/^(https?:\/\/)[^/@]*@/, '$1') };
  });
}
