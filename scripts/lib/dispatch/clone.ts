/** Clones a project that the worker does not have yet. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { isSameRepo } from '../worker/clones.ts';
import type { Reach } from '../worker/observe.ts';
import { type Clone, parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { type DispatchAnswer, planWithoutClone } from './outcome.ts';
import type { DispatchRequest } from './request.ts';

/** The project to clone; the issues that a dispatch has for it. */
type CloneRequest = Pick<DispatchRequest, 'project'> & (DispatchRequest | { readonly dryRun: false });

/**
 * Makes the worker clone a repository, and waits for it.
 *
 * @returns null once the clone exists; with `--dry-run` and no clone, what would happen to the issues
 * @throws CliError when another repository has that name, or the clone is not ready in time
 */
export async function clone(
  context: Context,
  reach: Reach,
  worker: WorkerEntry,
  request: CloneRequest,
  repo: string,
  timeoutMs: number,
): Promise<DispatchAnswer | null> {
  const { signal, stderr, commandLine } = context;
  const { transport } = await reach.enter(worker);
  const found = ({ clones }: Snapshot) => clones.find(({ project }) => project === request.project);
  if (request.dryRun) {
    const snapshot = parseSnapshot(
      await transport.run({ script: 'look', args: ['brief'], timeoutMs, signal }),
    );
    const there = found(snapshot);
    if (there !== undefined) return checkOrigin(there, repo, worker);
    stderr.write(`${repo} would be cloned onto ${worker.name} first\n`);
    return planWithoutClone(request, snapshot);
  }
  const seconds = Math.max(1, Math.floor(timeoutMs / 1000) - 5);
  const frame = await transport.run({
    script: 'clone',
    args: [request.project, repo, '', String(seconds)],
    timeoutMs,
    signal,
  });
  const answer = frame.parts.get('clone');
  if (answer?.rc === 2) {
    const withdrawn = frame.parts.has('withdrawn') ? '; the request is withdrawn' : '';
    throw new CliError(`${worker.name} cannot clone ${repo}: ${answer.text}${withdrawn}`, {
      hints: [
        'check the name, and that the worker may read it',
        `its projects: ${commandLine('projects', worker.name)}`,
      ],
    });
  }
  if (answer?.rc === 1) throw new CliError(`${worker.name} cannot clone ${repo}: ${answer.text}`);
  const snapshot = parseSnapshot(frame);
  const there = found(snapshot);
  if (answer?.text === 'ready' && there !== undefined) return checkOrigin(there, repo, worker);
  const phase = snapshot.boot?.phases.find(({ name }) => name === 'clones');
  throw new CliError(
    `${worker.name} has not cloned ${repo} within ${seconds}s${'issues' in request ? '; nothing was queued' : ''}`,
    {
      hints: [
        ...(phase && phase.message !== '' ? [`it says: ${phase.message}`] : []),
        'it keeps trying; run it again later',
        `or take it back: ${commandLine('projects', worker.name, 'remove', request.project)}`,
      ],
    },
  );
}

/** @throws CliError when the clone is of another repository: the issues would go to the wrong project */
function checkOrigin({ project, url }: Clone, repo: string, worker: WorkerEntry): null {
  if (isSameRepo(url, repo)) return null;
  throw new CliError(
    `${worker.name} has another repository called ${project}: ${url || 'one without an origin'}`,
    {
      exitCode: ExitCode.usage,
      hints: [`clone it under another name: --clone ${repo} --project NAME`],
    },
  );
}
