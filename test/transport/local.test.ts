import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import type { LocalWorker } from '../../scripts/lib/config/worker-entry.ts';
import { createExec } from '../../scripts/lib/exec.ts';
import { localTransport } from '../../scripts/lib/transport/local.ts';
import { commandLine } from '../support/samples.ts';

let home: string;
let worker: LocalWorker;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'local transport '));
  worker = { runtime: 'local', name: 'w', home };
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const make = () => localTransport(worker, createExec(), commandLine);
const signal = new AbortController().signal;
const call = { script: 'look', args: ['clock', 'sessions'], timeoutMs: 20_000, signal };

function writeWorker(env: Record<string, string | undefined>, schema: unknown = 1): void {
  writeFileSync(join(home, 'worker.json'), JSON.stringify({ schema, name: 'w', env }));
}

const ENV = {
  HOME: '/dev/null/none',
  PATH: process.env['PATH'],
  TMUX_TMPDIR: '/dev/null/none',
  LANG: 'C.UTF-8',
};

describe('a worker on this machine', () => {
  it('gets exactly the environment of its worker.json', async () => {
    writeWorker(ENV);
    process.env['SURELY_NOT_PASSED'] = '1';
    const { argv, env } = make().terminal(['env'], true);
    const { stdout } = await createExec().run(argv, env ? { env } : {});
    delete process.env['SURELY_NOT_PASSED'];
    const names = stdout
      .toString()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names).toEqual(expect.arrayContaining(['HOME', 'PATH', 'TMUX_TMPDIR', 'LANG']));
    expect(names).not.toContain('SURELY_NOT_PASSED');
  });

  it('answers in frames, in a folder with spaces', async () => {
    writeWorker(ENV);
    const frame = await make().run(call);
    expect(frame.parts.has('clock')).toBe(true);
  });

  it('never shows another tmux server, when its own folder of sockets is gone', async () => {
    // tmux silently takes /tmp then, where the user's own server is.
    writeWorker({ ...ENV, TMUX_TMPDIR: join(home, 'gone') });
    const frame = await make().run(call);
    expect(frame.parts.get('sessions')).toMatchObject({ rc: 1, text: '' });
    expect(frame.parts.get('sessions.error')?.text).toContain('no server');
  });

  it('that was never made says how to make it', () => {
    worker = { ...worker, home: '/dev/null/w' };
    expect(make).toThrow('there is no worker in /dev/null/w');
    expect(make).toThrow(
      expect.objectContaining({ kind: 'missing', hints: ['create it: factory-worker local up w'] }),
    );
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /worker\.json is not JSON/],
    ['another schema, newer', '{"schema":2,"env":{}}', /update this checkout/],
    ['another schema, older', '{"schema":0,"env":{}}', /needs 1/],
    ['no schema', '{}', /no schema version/],
  ])('whose worker.json has %s says so, and how to make it anew', (_, text, message) => {
    writeFileSync(join(home, 'worker.json'), text);
    expect(make).toThrow(message);
    expect(make).toThrow(
      expect.objectContaining({
        name: 'TransportError',
        hints: ['create it again: factory-worker local up w'],
      }),
    );
  });

  it('that is too slow is ended', async () => {
    writeWorker({ ...ENV, WORKER_REPOS_DIR: home, WORKER_STATE_DIR: home, WORKER_RUN_DIR: home });
    const slow = { ...call, script: 'clone', args: ['demo', 'x/demo', '', '30'], timeoutMs: 500 };
    await expect(make().run(slow)).rejects.toMatchObject({
      kind: 'timeout',
      message: 'w did not answer within 0.5s',
    });
  });

  it('without the programs a script needs says what is missing', async () => {
    writeWorker({ ...ENV, PATH: home });
    await expect(make().run(call)).rejects.toMatchObject({
      kind: 'broken',
      message: expect.stringContaining('timeout'),
    });
  });

  it('ends at once when it is interrupted, as the interruption says', async () => {
    writeWorker({ ...ENV, WORKER_REPOS_DIR: home, WORKER_STATE_DIR: home, WORKER_RUN_DIR: home });
    const interrupt = new AbortController();
    const slow = { ...call, script: 'clone', args: ['demo', 'x/demo', '', '30'], signal: interrupt.signal };
    // Before it has begun or while it runs: the same.
    setTimeout(() => interrupt.abort(new InterruptedError('terminated', 143)), 300);
    await expect(make().run(slow)).rejects.toMatchObject({ exitCode: 143 });
  });
});
