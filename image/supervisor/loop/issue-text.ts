/**
 * The text of an issue, as the agents get it: `pipelines/N/issue.json`. The program asks GitHub a second time for it when the
 * pipeline is there already, ignores that this fails and never asks again; the prompt then has a heading and nothing below
 * it, and nobody is told. So no stage is run before the file is there.
 */
import { dirname, join } from 'node:path';
import { isLive, type Pipeline } from '../../../scripts/lib/factory.ts';
import type { Argv, Effects } from '../effects/effects.ts';

/** What the program asks for. */
const FIELDS = 'number,title,body,state,labels,milestone';

/** In all dialects, whatever namespace the pipeline has. */
function fileOf(home: string, issue: number): string {
  return join(home, '.factory', 'pipelines', `${issue}`, 'issue.json');
}

/** Issues that are at work, or would be, and whose text is missing; a blocked one is not run. */
export function withoutText(
  { files }: Pick<Effects, 'files'>,
  home: string,
  pipelines: readonly Pipeline[],
): number[] {
  return pipelines
    .filter((pipeline) => isLive(pipeline) && pipeline.status !== 'blocked')
    .map(({ issue }) => issue)
    .filter((issue) => !isText(files.read(fileOf(home, issue)), issue));
}

/**
 * Fetches the text as the program does.
 *
 * @param directory the clone of the issue's project
 * @returns null, or why there is none
 */
export async function fetchText(
  { files, processes }: Pick<Effects, 'files' | 'processes'>,
  { home, directory, issue }: { home: string; directory: string; issue: number },
): Promise<string | null> {
  const argv: Argv = ['gh', 'issue', 'view', `${issue}`, '--json', FIELDS];
  const { code, stdout, stderr, timedOut } = await processes.run(argv, { cwd: directory, timeoutMs: 60_000 });
  if (timedOut) return 'gh gave no answer within 60 s';
  if (code !== 0) return stderr.trim().split('\n')[0] || `gh ended with exit code ${code}`;
  if (!isText(stdout, issue)) return 'gh answered with something else';
  const file = fileOf(home, issue);
  files.makeDirectory(dirname(file));
  files.write(file, stdout);
  return null;
}

function isText(json: string | null, issue: number): boolean {
  try {
    return JSON.parse(json ?? '').number === issue;
  } catch {
    return false;
  }
}
