/** Starts the supervisor of a local worker. */
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageRoot, runsFromSource } from '../cli/version.ts';
import type { Boot, BootPhase } from '../contract.ts';
import type { Argv, Exec } from '../exec.ts';
import { assertLinux, type LocalLayout, localLayout, makeSocketDir } from './layout.ts';
import { readLocalWorker } from './prepare.ts';
import { isRunning, readBoot } from './state.ts';

export interface StartOptions {
  readonly exec: Exec;
  /** How long to wait for the boot; the supervisor continues after that. */
  readonly timeoutMs?: number;
  /** Called for each phase when it begins and when it ends. */
  readonly onPhase?: (phase: BootPhase) => void;
  /** The program to start; else the supervisor of this package. */
  readonly supervisor?: Argv;
}

export interface StartResult {
  /** `failed`: the supervisor is running and retries, or has ended; `timeout`: it is still booting. */
  readonly outcome: 'started' | 'already-running' | 'failed' | 'timeout';
  readonly boot: Boot | null;
  /** One sentence about a failure; empty otherwise. */
  readonly message: string;
}

const TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;

/** Runs in the background and does not affect the start (see DESIGN.md): clones may take any time. */
const BACKGROUND = new Set(['clones']);

/**
 * Starts the worker and waits for the end of its boot. Harmless when it is already running.
 *
 * @throws CliError when there is no worker in the folder
 */
export async function startLocalWorker(dir: string, options: StartOptions): Promise<StartResult> {
  assertLinux();
  const { env } = readLocalWorker(dir);
  const layout = localLayout(dir);
  makeSocketDir(layout);
  if (await isRunning(layout, options.exec)) {
    return { outcome: 'already-running', boot: readBoot(layout), message: '' };
  }
  const before = readBoot(layout)?.bootId;
  rotate(layout.log);
  const output = openSync(layout.log, 'a', 0o600);
  let pid: number;
  try {
    pid = await options.exec.detach(options.supervisor ?? supervisorArgv(), {
      env: { ...env },
      cwd: layout.home,
      output,
    });
  } finally {
    closeSync(output);
  }
  const result = await watchBoot(layout, pid, before, options);
  // Two starts at once: the lock lets one through, and the other must not wait for it.
  const holder = lockHolder(layout);
  if (holder !== null && holder !== pid && isAlive(pid)) {
    process.kill(pid, 'SIGTERM');
    return { ...result, outcome: 'already-running' };
  }
  return result;
}

/** The supervisor's argv: the bundled file in an installed package, the TypeScript source in a checkout. */
export function supervisorArgv(): Argv {
  if (!runsFromSource()) return [process.execPath, join(packageRoot(), 'dist', 'supervisor.js')];
  // A URL, since --import misreads a path with a space or a percent sign.
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return [process.execPath, '--import', tsx, join(packageRoot(), 'image', 'supervisor', 'main.ts')];
}

async function watchBoot(
  layout: LocalLayout,
  pid: number,
  before: string | undefined,
  { timeoutMs = TIMEOUT_MS, onPhase = () => {} }: StartOptions,
): Promise<StartResult> {
  const seen = new Map<string, string>();
  const until = Date.now() + timeoutMs;
  while (Date.now() < until) {
    const alive = isAlive(pid);
    const boot = readBoot(layout);
    if (boot !== null && boot.bootId !== before) {
      for (const phase of boot.phases) {
        if (seen.get(phase.name) === phase.status) continue;
        seen.set(phase.name, phase.status);
        onPhase(phase);
      }
      const failed = boot.phases.find(({ name, status }) => status === 'failed' && !BACKGROUND.has(name));
      if (failed) return { outcome: 'failed', boot, message: `${failed.name}: ${failed.message}` };
      if (boot.finishedAt !== null) return { outcome: 'started', boot, message: '' };
    }
    if (!alive)
      return { outcome: 'failed', boot: null, message: `the supervisor ended: ${lastLine(layout)}` };
    await sleep(POLL_MS);
  }
  const running = readBoot(layout)?.phases.findLast(({ status }) => status === 'running');
  const message = running
    ? `still at ${running.name}${running.message ? `: ${running.message}` : ''}`
    : 'no sign of life yet';
  return { outcome: 'timeout', boot: readBoot(layout), message: `${message} (${layout.log})` };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The supervisor that holds the boot lock, from the lock's file. */
function lockHolder({ bootLock }: LocalLayout): number | null {
  try {
    return (JSON.parse(readFileSync(bootLock, 'utf8')) as { pid: number }).pid;
  } catch {
    return null;
  }
}

function lastLine({ log }: LocalLayout): string {
  return readFileSync(log, 'utf8').trim().split('\n').at(-1) || `see ${log}`;
}

function rotate(log: string): void {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(log, `${log}.1`);
}
