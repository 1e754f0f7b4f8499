/** A command that watches asks each pod the same again and again: over one exec, which stays open as long as all is well. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../scripts/lib/exec.ts';
import { type Frame, newNonce, parseFrame } from '../../scripts/lib/transport/frame.ts';
import { againArgv, againRequest } from '../../scripts/lib/transport/scripts.ts';
import {
  type Answers,
  dropped,
  type ExecAnswer,
  exited,
  frozen,
  type Printed,
  type Question,
  refused,
  SUCCESS,
} from '../support/cluster-server.ts';
import { until } from '../support/until.ts';
import { NOW, pod } from './cluster.ts';
import { connect, failureOf } from './connect.ts';

const signal = new AbortController().signal;
const call = { script: 'look', args: ['clock'], timeoutMs: 20_000, signal };
const EXEC = `EXEC /api/v1/namespaces/factory/pods/${pod().metadata.name}/exec`;
const KUBECTL = [{ match: ['exec'], stderr: 'error: unable to upgrade: by kubectl\n', code: 1 }] as const;

/** A whole answer. */
const frame = (nonce: string, text: string) => {
  const part = `${nonce} part clock rc=0 bytes=${Buffer.byteLength(text)}\n${text}\n`;
  return `${part}${nonce} rc=0 bytes=${Buffer.byteLength(part)}\n`;
};

/** The nonce with which the program of an exec request is started. */
const nonceOf = ({ query }: Question) => query.getAll('command').find((word) => word.startsWith('=')) ?? '';

type Reply = (nonce: string) => Printed | Promise<Printed>;

/** A pod that counts the rounds. @param replies of the first rounds, in place of a number; the first of all starts the program */
function counting(...replies: readonly Reply[]): Answers {
  let round = 0;
  const reply: Reply = (nonce) => replies[round++]?.(nonce) ?? { stdout: frame(nonce, `${round}`) };
  return {
    exec: async (asked) => ({ kind: 'running', reply, ...(await reply(nonceOf(asked))) }),
  };
}

/** A command that watches. */
function watching(answers: Answers) {
  const clock = { ms: NOW.getTime() };
  const connected = connect(answers, KUBECTL, { watching: true, now: () => new Date(clock.ms) });
  const look = async (more: Partial<typeof call> = {}) =>
    (await connected.transport.run({ ...call, ...more })).parts.get('clock')?.text;
  return { ...connected, clock, look };
}

describe('the rounds of a watch', () => {
  it('are lines for one program in the pod', async () => {
    const queries: URLSearchParams[] = [];
    const { exec } = counting();
    const { look, asked, verbs } = watching({
      exec(question) {
        queries.push(question.query);
        return exec?.(question) ?? dropped;
      },
    });
    expect([await look(), await look(), await look()]).toEqual(['1', '2', '3']);
    expect(asked()).toEqual([EXEC]);
    expect(verbs()).toEqual([]);
    expect(Object.fromEntries(queries[0] ?? [])).toMatchObject({ container: 'worker', stdin: 'true' });
    const words = queries[0]?.getAll('command') ?? [];
    expect(words).toEqual(againArgv(call, words.at(-2) ?? ''));
  });

  it('may differ in arguments and time limit', async () => {
    const asked: (readonly string[])[] = [];
    const { exec } = counting();
    const { look, asked: requests } = watching({
      async exec(question) {
        const answer = await exec?.(question);
        if (answer?.kind !== 'running') return dropped;
        return {
          ...answer,
          reply(nonce, words) {
            asked.push(words.toSpliced(1, 1));
            return answer.reply?.(nonce, words) ?? {};
          },
        };
      },
    });
    await look();
    await look({ args: ['clock', '', 'a b\n\t"$(c)"'], timeoutMs: 1_500 });
    expect(asked).toEqual([['1.5', 'clock', '', 'a b\n\t"$(c)"']]);
    expect(requests()).toEqual([EXEC]);
  });

  it('with another script have a program of their own', async () => {
    const { look, asked } = watching(counting());
    await look();
    await look({ script: 'peek' });
    await look();
    expect(asked()).toEqual([EXEC, EXEC]);
  });

  it('at the same time have a program each', async () => {
    const { look, asked } = watching(counting());
    expect((await Promise.all([look(), look()])).toSorted()).toEqual(['1', '2']);
    await look();
    expect(asked()).toEqual([EXEC, EXEC]);
  });

  it('may have long answers', async () => {
    const long = 'ä'.repeat(200_000);
    const { look } = watching(counting((nonce) => ({ stdout: frame(nonce, long) })));
    expect([await look(), await look()]).toEqual([long, '2']);
  });

  it('take no word of one for that of another', async () => {
    const early = 'something without a question\n';
    const { look } = watching(
      counting(
        (nonce) => ({ stdout: frame(nonce, 'first') + early }),
        (nonce) => ({ stdout: `${early}${frame(nonce, 'second')}` }),
      ),
    );
    expect([await look(), await look()]).toEqual(['first', 'second']);
  });

  it('that are a minute apart do not count on a program that may have ended', async () => {
    const { look, asked, clock } = watching(counting());
    await look();
    clock.ms += 59_000;
    await look();
    expect(asked()).toHaveLength(1);
    clock.ms += 60_000;
    expect(await look()).toBe('3');
    expect(asked()).toHaveLength(2);
  });
});

