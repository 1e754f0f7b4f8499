/**
 * The intent of an issue, as its agents get it: `feature_intent` of its pipeline.json. The program creates the file without it,
 * writes it afterwards, ignores a failure and never tries again; the prompts then silently have none (traced in A and B: a kill
 * or a full disk between the two writes). The row still has it, and no command of the program gives it to a pipeline, so it is
 * written where the program keeps it, before a stage runs.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import type { Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import type { Files } from '../effects/effects.ts';
import { pipelineFolders } from './leftovers.ts';

/** An issue about to be worked on without the intent that its row has. */
export interface LostIntent {
  readonly issue: number;
  readonly intent: string;
}

/** Where two projects have an issue of this number, it is unclear which row belongs to which pipeline: they are left out. */
export function lostIntents(
  files: Pick<Files, 'exists' | 'list' | 'read'>,
  home: string,
  { rows, pipelines }: { readonly rows: readonly QueueRow[]; readonly pipelines: readonly Pipeline[] },
): LostIntent[] {
  return rows.flatMap(({ issue, intent, status }) => {
    if (status !== 'active' || intent === '') return [];
    const same = <T extends { readonly issue: number }>(one: T) => one.issue === issue;
    const begun = pipelines.filter(same);
    if (rows.filter(same).length > 1 || begun.length !== 1 || begun[0]?.status !== 'pending') return [];
    return readPipeline(files, home, issue) === null ? [] : [{ issue, intent }];
  });
}

/** Only valid while the check-in lock is free: the program reads the file, changes it and writes it back. */
export function giveIntent(
  files: Pick<Files, 'exists' | 'list' | 'read' | 'write'>,
  home: string,
  { issue, intent }: LostIntent,
): void {
  const pipeline = readPipeline(files, home, issue);
  if (pipeline === null) return;
  files.write(
    pipeline.path,
    `${JSON.stringify({ ...pipeline.fields, feature_intent: intent }, undefined, 2)}\n`,
  );
}

/** @returns null when there is no pipeline.json, more than one, one that cannot be read, or one with an intent */
function readPipeline(
  files: Pick<Files, 'exists' | 'list' | 'read'>,
  home: string,
  issue: number,
): { readonly path: string; readonly fields: Record<string, unknown> } | null {
  const paths = pipelineFolders(files, home, issue)
    .map((folder) => join(folder, 'pipeline.json'))
    .filter((path) => files.exists(path));
  const [path] = paths;
  if (path === undefined || paths.length > 1) return null;
  try {
    const fields: unknown = JSON.parse(files.read(path) ?? '');
    return isRecord(fields) && (fields['feature_intent'] ?? '') === '' ? { path, fields } : null;
  } catch {
    return null;
  }
}
