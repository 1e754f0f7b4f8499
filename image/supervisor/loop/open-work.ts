/**
 * Work that the program does besides its queue: triages (B, `factory triage run N`) and deploys (C). They have neither row nor
 * pipeline, and each check-in in their repository takes them one step further, whatever is in the queue. Read-only.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import type { Files } from '../effects/effects.ts';

export interface OpenWork {
  /** `triage of #5`, `deploy of 1a2b3c4`. */
  readonly name: string;
  /** The repository of a triage, `owner/name`; empty for a deploy. */
  readonly repo: string;
  /** The repository of a deploy; empty for a triage. */
  readonly directory: string;
  /** The stage of a triage; left out before its first one. */
  readonly triage?: Triage;
}

export interface Triage {
  readonly issue: number;
  readonly stage: string;
  readonly session: string;
  /** Whether the agent has written the outcome of the stage. */
  readonly hasOutcome: boolean;
}

/** @param dataDir where the program keeps its files: `~/.factory` */
export function openWork(dataDir: string, files: Pick<Files, 'list' | 'read'>): OpenWork[] {
  const triages = join(dataDir, 'triage');
  const deploys = join(dataDir, 'deploys');
  return [
    ...files.list(triages).flatMap((slug) =>
      files.list(join(triages, slug)).flatMap((name) => {
        if (!/^\d+\.json$/.test(name)) return [];
        const record = parse(files.read(join(triages, slug, name)));
        const { repo, status, current_stage: stage, current_session: session } = record;
        if (status !== 'in_progress' || typeof repo !== 'string') return [];
        const issue = Number.parseInt(name, 10);
        const work = { name: `triage of #${issue}`, repo, directory: '' };
        if (typeof stage !== 'string' || typeof session !== 'string' || session === '') return [work];
        const outcome = parse(files.read(join(triages, slug, `${issue}`, `${stage}.outcome.json`)))[
          'outcome'
        ];
        return [{ ...work, triage: { issue, stage, session, hasOutcome: typeof outcome === 'string' } }];
      }),
    ),
    ...files.list(deploys).flatMap((commit) => {
      const { status, repo_dir: directory } = parse(files.read(join(deploys, commit, 'deploy.json')));
      const open = (status === 'pending' || status === 'in_progress') && typeof directory === 'string';
      return open ? [{ name: `deploy of ${commit.slice(0, 7)}`, repo: '', directory }] : [];
    }),
  ];
}

/** Empty for a file that the program is still writing. */
function parse(text: string | null): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(text ?? '');
    return isRecord(found) ? found : {};
  } catch {
    return {};
  }
}