describe('a program that answers no more', () => {
  it.each<[string, Printed]>([
    ['has ended', { end: SUCCESS, close: 1000 }],
    ['was killed', { end: exited(137), close: 1000 }],
    ['has lost its connection', { close: 'dropped' }],
  ])('between two rounds, since it %s, is started again', async (_, end) => {
    const { look, asked } = watching(counting((nonce) => ({ stdout: frame(nonce, 'first'), ...end })));
    await look();
    await until('it is gone', async () => (await look()) !== undefined && asked().length === 2);
  });

  it.each<[string, (nonce: string) => Printed, RegExp]>([
    [
      'is cut',
      (nonce) => ({ stdout: frame(nonce, 'x').slice(0, 60), close: 'dropped' }),
      /connection to worker-1 broke/,
    ],
    [
      'is cut, and said to be whole',
      (nonce) => ({ stdout: frame(nonce, 'x').slice(0, 60), end: SUCCESS, close: 1000 }),
      /connection to worker-1 broke/,
    ],
    [
      'has a wrong length',
      (nonce) => ({ stdout: frame(nonce, 'x').replace('bytes=1', 'bytes=2') }),
      /connection to worker-1 broke/,
    ],
    [
      'is endless',
      () => ({ stdout: Buffer.alloc(LIMITS.frameBytes + 1, 'x'), close: 'never' }),
      /answered with more than/,
    ],
    [
      'has the nonce of an earlier round',
      () => ({ stdout: frame('=0123456789abcdef01234567', 'x'), end: exited(0), close: 1000 }),
      /connection to worker-1 broke/,
    ],
  ])(
    'since its answer %s, is not asked a second time in this round, and is in the next',
    async (_, answer, message) => {
      const { look, asked, verbs } = watching(
        counting((nonce) => ({ stdout: frame(nonce, 'first') }), answer),
      );
      await look();
      expect((await failureOf(look())).message).toMatch(message);
      expect([asked().length, verbs()]).toEqual([1, []]);
      expect(await look()).toBe('3');
    },
  );

  it('in time is ended, and started again in the next round', async () => {
    const { look, asked } = watching(counting(() => new Promise<never>(() => {})));
    // The laptop waits 3 s longer than the worker.
    expect((await failureOf(look({ timeoutMs: -2_800 }))).kind).toBe('timeout');
    expect(await look({ timeoutMs: -2_800 })).toBe('2');
    expect(asked()).toHaveLength(2);
  });

  it.each<[string, ExecAnswer, string[]]>([
    ['since it may not be entered by that verb', refused(403, 'Forbidden', 'no'), ['exec']],
    ['since its pod is gone', refused(404, 'NotFound', 'pods "x" not found'), []],
    ['since the request is dropped', dropped, []],
  ])('%s, is asked for by kubectl only where nothing has begun', async (_, answer, verbs) => {
    const { transport, verbs: asked } = watching({ exec: () => answer });
    await failureOf(transport.run(call));
    expect(asked()).toEqual(verbs);
  });

  it('ends with the connection', async () => {
    const { look, killProxy, asked, argvs } = watching({ ...counting(), get: () => frozen });
    await look();
    await killProxy();
    await failureOf(look());
    expect(await until('it is back', look)).toBe('2');
    expect([argvs.length, asked().length]).toEqual([2, 2]);
  });
});

describe('the program in the pod', () => {
  /** @param script in place of the real one */
  function start({ silence = '30', script = '' } = {}) {
    const nonce = newNonce();
    const argv = againArgv(call, nonce).with(4, silence);
    const [program, ...words] = (script === '' ? argv : argv.with(5, script)) as [string, ...string[]];
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const answer = (to: string) => until('the answer', () => parseFrame(Buffer.from(said), to));
    return {
      child,
      ended,
      said: () => said,
      first: () => answer(nonce),
      next(more: Partial<typeof call> = {}) {
        const nonce = newNonce();
        child.stdin.write(againRequest({ ...call, ...more }, nonce));
        return answer(nonce);
      },
    };
  }
  const clockOf = (whole: Frame | null) => Number(whole?.parts.get('clock')?.text);

  it('answers each request anew, and ends with its stdin', async () => {
    const { child, ended, first, next } = start();
    const before = clockOf(await first());
    expect(clockOf(await next())).toBeGreaterThan(before);
    child.stdin.end();
    expect(await ended).toBe(0);
  });

  it('passes on any argument as it is', async () => {
    const frameScript = readFileSync(new URL('../../scripts/remote/frame.sh', import.meta.url), 'utf8');
    const { child, next } = start({ script: `${frameScript}\nemit_part args 0 "$(printf '<%s>' "$@")"` });
    const args = ['', ' a  b\n\tc ', '$(id)', '"', "'", 'é漢👷', '-n', '*'];
    const whole = await next({ args });
    expect(whole?.parts.get('args')?.text).toBe(args.map((arg) => `<${arg}>`).join(''));
    child.stdin.end();
  });

  it('keeps to the time limit of each run', async () => {
    const script = '[ "$2" = slow ] && sleep 2; printf "%s rc=0 bytes=0\\n" "$1"';
    const { child, said, first, next } = start({ script });
    await first();
    const slow = newNonce();
    child.stdin.write(againRequest({ ...call, args: ['slow'], timeoutMs: 100 }, slow));
    expect(await next()).not.toBeNull();
    expect(said()).not.toContain(slow);
    child.stdin.end();
  });

  it('ends when it is not asked for a while', async () => {
    const { ended, first } = start({ silence: '0.2' });
    await first();
    expect(await ended).toBe(0);
  });
});
