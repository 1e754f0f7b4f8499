/**
 * The text of an issue, as the agents get it: `pipelines/N/issue.json`. The program asks GitHub for it a second time when the
 * pipeline already exists, ignores a failure and never asks again; the prompt then silently has a heading and no text. So no
 * stage is run before the file exists.
 */
import { dirname, join } from 'node:path';
import { isLive, type Pipeline } from '../../../scripts/lib/factory.ts';
import type { Argv, Effects } from '../effects/effects.ts';

/** The same fields that the program asks for. */
const FIELDS = 'number,title,body,state,labels,milestone';

/** The same path in all dialects and for every namespace of a pipeline. */
function fileOf(home: string, issue: number): string {
  return join(home, '.factory', 'pipelines', `${issue}`, 'issue.json');
}

/** Issues that are being worked on, or are about to be, and whose text is missing. A blocked one is not run. */
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
 * @returns null, or why it could not be fetched
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
