/** The real recorder on a real tmux server. */
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { clock, files } from '../../../image/supervisor/effects/system.ts';
import { createTmux } from '../../../image/supervisor/effects/tmux.ts';
import { createPaneRecorder } from '../../../image/supervisor/sessions/recorder.ts';
import { until } from '../../support/until.ts';
import { fakeEnvironment, fakeLog } from '../fakes.ts';

// Short: a socket's path may have only about a hundred characters.
const root = mkdtempSync('/tmp/fw-test-');
const dirs = {
  WORKER_STATE_DIR: join(root, 'state'),
  WORKER_RUN_DIR: join(root, 'run'),
  WORKER_SECRETS_DIR: join(root, 'secrets'),
  TMUX_TMPDIR: join(root, 'tmux'),
};
const env = { PATH: process.env['PATH'] ?? '', HOME: root, SHELL: '/bin/sh', ...dirs };
const processes = createProcesses(env, 300);
const { lines, log } = fakeLog();
const tmux = createTmux(processes, files, dirs.TMUX_TMPDIR, root);
// Its patience with a writer that does not end lasts for ever: what ends the waiting here is the writer's end.
const patient = { ...clock, sleep: () => new Promise<void>(() => {}) };
const recorder = createPaneRecorder(fakeEnvironment(dirs), { clock: patient, files, log, processes, tmux });
const look = async () => recorder.maintain((await tmux.server())?.panes ?? []);

const recorded = (session: string) =>
  readFileSync(join(dirs.WORKER_STATE_DIR, 'logs/sessions', `${session}.log`), 'utf8');
const shows = async (session: string, text: string) => {
  const panes = (await tmux.server())?.panes ?? [];
  const id = panes.find((pane) => pane.session === session)?.id ?? '';
  await expect.poll(() => tmux.capture(id)).toContain(text);
};

/** The `cat` that tmux has started for the recording. */
async function writerOfFifo(): Promise<number> {
  const writes = (pid: number) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/1`).startsWith(`${dirs.WORKER_RUN_DIR}/panes/`);
    } catch {
      return false;
    }
  };
  const writers = () => processes.find(([program]) => program === 'cat').filter(writes);
  const [pid = 0] = await until('what writes into the FIFO', writers, ({ length }) => length === 1);
  return pid;
}

beforeAll(() => {
  for (const directory of Object.values(dirs)) mkdirSync(directory, { mode: 0o700 });
  writeFileSync(join(root, '.tmux.conf'), 'set -s exit-empty off\n');
  writeFileSync(join(dirs.WORKER_SECRETS_DIR, 'GH_TOKEN'), 'canary-of-the-worker\n');
  writeFileSync(join(dirs.WORKER_SECRETS_DIR, 'OF_SOMEBODY'), 'canary of a key of its own\n');
  writeFileSync(join(dirs.WORKER_SECRETS_DIR, 'GH_USER'), 'worker-bot\n');
});
afterAll(async () => {
  await tmux.killServer();
  rmSync(root, { recursive: true, force: true });
});

it('records of a session the pane that it was made with, not what was opened beside it', async () => {
  await tmux.newSession('24-build-1', ['sh', '-c', 'echo the-agent; sleep 60']);
  await processes.run(['tmux', 'split-window', '-t', '=24-build-1:', 'echo beside; sleep 60'], {
    timeoutMs: 5_000,
  });
  await shows('24-build-1', 'the-agent');
  await look();
  // The writer's end is the end of the waiting.
  const closed = recorder.close();
  await tmux.killSession('24-build-1');
  await closed;
  expect(recorded('24-build-1')).toContain('the-agent');
  expect(recorded('24-build-1')).not.toContain('beside');
});

it('leaves the sessions alone that are our own', async () => {
  await tmux.newSession('orchestrator', ['sh', '-c', 'echo ours; sleep 60']);
  await look();
  await recorder.close();
  expect(files.list(join(dirs.WORKER_STATE_DIR, 'logs/sessions'))).not.toContain('orchestrator.log');
});

it('has what a pane printed before it was seen, and its last words as soon as it is closed', async () => {
  await tmux.newSession('23-build-1', [
    'sh',
    '-c',
    'echo first-words; read _; echo canary-of-the-worker; echo canary of a key of its own; echo worker-bot; echo last-words; sleep 60',
  ]);
  await shows('23-build-1', 'first-words');
  await look();
  const writer = await writerOfFifo();
  process.kill(writer, 'SIGSTOP');
  await tmux.type('23-build-1', '');
  await shows('23-build-1', 'last-words');
  // What the writer still has on its way is waited for, and the writer's end is the end of the waiting.
  const closed = recorder.close();
  process.kill(writer, 'SIGCONT');
  await tmux.killServer();
  await closed;
  const text = recorded('23-build-1');
  expect(text).toMatch(/first-words[\s\S]*\[redacted\]\s*\[redacted\]\s*worker-bot\s*last-words/);
  expect(text).not.toContain('canary');
  expect(statSync(join(dirs.WORKER_STATE_DIR, 'logs/sessions/23-build-1.log')).mode & 0o777).toBe(0o600);
  expect(files.list(join(dirs.WORKER_RUN_DIR, 'panes'))).toEqual([]);
  expect(lines).toEqual([]);
});
