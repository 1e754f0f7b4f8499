/**
 * One worker answers with one field of another type or size: nothing that the operator types may fail over it, and no other
 * worker's row may change.
 *
 * An ordinary run takes a sample, spread evenly over commands and fields; MUTATIONS=all takes every one (a few minutes), and
 * MUTATIONS=7 every seventh.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanup } from '../../scripts/cleanup.ts';
import { dispatch } from '../../scripts/dispatch.ts';
import { doctor } from '../../scripts/doctor.ts';
import { drain } from '../../scripts/drain.ts';
import { list } from '../../scripts/list.ts';
import { logs } from '../../scripts/logs.ts';
import { peek } from '../../scripts/peek.ts';
import { queue } from '../../scripts/queue.ts';
import { resume } from '../../scripts/resume.ts';
import { sessions } from '../../scripts/sessions.ts';
import { status } from '../../scripts/status.ts';
import { unstick } from '../../scripts/unstick.ts';
import { usage } from '../../scripts/usage.ts';
import { wait } from '../../scripts/wait.ts';
import { watchWorkers } from '../../scripts/watch.ts';
import { why } from '../../scripts/why.ts';
import { makeFolder } from '../support/janitor.ts';
import { type Outcome, type RunOptions, run } from '../support/run-command.ts';
import { answerOf, cluster, NOW, WORKERS } from './answers.ts';
import { apply, type Mutation, mutationsOf } from './mutations.ts';

/** About so many in an ordinary run. */
const SAMPLE = 2_500;

