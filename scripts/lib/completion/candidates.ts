/** Turns what was found in a worker, or printed by the real `factory`, into candidates. Pure. */
import type { WorkerEntry } from '../config/worker-entry.ts';
import { itemName, openItems } from '../worker/queue.ts';
import { describeSession, shortNames, workSessions } from '../worker/sessions.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { Candidate } from './plan.ts';

/** The command of the `factory` function that is ours. */
export const WORKER_WORD: Candidate = {
  value: 'worker',
  description: 'Workers on Kubernetes (factory-worker)',
};

export function workerCandidates(workers: readonly WorkerEntry[], except: readonly string[]): Candidate[] {
  return workers
    .filter(({ name }) => !except.includes(name))
    .map((worker) => ({
      value: worker.name,
      description: worker.runtime === 'local' ? worker.home : `${worker.pod}, ${worker.context}`,
    }));
}

/** @param before the text before the name in the same word */
export function projectCandidates({ clones }: Snapshot, before: string): Candidate[] {
  return clones.map(({ project, url }) => ({ value: before + project, description: url }));
}

/** Every session by its name, and by its stage where the commands accept that. */
export function sessionCandidates({ sessions, now }: Snapshot, before: string): Candidate[] {
  const work = workSessions(sessions);
  const short = shortNames(work);
  return work.flatMap((session, index) => {
    const names = new Set([session.name, short[index] ?? session.name]);
    return [...names].map((name) => ({ value: before + name, description: describeSession(session, now) }));
  });
}

/** Issues of the queue; those that still need work first, which includes stuck ones. */
export function issueCandidates(snapshot: Snapshot, before: string): Candidate[] {
  const open = openItems(snapshot);
  const rows = [...open, ...snapshot.queue.filter((row) => !open.includes(row))];
  return rows.map((row) => ({
    value: `${before}${row.issue}`,
    description: `${itemName(row)} ${row.pipeline?.status ?? row.status}${row.intent ? `: ${row.intent}` : ''}`,
  }));
}

/** What a cobra program answers to `__complete`. */
export interface ProgramAnswer {
  readonly candidates: readonly Candidate[];
  /** Whether the shell may offer file names where there are no candidates. */
  readonly files: boolean;
}

/** Bits of the closing `:N` (spf13/cobra, ShellCompDirective). */
const DIRECTIVE = { error: 1, noFiles: 4 } as const;

/** @param text lines `VALUE`, tab, `DESCRIPTION`, then the directive `:N` */
export function parseProgramAnswer(text: string): ProgramAnswer {
  const lines = text.trimEnd().split('\n');
  const directive = Number(/^:(\d+)$/.exec(lines.at(-1) ?? '')?.[1] ?? DIRECTIVE.error);
  const candidates = lines.slice(0, -1).map((line) => {
    const [value = '', description = ''] = line.split('\t');
    return { value, description };
  });
  if (directive & DIRECTIVE.error) return { candidates: [], files: true };
  return { candidates, files: (directive & DIRECTIVE.noFiles) === 0 };
}
