import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { desktopArgv, desktopNotify, webhookNotify } from '../../scripts/lib/watching/notify.ts';
import { watchWorkers } from '../../scripts/watch.ts';
import { capturedPath } from '../claude/captured.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let worker: HandWorker;
let bin: string;
beforeAll(async () => {
  worker = await handWorker();
  bin = join(worker.dir, 'desktop');
  await mkdir(bin);
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
  await worker.before(`[ "$1 $2" != 'queue list' ] || echo . >>'${join(worker.dir, 'looks')}'`);
});
beforeEach(async () => {
  await writeFile(join(worker.dir, 'looks'), '');
  // As every worker has one; a tmux without sessions would be worth a warning.
  await worker.bash('tmux new-session -d -s orchestrator cat');
});
afterEach(async () => {
  await worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`);
  await worker.reset();
});
afterAll(() => worker.remove());

const watch = (args: readonly string[], options: RunOptions = {}) =>
  run(watchWorkers, ['w', '--interval', '200ms', ...args], {
    ...options,
    env: { ...worker.laptop, ...options.env },
  });
const checkIn = 'cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json';

/** The queue's only issue is completed, once the watch has looked and looks again: what it finds at first is no news. */
const completed = {
  after: 'watching w',
  act: () => worker.bash(`until [ "$(grep -c . looks)" -gt 1 ]; do sleep 0.1; done; ${checkIn}; ${checkIn}`),
};

/** A server that keeps what is posted to it. */
async function receiver(answers: readonly number[] = []) {
  const bodies: string[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    bodies.push(Buffer.concat(pieces).toString());
    response.writeHead(answers[bodies.length - 1] ?? 200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { bodies, url: `http://127.0.0.1:${port}/hook/secret-part`, close: () => server.close() };
}

describe('watch', () => {
  it('says when an issue is completed, as a line and as JSON', async () => {
    await worker.bash('factory queue add 23 --intent x');
    const { code, stdout, stderr } = await watch([], {
      meanwhile: [completed],
      interruptAt: 'issue-completed',
    });
    expect([code, stderr.split('\n')[0]]).toEqual([130, 'watching w (Ctrl-C ends)']);
    expect(stdout).toMatch(/^\d{4}-\S+Z w issue-completed: demo#23 is completed\n$/);
  });

  it('tells a session that waits on the desktop and to a webhook; the URL is nowhere to be seen', async () => {
    const server = await receiver();
    const file = join(worker.dir, 'webhook');
    await writeFile(file, `${server.url}\n`);
    await writeFile(join(bin, 'notify-send'), `#!/bin/sh\nprintf '%s\\n' "$@" >>"${bin}/shown"\n`, {
      mode: 0o755,
    });
    await worker.bash(
      `tmux new-session -d -s 23-qa-1 -x 200 -y 50 "cat '${capturedPath('trust')}'; exec cat"`,
    );
    // A second event ends the watch, when the first has been told.
    await worker.bash('factory queue add 23 --intent x');
    const { stdout, stderr } = await watch(['--notify', '--webhook', file, '-o', 'json', '-v'], {
      env: { PATH: `${bin}:${process.env['PATH']}` },
      meanwhile: [{ ...completed, after: 'session-waits' }],
      interruptAt: 'issue-completed',
    });
    server.close();
    const event = {
      at: expect.stringMatching(/Z$/),
      worker: 'w',
      event: 'session-waits',
      subject: '23-qa-1',
      text: '23-qa-1 asks whether its folder is to be trusted',
      next: ['answer it: factory-worker answer w 23-qa-1'],
    };
    const [first = ''] = stdout.split('\n');
    expect(JSON.parse(first)).toEqual({ schema: 1, ...event });
    // The second event may be shown too, before the watch has ended.
    const shown = await readFile(join(bin, 'shown'), 'utf8');
    expect(shown.startsWith(`--app-name=factory-worker\n--\nw\n${event.text}\n`)).toBe(true);
    expect(JSON.parse(server.bodies[0] ?? '')).toMatchObject({
      text: `w: ${event.text}`,
      event: event.event,
    });
    expect(stderr).not.toContain('secret-part');
    expect(stderr).toContain('telling 127.0.0.1:');
  });

  it('gives its notices: title and text as arguments, and JSON that chat programs take', async () => {
    const server = await receiver([500, 200]);
    const event = {
      at: 'now',
      worker: 'w',
      event: 'issue-failed',
      subject: 'demo#23',
      text: 'demo#23 "has" $(failed)',
      next: [],
    } as const;
    await webhookNotify(new URL(server.url), new AbortController().signal, [1])(event);
    server.close();
    expect(server.bodies).toHaveLength(2);
    expect(JSON.parse(server.bodies[1] ?? '')).toEqual({
      ...event,
      text: 'w: demo#23 "has" $(failed)',
      content: 'w: demo#23 "has" $(failed)',
    });
    expect(desktopArgv('linux', '-t', 'x')).toEqual([
      'notify-send',
      '--app-name=factory-worker',
      '--',
      '-t',
      'x',
    ]);
    expect(desktopArgv('linux', 't', 'a <b> & \\n c')?.at(-1)).toBe('a &lt;b&gt; &amp; \\\\n c');
    expect(desktopArgv('darwin', 't', '"x" & y')?.slice(-2)).toEqual(['t', '"x" & y']);
    expect(desktopArgv('win32', 't', 'x')).toBeNull();
  });

  it('lets no words of a worker reveal a token, call a channel or control anything', async () => {
    const server = await receiver();
    const token = `ghp_${'FAKE'.repeat(9)}`;
    const told = `@here x@everyone <!channel> <@U123> @jane a@example.com \u001b[2J\u202e${token}\u009b`;
    const event = {
      at: 'now',
      worker: 'w',
      event: 'issue-failed',
      subject: token,
      text: told,
      next: [told],
    } as const;
    await webhookNotify(new URL(server.url), new AbortController().signal, [1])(event);
    server.close();
    const body = server.bodies[0] ?? '';
    expect(body).not.toMatch(/@(?:here|everyone|jane)|<[!@]|\\u001b|\u202e|\u009b|FAKE/);
    expect(JSON.parse(body)).toMatchObject({
      worker: 'w',
      subject: `ghp_${'*'.repeat(36)}`,
      text: expect.stringContaining('a@example.com'),
    });
    const exec = fakeExec();
    const notify = await desktopNotify({ exec, env: {}, signal: new AbortController().signal }, 'linux');
    await notify(event);
    expect(exec.calls.at(-1)?.at(-1)).toContain('@here x@everyone &lt;!channel&gt;');
    expect(exec.calls.at(-1)?.join()).not.toMatch(/\p{Cc}|\u202e|FAKE/u);
  });

  it('goes on when a notice cannot be given, and says so', async () => {
    await writeFile(join(bin, 'notify-send'), '#!/bin/sh\necho "no bus" >&2; exit 1\n', { mode: 0o755 });
    const server = await receiver();
    server.close();
    const { host } = new URL(server.url);
    await worker.bash('factory queue add 23 --intent x');
    const { stdout, stderr } = await watch(['--notify'], {
      meanwhile: [completed],
      env: {
        PATH: `${bin}:${process.env['PATH']}`,
        FACTORY_WORKER_WEBHOOK: server.url,
      },
      interruptAt: 'ECONNREFUSED',
    });
    expect(stdout).toContain('issue-completed');
    expect(stderr).toContain('note: no notice on the desktop: no bus\n');
    expect(stderr).toContain(`note: the webhook at ${host} was not told: ECONNREFUSED\n`);
    expect(stderr).not.toContain('secret-part');
  });

  it.each([
    [['--webhook', '/nonexistent/file'], 2, /cannot read \/nonexistent\/file: ENOENT/],
    [['--webhook', '/dev/null'], 2, /holds no http\(s\) URL/],
    [['nobody'], 2, /no worker "nobody"/],
  ])('%j: exit %i', async (args, expected, message) => {
    const { code, stderr } = await watch(args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
  });

  it('without a program for notices says which to install: 127', async () => {
    await mkdir(join(worker.dir, 'empty'), { recursive: true });
    await worker.bash(`ln -sf "$(command -v sh)" "$(command -v bash)" ${worker.dir}/empty/`);
    const { code, stderr } = await watch(['--notify'], { env: { PATH: join(worker.dir, 'empty') } });
    expect([code, stderr]).toEqual([127, expect.stringContaining('notify-send is missing')]);
  });
});
