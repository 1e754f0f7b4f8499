/** `projects`: shows, adds and removes the projects of a worker. */
import { chooseAction, refuseMisplaced } from './lib/cli/action.ts';
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { type Column, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { oneLine } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import { clone } from './lib/dispatch/clone.ts';
import { type ProjectRow, parseProjectRows, refuseRemoval } from './lib/projects/projects.ts';
import { parseProject } from './lib/worker/arguments.ts';
import { createReach, type FoundWorker, findWorker } from './lib/worker/observe.ts';
import { isQueueUnknown } from './lib/worker/queue.ts';
import { parseSnapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;
const ACTIONS = ['list', 'add', 'remove'] as const;
type Action = (typeof ACTIONS)[number];

const ONLY_FOR: Readonly<Record<string, Action>> = { name: 'add', force: 'remove', yes: 'remove' };

const FLAGS = {
  name: { type: 'string', value: 'NAME', description: "add: its name; default: the repository's" },
  force: { type: 'boolean', description: 'remove: also with files and commits that are in no other place' },
  yes: { type: 'boolean', short: 'y', description: 'remove: do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...TABLE_FLAGS,
  ...WORKER_FLAGS,
  timeout: { ...WORKER_FLAGS.timeout, default: '3m' },
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const projects = defineCommand({
  name: 'projects',
  summary: SUMMARIES.projects,
  description: `list shows each project with its clone, and why it could not be cloned. add clones a repository; one that cannot be cloned is
withdrawn at once. remove deletes the clone with its worktrees; a project with open issues stays, and so does one with
uncommitted files or unpushed commits, unless --force is given.`,
  positionals: [
    { name: 'WORKER', required: true },
    { name: ACTIONS.join('|'), required: false },
    { name: 'REPO|NAME', required: false },
  ],
  flags: FLAGS,
  examples: [
    ['worker-1', 'its projects'],
    ['worker-1 add lucasnoah/deathcookies', 'clone one more'],
    ['worker-1 remove deathcookies', 'delete the clone, after a confirmation'],
  ],
  async run({ flags, positionals: [name = '', word = 'list', subject] }, context) {
    const action = chooseAction('projects', ACTIONS, word);
    refuseMisplaced('projects', action, ONLY_FOR, flags);
    const found = await findWorker(context, flags, name);
    switch (action) {
      case 'list':
        if (subject !== undefined) throw new UsageError(`unexpected argument "${subject}"`);
        return list(found, flags, context);
      case 'add':
        if (subject === undefined) throw new UsageError('REPO is missing: which repository, owner/name?');
        return add(found, subject, flags, context);
      case 'remove':
        if (subject === undefined) throw new UsageError('NAME is missing: which project to remove?');
        return remove(found, parseProject(subject), flags, context);
    }
  },
});

async function look({ enter, timeoutMs }: FoundWorker, { signal }: Context) {
  const { transport } = await enter();
  const frame = await transport.run({ script: 'projects', args: [], timeoutMs, signal });
  return { transport, rows: parseProjectRows(frame), snapshot: parseSnapshot(frame) };
}

async function list(found: FoundWorker, flags: FlagInput, context: Context): Promise<number> {
  const { rows } = await look(found, context);
  if (outputFormat(flags, FORMATS) === 'json') {
    context.stdout.write(renderJson(rows));
    return ExitCode.ok;
  }
  const columns: Column<ProjectRow>[] = [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'CLONE', value: ({ state }) => state },
    { header: 'FROM', value: ({ from }) => from },
    { header: 'OPEN', value: ({ open }) => open.join(', ') || '-' },
    { header: 'REPO', value: ({ repo }) => repo || '-' },
  ];
  if (rows.length > 0) context.stdout.write(renderTable(rows, columns, { headers: !flags['no-headers'] }));
  else context.stderr.write(`${found.worker.name} has no projects yet\n`);
  for (const { name, message } of rows) {
    if (message !== '') context.stderr.write(`${name}: ${oneLine(message)}\n`);
  }
  return ExitCode.ok;
}

async function add(
  { worker, timeoutMs }: FoundWorker,
  repo: string,
  flags: FlagInput,
  context: Context,
): Promise<number> {
  const project = parseProject(flags.name ?? repo);
  await clone(context, createReach(context, timeoutMs), worker, { project, dryRun: false }, repo, timeoutMs);
  return done('added', project, worker.name, flags, context);
}

async function remove(found: FoundWorker, name: string, flags: FlagInput, context: Context): Promise<number> {
  const { worker, timeoutMs } = found;
  const { commandLine, signal } = context;
  const { transport, rows, snapshot } = await look(found, context);
  if (isQueueUnknown(snapshot)) {
    throw new CliError(`nothing was removed: the queue of ${worker.name} cannot be read`, {
      hints: [`why: ${commandLine('why', worker.name)}`],
    });
  }
  const refusal = refuseRemoval(rows, name, worker.name, commandLine);
  if (refusal !== null) throw new CliError(refusal.why, { hints: refusal.hints });
  if (!(await confirm(context, `Remove ${name} and its clone from ${worker.name}?`, flags.yes))) {
    throw new CliError('nothing was removed');
  }
  const issues = JSON.stringify(snapshot.queue.map(({ issue }) => issue));
  const args = [userAtHost(), name, issues, flags.force ? 'yes' : 'no'];
  const frame = await transport.run({ script: 'projects-remove', args, timeoutMs, signal });
  const { rc, text } = frame.parts.get('removed') ?? { rc: 1, text: 'the worker gives no answer' };
  if (rc === 2) {
    throw new CliError(`nothing was removed; this would be lost: ${text}`, {
      hints: [
        `look: ${commandLine('exec', worker.name, '--project', name, '--', 'git', 'status')}`,
        `remove it all the same: ${commandLine('projects', worker.name, 'remove', name, '--force')}`,
      ],
    });
  }
  if (rc !== 0) throw new CliError(`${name} was not removed: ${text}`);
  return done('removed', name, worker.name, flags, context);
}

function done(
  what: 'added' | 'removed',
  project: string,
  worker: string,
  flags: FlagInput,
  { stdout }: Context,
): number {
  const json = outputFormat(flags, FORMATS) === 'json';
  stdout.write(json ? renderJson({ worker, project, done: what }) : `${project} is ${what}\n`);
  return ExitCode.ok;
}

await runIfMain(import.meta.url, projects);
