/** The projects of a worker: where each comes from, its clone, and the work in it. Pure. */
import { enumerate } from '../cli/text.ts';
import { type Refusal, refuse } from '../plan.ts';
import type { Frame } from '../transport/frame.ts';
import { itemName, openItems } from '../worker/queue.ts';
import { parseSnapshot } from '../worker/snapshot.ts';
import type { CommandLine } from '../worker/status.ts';

export interface ProjectRow {
  readonly name: string;
  /** `owner/name`, a URL or a path; empty when the clone has no origin. */
  readonly repo: string;
  /** `release`: the chart's values, or the flags of `local up`; `request`: added from here; `hand`: cloned in the worker. */
  readonly from: 'release' | 'request' | 'hand';
  readonly state: 'ready' | 'cloning' | 'failed';
  /** Why it failed, in git's words; empty otherwise. */
  readonly message: string;
  /** Its unfinished issues: `demo#23`. */
  readonly open: readonly string[];
}

/** @param frame the answer of scripts/remote/projects.sh */
export function parseProjectRows(frame: Frame): ProjectRow[] {
  const snapshot = parseSnapshot(frame);
  const listed = (part: string, from: ProjectRow['from']) =>
    (frame.parts.get(part)?.rc === 0 ? (frame.parts.get(part)?.text ?? '') : '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'))
      .map(([name = '', repo = '']) => ({ name, repo, from }));
  const byHand = snapshot.clones.map(({ project, url }) => ({
    name: project,
    repo: url,
    from: 'hand' as const,
  }));
  // The release's entry wins where several name a project, as in the worker.
  const entries = new Map(
    [...byHand, ...listed('requested', 'request'), ...listed('configured', 'release')].map((entry) => [
      entry.name,
      entry,
    ]),
  );
  const said = snapshot.boot?.phases.find(({ name }) => name === 'clones')?.message ?? '';
  const items = openItems(snapshot);
  return [...entries.values()]
    .map((entry): ProjectRow => {
      const message = complaintOf(said, entry.name);
      const there = snapshot.clones.some(({ project }) => project === entry.name);
      return {
        ...entry,
        state: message !== '' ? 'failed' : there ? 'ready' : 'cloning',
        message,
        open: items.filter(({ owner }) => owner === entry.name).map(itemName),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What the boot phase `clones` says of one project; it names each, separated by `; `. */
function complaintOf(said: string, name: string): string {
  // No pattern with the name in it: a worker may call a project anything.
  const begin = `; ${name}: `;
  const all = `; ${said}`;
  const at = all.indexOf(begin);
  if (at < 0) return '';
  const own = all.slice(at + begin.length);
  if (/^(?:ok|being cloned)(?:;|$)/.test(own)) return '';
  return /^(.*?) \(tried again at [^)]*\)/.exec(own)?.[1] ?? '';
}

/** Why a project stays; null when it may be removed. */
export function refuseRemoval(
  rows: readonly ProjectRow[],
  name: string,
  worker: string,
  command: CommandLine,
): Refusal | null {
  const row = rows.find((candidate) => candidate.name === name);
  if (row === undefined) {
    const names = rows.map((candidate) => candidate.name);
    return refuse(
      `${worker} has no project ${name}`,
      names.length === 0 ? 'it has none' : `its projects: ${enumerate(names)}`,
    );
  }
  if (row.from === 'release') {
    return refuse(
      `${name} is in the list that ${worker} was installed with, and would be cloned again`,
      'take it out of that list first: projects in the values of its release, or --project of local up',
    );
  }
  if (row.open.length > 0) {
    return refuse(
      `${name} has open work on ${worker}: ${enumerate(row.open)}`,
      `remove a row: ${command('queue', worker, 'remove', 'ISSUE')}`,
      `give an issue up: ${command('unstick', worker, 'ISSUE', '--give-up')}`,
    );
  }
  return null;
}
