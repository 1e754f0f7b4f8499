/**
 * image/with-log.sh without a terminal: nothing that Docker says is lost, nothing is printed, and nothing goes on after its
 * command has been ended. On a terminal: progress.worker.test.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const WITH_LOG = join(import.meta.dirname, '../../image/with-log.sh');
/** As Docker does: it ends by itself when it is told to, and says so. */
const PATIENT =
  'trap "echo canceled >&2; exit 7" INT TERM HUP; echo "started $$"; while :; do sleep 0.05; done';

let scratch: string;
let log: string;
let started: ChildProcess[];
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'with-log-'));
  log = join(scratch, 'logs', 'build.log');
  started = [];
});
afterEach(() => {
  for (const { pid } of started) endGroup(pid);
  rmSync(scratch, { recursive: true, force: true });
});

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, as it should.
  }
}

/** Starts it in a process group of its own, as a terminal's foreground is one. */
function start(script: string) {
  const child = spawn(WITH_LOG, [log, 'bash', '-c', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  return { child, said: () => said, ended };
}

const logged = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');

describe('with-log.sh', () => {
  it('gives the exit code, and has all of it in the log by then', async () => {
    const { said, ended } = start('seq 20000; echo last >&2; exit 3');
    expect((await ended)[0]).toBe(3);
    expect(logged().split('\n').slice(-3)).toEqual(['20000', 'last', '']);
    expect(said()).toBe('');
  });

  it.each([
    ['Ctrl-C, which every process at the terminal hears', 'SIGINT', true],
    ['a signal that it alone gets, as when its command was killed', 'SIGHUP', false],
    ['the same', 'SIGTERM', false],
  ] as const)('%s, ends the command and waits for its last words', async (_, signal, whole) => {
    const { child, ended } = start(PATIENT);
    await expect.poll(logged).toMatch(/started \d+\n/);
    const pid = Number(/started (\d+)/.exec(logged())?.[1]);
    process.kill(whole ? -Number(child.pid) : Number(child.pid), signal);
    const [code] = await ended;
    expect(code).not.toBe(0);
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
    expect(logged()).toContain('canceled');
    expect(readdirSync(dirname(log))).toEqual(['build.log']);
  });
});