let folder: string;
beforeAll(async () => {
  folder = await makeFolder('mutation');
  await writeFile(join(folder, 'workers.yaml'), WORKERS);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Case {
  readonly name: string;
  /** The script whose answer is changed. */
  readonly script: string;
  /** Whether it tells of the other worker, too. */
  readonly both?: true;
  /** What it may end with, besides the code of the unchanged answer. */
  readonly codes: readonly number[];
  readonly go: (options: RunOptions) => Promise<Outcome>;
}

const ONE = [0, 1];
const CHOICE = [0, 1, 2];

// biome-ignore format: a table
const CASES: readonly Case[] = [
  { name: 'list', both: true, script: 'look brief', codes: [0, 3], go: (o) => run(list, [], o) },
  { name: 'list -o wide', both: true, script: 'look brief', codes: [0, 3], go: (o) => run(list, ['-o', 'wide'], o) },
  { name: 'list -o json', both: true, script: 'look brief', codes: [0, 3], go: (o) => run(list, ['-o', 'json'], o) },
  { name: 'status', script: 'look full', codes: ONE, go: (o) => run(status, ['hostile'], o) },
  { name: 'status -o json', script: 'look full', codes: ONE, go: (o) => run(status, ['hostile', '-o', 'json'], o) },
  { name: 'why', script: 'why', codes: ONE, go: (o) => run(why, ['hostile'], o) },
  { name: 'why -o json', script: 'why', codes: ONE, go: (o) => run(why, ['hostile', '-o', 'json'], o) },
  { name: 'watch', both: true, script: 'look brief panes', codes: [], go: (o) => run(watchWorkers, [], { ...o, interruptAt: 'watching' }) },
  { name: 'watch -o json', both: true, script: 'look brief panes', codes: [], go: (o) => run(watchWorkers, ['-o', 'json'], { ...o, interruptAt: 'watching' }) },
  { name: 'dispatch auto', script: 'look brief', codes: ONE, go: (o) => run(dispatch, ['auto', '--project', 'demo', '--issue', '99', '--dry-run'], o) },
  { name: 'dispatch', script: 'dispatch', codes: CHOICE, go: (o) => run(dispatch, ['hostile', '--project', 'demo', '--issue', '23', '--issue', '99'], o) },
  { name: 'wait idle', script: 'look brief', codes: [0, 1, 124], go: (o) => run(wait, ['hostile', 'idle', '--wait-timeout', '0s'], o) },
  { name: 'wait issue', script: 'look brief', codes: [0, 1, 124], go: (o) => run(wait, ['hostile', 'issue:23', '--wait-timeout', '0s'], o) },
  { name: 'sessions', script: 'look brief humans', codes: ONE, go: (o) => run(sessions, ['hostile'], o) },
  { name: 'sessions -o json', script: 'look brief humans', codes: ONE, go: (o) => run(sessions, ['hostile', '-o', 'json'], o) },
  { name: 'peek', script: 'look clock sessions', codes: ONE, go: (o) => run(peek, ['hostile'], o) },
  { name: 'peek -o json', script: 'look brief humans', codes: ONE, go: (o) => run(peek, ['hostile', '-o', 'json'], o) },
  { name: 'peek a session', script: 'peek', codes: CHOICE, go: (o) => run(peek, ['hostile', '-s', 'qa'], o) },
  { name: 'queue', script: 'look full', codes: ONE, go: (o) => run(queue, ['hostile'], o) },
  { name: 'queue -o json', script: 'look full', codes: ONE, go: (o) => run(queue, ['hostile', 'list', '-o', 'json'], o) },
  { name: 'queue requeue', script: 'look full', codes: ONE, go: (o) => run(queue, ['hostile', 'requeue', '22', '26', '--dry-run'], o) },
  { name: 'usage', both: true, script: 'usage', codes: [0, 3], go: (o) => run(usage, [], o) },
  { name: 'usage of one', script: 'usage', codes: ONE, go: (o) => run(usage, ['hostile'], o) },
  { name: 'usage -o json', both: true, script: 'usage', codes: [0, 3], go: (o) => run(usage, ['-o', 'json'], o) },
  { name: 'doctor', both: true, script: 'doctor', codes: [0, 1, 3], go: (o) => run(doctor, [], o) },
  { name: 'drain', script: 'drain', codes: ONE, go: (o) => run(drain, ['hostile', '--reason', 'x'], o) },
  { name: 'resume', script: 'resume', codes: ONE, go: (o) => run(resume, ['hostile'], o) },
  { name: 'unstick', script: 'unstick-look', codes: CHOICE, go: (o) => run(unstick, ['hostile', '23', '--dry-run'], o) },
  { name: 'unstick --give-up', script: 'unstick-look', codes: CHOICE, go: (o) => run(unstick, ['hostile', '24', '--give-up', '--dry-run', '-o', 'json'], o) },
  { name: 'cleanup', script: 'cleanup-look', codes: CHOICE, go: (o) => run(cleanup, ['hostile', '--dry-run'], o) },
  { name: 'cleanup -o json', script: 'cleanup-look', codes: CHOICE, go: (o) => run(cleanup, ['hostile', '--dry-run', '-o', 'json'], o) },
  { name: 'logs', script: 'logs', codes: ONE, go: (o) => run(logs, ['hostile', 'orchestrator'], o) },
  { name: 'logs of a session', script: 'look clock sessions recordings', codes: CHOICE, go: (o) => run(logs, ['hostile', 'qa'], o) },
];

const env = () => ({
  FACTORY_WORKERS: join(folder, 'workers.yaml'),
  HOME: folder,
  XDG_CACHE_HOME: '/dev/null',
});

function outcomeOf({ script, go }: Case, mutation: Mutation | null): Promise<Outcome> {
  const exec = cluster((asked, answer) =>
    mutation !== null && asked === script ? apply(answer, mutation) : answer,
  );
  return go({ exec, now: NOW, env: env() });
}

/** Words that no field has by itself, and only a value that was not checked turns into. */
const UNCHECKED = /NaN|undefined|\[object |Invalid Date/;

/** The rows that are about the other worker. */
function othersOf({ name, both }: Case, stdout: string): unknown {
  if (!both) return null;
  if (name.endsWith('-o json')) {
    // `watch` prints a document in each line.
    const document: unknown = JSON.parse(
      name.startsWith('watch') ? `[${stdout.trimEnd().replaceAll('\n', ',')}]` : stdout || 'null',
    );
    return Array.isArray(document) ? document.filter((row) => (row?.name ?? row?.worker) === 'honest') : null;
  }
  // The widths of the columns are of all rows.
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('honest'))
    .map((line) => line.split(/ {2,}/));
}

function misdeeds(test: Case, usual: Outcome, { code, stdout, stderr }: Outcome): string[] {
  const unexpected = /failed unexpectedly[\s\S]{0,300}/.exec(stdout + stderr);
  if (unexpected !== null) return [unexpected[0]];
  const found: string[] = [];
  if (code !== usual.code && !test.codes.includes(code)) found.push(`exit code ${code}: ${stderr}`);
  const odd = test.name.endsWith('-o json') ? null : UNCHECKED.exec(stdout + stderr);
  if (odd !== null) found.push(`${odd[0]} is shown`);
  try {
    expect(othersOf(test, stdout)).toEqual(othersOf(test, usual.stdout));
  } catch (error) {
    found.push(`the other worker's row changes: ${(error as Error).message}`);
  }
  return found;
}

const stride = () => {
  const wanted = process.env['MUTATIONS'] ?? '';
  if (wanted === 'all') return 1;
  const all = CASES.reduce((sum, { script }) => sum + [...mutationsOf(answerOf(script) ?? {})].length, 0);
  return Number(wanted) || Math.ceil(all / SAMPLE);
};

describe('a field of another type or size', () => {
  const every = stride();
  let count = 0;

  it.each(CASES)(
    'is no trouble for $name',
    async (test) => {
      const usual = await outcomeOf(test, null);
      expect(misdeeds(test, usual, usual)).toEqual([]);
      const failures: string[] = [];
      for (const mutation of mutationsOf(answerOf(test.script) ?? {})) {
        if (count++ % every !== 0) continue;
        const found = misdeeds(test, usual, await outcomeOf(test, mutation));
        failures.push(...found.map((misdeed) => `${mutation.name}: ${misdeed}`));
      }
      expect(failures.length, failures.slice(0, 20).join('\n')).toBe(0);
    },
    600_000,
  );
});
