/** Connections that are cut at each stage of an answer, by a proxy in front of the API server. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cutter } from './cutter.ts';
import { Operator } from './operator.ts';
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
