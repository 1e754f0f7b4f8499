// Runs one contract case and judges what comes out.
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { until } from '../support/until.ts';
import { type Argv, type Case, type Env, type Expect, STAGES, type Step } from './case.ts';
import { type Outcome, type Running, run } from './run.ts';
import { Box, type Dialect } from './sandbox.ts';

/** How long an `until` waits: a stage of a real binary may need the better part of a minute. */
const PATIENCE_MS = 120_000;

/** Finds out which dialect a binary speaks, by its driver and the flags its help lists. */
export async function detectDialect(bin: string): Promise<Dialect> {
  if ((await readFile(bin)).includes('github.com/jackc/pgx')) return 'c';
  const { rc, stdout, stderr } = await run(bin, ['queue', 'add', '--help'], { cwd: '/', env: process.env });
  if (rc !== 0) throw new Error(`FACTORY_BIN=${bin}: "queue add --help" ended with ${rc}: ${stderr}`);
  if (/^ +--project string/m.test(stdout)) return 'design';
  if (/^ +--config string .*\(required\)/m.test(stdout)) return 'b';
  if (stdout.includes('--config')) {
    throw new Error(
      `FACTORY_BIN=${bin}: --config is known but not required: a version between a and b, no table for it`,
    );
  }
  return 'a';
}

/** Runs the steps of a case in a place of its own. Rejects at the first that is not as expected. */
export async function runCase(row: Case, dialect: Dialect): Promise<void> {
  const project = row.project === undefined ? { stages: STAGES.ok } : row.project;
  const box = await Box.make(dialect, project, row.settings ?? {});
  const background = new Map<string, Running>();
  try {
    for (const [index, step] of row.steps.entries()) {
      await runStep(box, background, step, `step ${index + 1}`);
    }
  } finally {
    for (const running of background.values()) running.sweep();
    await box.remove();
  }
}

async function runStep(box: Box, background: Map<string, Running>, step: Step, label: string): Promise<void> {
  switch (step.do) {
    case 'factory': {
      const argv = words(step.argv, box);
      const cwd = step.cwd?.(box) ?? box.cwd;
      judge(
        await box.factory(argv, cwd, environment(step.env, box)),
        step.expect,
        box,
        `${label}: factory ${argv.join(' ')}`,
      );
      return;
    }
    case 'bash':
      judge(await box.bash(step.script), step.expect, box, `${label}: ${step.script}`);
      return;
    case 'set':
      await box.set(step.settings);
      return;
    case 'start':
      background.set(step.name, box.startFactory(words(step.argv, box), environment(step.env, box)));
      return;
    case 'kill':
      if (step.signal === 'close-stderr') started(background, step.name).closeStderr();
      else started(background, step.name).kill(step.signal);
      return;
    case 'ended':
      judge(await started(background, step.name).ended, step.expect, box, `${label}: end of ${step.name}`);
      return;
    case 'until':
      await until(
        `${label}: ${step.stdout}`,
        () => box.factory(words(step.argv, box)),
        ({ stdout }) => step.stdout.test(stdout),
        PATIENCE_MS,
      );
      return;
  }
}

function judge(outcome: Outcome, wanted: Expect, box: Box, label: string): void {
  const shown = `${label}\nrc ${outcome.rc}\nstdout: ${outcome.stdout}\nstderr: ${outcome.stderr}`;
  if (wanted.error !== undefined) judgeError(outcome, wanted.error, shown);
  else expect(outcome.rc, shown).toBe(wanted.rc ?? 0);
  if (wanted.stdout !== undefined) judgeText(outcome.stdout, wanted.stdout, shown);
  if (wanted.stderr !== undefined) judgeText(outcome.stderr, wanted.stderr, shown);
  if (wanted.absent !== undefined) expect(outcome.stdout, shown).not.toMatch(wanted.absent);
  if (wanted.json !== undefined)
    expect(JSON.parse(outcome.stdout), shown).toMatchObject(wanted.json as object);
  wanted.check?.(outcome, box);
}

/** `Error: MESSAGE`, usage or a hint, then MESSAGE again alone; all on stderr, rc 1. */
function judgeError(outcome: Outcome, wanted: string | RegExp, shown: string): void {
  expect(outcome.rc, shown).toBe(1);
  const message = /^Error: ([\s\S]*?)\n(?:Usage:\n|Run ')/m.exec(outcome.stderr)?.[1];
  expect(message, shown).toBeDefined();
  judgeText(message ?? '', wanted, shown);
  expect(
    outcome.stderr.endsWith(`\n${message}\n`),
    `${shown}\n(the message must be repeated at the end)`,
  ).toBe(true);
}

function judgeText(text: string, wanted: string | RegExp, shown: string): void {
  if (typeof wanted === 'string') expect(text, shown).toBe(wanted);
  else expect(text, shown).toMatch(wanted);
}

function words(argv: Argv, box: Box): readonly string[] {
  return typeof argv === 'function' ? argv(box) : argv;
}

function environment(env: Env | undefined, box: Box): NodeJS.ProcessEnv {
  return typeof env === 'function' ? env(box) : (env ?? {});
}

function started(background: Map<string, Running>, name: string): Running {
  const running = background.get(name);
  if (running === undefined) throw new Error(`the case never started ${name}`);
  return running;
}
