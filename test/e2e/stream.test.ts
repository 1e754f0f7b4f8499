/** Connections that are cut at each stage of an answer, by a proxy in front of the API server. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { Cutter } from './cutter.ts';
import { HELD } from './install.ts';
import { BY_KUBECTL, type ListRow, Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { attach } from './terminal.ts';
import { assertSound, inWorker, queueOf } from './worker.ts';

const { worker } = useSite('fwc-stream');
let cutter: Cutter;
let operator: Operator;

beforeAll(async () => {
  cutter = await Cutter.open();
  operator = Operator.of([worker], { kubeconfig: cutter.kubeconfig('cutter') });
});

afterEach(() => {
  cutter.limit = () => null;
  cutter.silent = false;
});

afterAll(() => cutter.close());

describe('dispatch', () => {
  /** How many connections a dispatch makes, and how much the last of them (the exec) brings. */
  let whole: { connections: number; bytes: number };

  beforeAll(async () => {
    const before = cutter.connections.length;
    expect(await operator.dispatch(worker, 200)).toExitWith(0);
    const made = cutter.connections.slice(before);
    whole = { connections: made.length, bytes: made.at(-1)?.received ?? 0 };
    expect(whole.bytes).toBeGreaterThan(2_000);
  });

  // From the TLS handshake, in which nothing has begun in the worker, to the last byte.
  it.each([0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95, 0.999])(
    'cut after %f of the answer: what it says and the queue agree',
    async (share) => {
      const issue = 300 + Math.round(share * 1000);
      const target = cutter.connections.length + whole.connections - 1;
      cutter.limit = (_connection, index) => (index === target ? Math.floor(whole.bytes * share) : null);
      const answer = await operator.dispatch(worker, issue);
      saw(`connection cut after ${Math.round(share * 1000) / 10}% of a dispatch's answer`, answer);
      const queued = (await queueOf(worker)).includes(issue);
      if (answer.code === 0) {
        expect(answer.stdout).toContain(`demo#${issue}`);
        expect(queued).toBe(true);
      } else {
        expect(answer).toExitWith(1);
        expect(answer.stderr).toMatch(/not queued, and will not be|cannot .* worker-1/);
        expect(queued).toBe(false);
      }
      await assertSound(worker);
    },
  );

  it('cut, and cut again at each look: says that it is not known, and typing it again settles it', async () => {
    const first = cutter.connections.length + whole.connections - 1;
    cutter.limit = (_connection, index) => (index >= first ? Math.floor(whole.bytes * 0.4) : null);
    const answer = await operator.dispatch(worker, 290, '--timeout', '10s');
    saw('every connection cut from the dispatch on', answer);
    expect(answer).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is not known whether demo#290 was queued'),
    });
    cutter.limit = () => null;
    expect(await operator.dispatch(worker, 290)).toExitWith(0);
    expect((await queueOf(worker)).filter((issue) => issue === 290)).toEqual([290]);
  });
});

describe('list and status', () => {
  it.each([0.3, 0.6, 0.9, 0.999])('cut after %f of the answer: never a wrong answer', async (share) => {
    const before = cutter.connections.length;
    const good = await operator.list();
    expect(good).toExitWith(0);
    const made = cutter.connections.slice(before);
    const target = cutter.connections.length + made.length - 1;
    const bytes = Math.floor((made.at(-1)?.received ?? 0) * share);
    cutter.limit = (_connection, index) => (index === target ? bytes : null);
    const cut = await operator.list();
    saw(`connection cut after ${Math.round(share * 1000) / 10}% of a list's answer`, cut);
    if (cut.code === 0) expect(cut.stdout).toBe(good.stdout);
    else expect(cut.stdout).toMatch(new RegExp(`${worker.name} +${worker.pod} +unreachable`));
  });
});

// What a kubectl for each request does in the worker ends with it.
describe.skipIf(BY_KUBECTL)('list --watch', () => {
  /** The processes of remote/again.sh in the worker. */
  const askedInside = async () =>
    (await inWorker(worker, "pgrep --full '^bash -c silence=' || true")).split('\n').filter(Boolean);
  const start = (...flags: string[]) =>
    operator.start('list', '--watch', '--interval', '200ms', '-o', 'json', ...flags);
  type Watch = ReturnType<typeof start>;
  const statuses = (watch: Watch) =>
    watch
      .output()
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('['))
      .map((line) => (JSON.parse(line) as ListRow[])[0]?.status);
  const rounds = (watch: Watch, status: string, more: number) => {
    const before = statuses(watch).length;
    return until(`${more} rounds of list --watch say ${status}`, 60, () => {
      const since = statuses(watch).slice(before);
      return since.filter((one) => one === status).length >= more;
    });
  };

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'enters the pod once, and leaves nothing there when it ends by %s',
    async (signal) => {
      expect(await askedInside()).toEqual([]);
      const watch = start();
      await rounds(watch, HELD, 3);
      const [asked, ...others] = await askedInside();
      expect([asked, others]).toEqual([expect.stringMatching(/^\d+$/), []]);
      await rounds(watch, HELD, 5);
      expect(await askedInside()).toEqual([asked]);
      watch.child.kill(signal);
      await watch.answer;
      await until('nothing is left in the worker', 30, async () => (await askedInside()).length === 0);
      expect(new Set(statuses(watch))).toEqual(new Set([HELD]));
    },
  );

  it('cut again and again: never a wrong row, and each time it goes on', async () => {
    const watch = start();
    await rounds(watch, HELD, 2);
    for (let cut = 0; cut < 5; cut++) {
      cutter.cutAll();
      await rounds(watch, HELD, 2);
    }
    watch.child.kill('SIGINT');
    saw('a list --watch whose connections were cut five times', await watch.answer);
    for (const status of statuses(watch)) expect([HELD, 'unreachable']).toContain(status);
  });

  it('over a network that is gone without a word: unreachable, until it is back', async () => {
    const watch = start('--timeout', '2s');
    await rounds(watch, HELD, 2);
    cutter.silent = true;
    await rounds(watch, 'unreachable', 1);
    cutter.silent = false;
    await rounds(watch, HELD, 2);
    watch.child.kill('SIGINT');
    saw('a list --watch over a network that was gone for a while', await watch.answer);
  });
});

describe('attach', () => {
  it('the connection is cut: it joins again, the terminal is whole, one client is left', async () => {
    await inWorker(worker, 'tmux new-session -d -s line "exec bash --norc"');
    const terminal = attach(operator, worker, '--session', 'line');
    await terminal.joined('line');
    cutter.cutAll();
    await terminal.shows('waiting to join line again');
    await terminal.joined('line');
    terminal.enter('echo again $((6 * 7)) $(stty size)');
    saw('connection cut while attached', await terminal.shows('again 42 29 100', 60));
    expect(await inWorker(worker, 'tmux list-clients -t line | wc -l')).toBe('1\n');
    terminal.detach();
    await terminal.shows('[ended with 0]');
  });
});
