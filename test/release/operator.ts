/** An operator who releases: the commands, with Helm, and a folder for the records. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReleaseRecord } from '../../scripts/lib/release/record.ts';
import { type Pin, pinnedHelm } from '../charts/pinned-helm.ts';
import { ROOT, SCRATCH, until } from '../e2e/cluster.ts';
import { type Answer, commandArgv, operatorEnv } from '../e2e/worker.ts';

export type ImageName = 'one' | 'two' | 'broken' | 'sick' | 'newer';

/** Brings the images of images.sh to the registry. @returns each by its digest */
export function releaseImages(): Readonly<Record<ImageName, string>> {
  const text = execFileSync(join(ROOT, 'test', 'release', 'images.sh'), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s)),
  ) as Record<ImageName, string>;
}

/** An image that no registry has. */
export const NOWHERE = `localhost:${process.env['CLUSTER_REGISTRY_PORT'] || 5213}/factory-worker@sha256:${'a'.repeat(64)}`;

const laptop = `release-${process.pid}`;
const recordsDir = join(SCRATCH, laptop, '.local', 'state', 'factory-worker', 'releases');

export interface Begun {
  readonly child: ChildProcess;
  readonly answer: Promise<Answer>;
  output(): string;
}

/** Starts a command as a person would, in a process group of its own. */
export function begin(name: string, args: readonly string[], helm: Pin = 'helm3'): Begun {
  const [program, ...rest] = commandArgv(name, args);
  const started = Date.now();
  mkdirSync(join(SCRATCH, laptop), { recursive: true });
  const env = { ...operatorEnv(laptop), HELM: process.env['HELM'] || pinnedHelm(helm) || 'helm' };
  const child = spawn(program, rest, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, stdout, stderr, seconds: (Date.now() - started) / 1000 }),
    );
  });
  return { child, answer, output: () => stdout + stderr };
}

export const type = (name: string, args: readonly string[], helm?: Pin): Promise<Answer> =>
  begin(name, args, helm).answer;

/** The records of this operator, oldest first. */
export function records(): ReleaseRecord[] {
  if (!existsSync(recordsDir)) return [];
  return readdirSync(recordsDir)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(recordsDir, name), 'utf8')) as ReleaseRecord);
}

export const lastRecord = (worker: string): ReleaseRecord | undefined =>
  records().findLast((record) => record.worker.name === worker);

/** Waits until a release that has begun is at a step, and then ends its process as a closed laptop does. */
export async function killAt(
  begun: Begun,
  worker: string,
  step: string,
  signal: NodeJS.Signals,
): Promise<void> {
  await until(`the release of ${worker} at ${step}`, 90, () => {
    if (begun.child.exitCode !== null) throw new Error(`it ended before: ${begun.output()}`);
    const record = lastRecord(worker);
    return record?.pid === begun.child.pid && record?.step === step;
  });
  begun.child.kill(signal);
  await begun.answer;
}
