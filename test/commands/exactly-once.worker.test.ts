/**
 * Exactly-once dispatch (DESIGN §4.6) under everything a connection can do. The worker is real; the connection is the fake
 * kubectl, or a wrapper around it that loses what a broken connection loses.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dispatch } from '../../scripts/dispatch.ts';
import { parseWithdrawal } from '../../scripts/lib/dispatch/outcome.ts';
import { type DispatchRequest, dispatchArgs } from '../../scripts/lib/dispatch/request.ts';
import { newNonce, parseFrame } from '../../scripts/lib/transport/frame.ts';
import { scriptArgv } from '../../scripts/lib/transport/scripts.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { waitersFor } from '../support/processes.ts';
import { type Outcome, run, type Transport } from '../support/run-command.ts';

/**
 * From now on the addition of an issue whose file is in `slow/` takes three seconds, and then the file is gone. Done once: while the program is replaced, a
 * call of another case that is just beginning may find neither the one nor the other whole.
 */
const SLOW_ADDITIONS = `mkdir slow; mv bin/factory factory.real; cat >bin/factory <<'EOF'
#!/usr/bin/env bash
case "$*" in *'queue add '*) for issue; do if [ -f "\${0%/*}/../slow/$issue" ]; then sleep 3; rm "\${0%/*}/../slow/$issue"; fi; done ;; esac
exec -a factory "\${0%/*}/../factory.real" "$@"
EOF
chmod +x bin/factory`;

let worker: HandWorker;
let kubectl: FakeKubectl;
beforeAll(async () => {
  worker = await handWorker({ projects: ['demo'] });
  await worker.bash(SLOW_ADDITIONS);
  await worker.bash('tmux new-session -d -s orchestrator cat');
  kubectl = fakeKubectl(worker.cluster());
});
afterAll(async () => {
  kubectl.remove();
  await worker.remove();
});

/** Issues that no other case has. */
let last = 100;
const fresh = () => ++last;

/** All over one transport; otherwise each dispatch over one of the two, by turns. */
const TRANSPORT = process.env['EXACTLY_ONCE_TRANSPORT'] as Transport | undefined;

function send(
  issues: readonly number[],
  args: readonly string[] = [],
  program = kubectl.path,
): Promise<Outcome> {
  const typed = [
    'worker-1',
    '-p',
    'demo',
    ...issues.flatMap((issue) => ['-i', `${issue}`]),
    '--intent',
    'x',
    ...args,
  ];
  const transport = TRANSPORT ?? ((issues[0] ?? 0) % 2 === 0 ? 'kubectl' : 'proxy');
  return run(dispatch, typed, { env: { ...worker.laptop, KUBECTL: program }, transport });
}

/** How often each issue is in the queue. */
async function counts(issues: readonly number[]): Promise<number[]> {
  const rows = await worker.queue();
  return issues.map((issue) => rows.filter((row) => row.issue === issue).length);
}

/** What the command said of an issue: that it is queued, that it is not, or neither. */
function verdict({ stdout, stderr }: Outcome, issue: number): 'queued' | 'not queued' | 'nothing' {
  if (new RegExp(`^demo#${issue} (queued|is already queued)`, 'm').test(stdout)) return 'queued';
  if (new RegExp(`^demo#${issue} is not queued, and will not be`, 'm').test(stderr)) return 'not queued';
  return 'nothing';
}

/** Every issue got a verdict, the queue agrees, the exit code too; and typing it again puts all of them there, once. */
async function expectAgreement(outcome: Outcome, issues: readonly number[]): Promise<string[]> {
  const verdicts = issues.map((issue) => verdict(outcome, issue));
  expect(verdicts, outcome.stderr).not.toContain('nothing');
  expect(await counts(issues), outcome.stderr).toEqual(verdicts.map((word) => (word === 'queued' ? 1 : 0)));
  expect(outcome.code).toBe(verdicts.includes('not queued') ? 1 : 0);
  return verdicts;
}

/** Runs a script in the worker as the transport would, and gives the bytes of its answer. */
function remote(script: string, args: readonly string[], timeoutMs = 60_000) {
  const nonce = newNonce();
  const signal = new AbortController().signal;
  const [program, ...argv] = scriptArgv({ script, args, timeoutMs, signal }, nonce);
  const child = spawn(program, argv, {
    env: worker.env,
    cwd: worker.dir,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const answer = new Promise<Buffer>((resolve) => child.once('close', () => resolve(Buffer.concat(chunks))));
  return { child, answer, frame: answer.then((bytes) => parseFrame(bytes, nonce)) };
}

const request = (issues: readonly number[]): DispatchRequest => ({
  id: `id-${fresh()}`,
  by: 'me@here',
  project: 'demo',
  issues,
  intent: 'x',
  dependsOn: [],
  requeue: false,
  dryRun: false,
});

/**
 * A kubectl that does something else with calls that have a certain word among their arguments: bash, in which `KUBECTL` is the
 * call as it was meant.
 */
function kubectlThat(
  scripts: Readonly<Record<string, string>>,
  { path, dir }: FakeKubectl = kubectl,
): string {
  const file = join(dir, `kubectl-that-${fresh()}`);
  const fake = `'${path}' "$@"`;
  const cases = Object.entries(scripts).map(
    ([word, script]) => `    ${word}) ${script.replaceAll('KUBECTL', fake)} ;;\n`,
  );
  const text = `#!/usr/bin/env bash\nfor word in "$@"; do\n  case $word in\n${cases.join('')}  esac\ndone\nexec ${fake}\n`;
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

const EOF = 'echo "error: unexpected EOF" >&2; exit 1';

/** Where to cut an answer: before each line of ours, at both ends, and evenly in between. */
async function cutPoints(step: number): Promise<number[]> {
  const bytes = await remote('dispatch', dispatchArgs(request([fresh()]))).answer;
  const points = new Set([0, 1, bytes.length - 1]);
  for (let at = bytes.indexOf('\n='); at >= 0; at = bytes.indexOf('\n=', at + 1)) points.add(at + 1);
  for (let at = step; at < bytes.length; at += step) points.add(at);
  return [...points].sort((a, b) => a - b);
}

/** Runs cases side by side: they differ in their issues, and the worker has one queue as in life. */
async function sideBySide<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await action(item);
  };
  await Promise.all(Array.from({ length: 4 }, lane));
}

describe('a stream that is cut, yet ends with success', () => {
  it('anywhere, while the worker goes on: the issue is queued once, and the answer says so', async () => {
    const seen = new Set<string>();
    await sideBySide(await cutPoints(250), async (cut) => {
      const issue = fresh();
      const path = kubectlThat({ dispatch: `KUBECTL | { head -c ${cut}; cat >/dev/null; }; exit 0` });
      const outcome = await send([issue], [], path);
      expect(outcome.stderr, `cut at ${cut}`).toContain('checking whether it was queued');
      for (const word of await expectAgreement(outcome, [issue])) seen.add(word);
    });
    expect([...seen]).toEqual(['queued']);
  });

  it('anywhere, and the worker dies of it: queued or not, the answer is right, and typing it again queues it', async () => {
    const seen = new Set<string>();
    await sideBySide(await cutPoints(400), async (cut) => {
      const issue = fresh();
      // The script writes into a pipe nobody reads and is ended by that.
      const outcome = await send([issue], [], kubectlThat({ dispatch: `KUBECTL | head -c ${cut}; exit 0` }));
      const [word = ''] = await expectAgreement(outcome, [issue]);
      seen.add(word);
      if (word === 'not queued')
        expect(await expectAgreement(await send([issue]), [issue])).toEqual(['queued']);
    });
    expect([...seen].sort()).toEqual(['not queued', 'queued']);
  });
});

describe.concurrent('a connection that dies', () => {
  it('before the worker hears of it: not queued', async () => {
    const issue = fresh();
    const outcome = await send([issue], [], kubectlThat({ dispatch: EOF }));
    expect(await expectAgreement(outcome, [issue])).toEqual(['not queued']);
    expect(outcome.stderr).toContain('unexpected EOF; checking whether it was queued');
    expect(await expectAgreement(await send([issue]), [issue])).toEqual(['queued']);
  });

  it('before, while the request is still on its way: what arrives later queues nothing', async () => {
    const issue = fresh();
    const slow = fakeKubectl(worker.cluster());
    const withdrawn = join(slow.dir, 'withdrawn');
    const late = `(until [ -e ${withdrawn} ]; do sleep 0.1; done; KUBECTL) >/dev/null 2>&1 & echo "error: timed out" >&2; exit 1`;
    const withdrawal = `KUBECTL; rc=$?; touch ${withdrawn}; exit "$rc"`;
    const scripts = { dispatch: late, 'dispatch-withdraw': withdrawal };
    const outcome = await send([issue], [], kubectlThat(scripts, slow));
    expect(await expectAgreement(outcome, [issue])).toEqual(['not queued']);
    const arrived = () =>
      slow.calls().filter(({ argv, endedAt }) => argv.includes('dispatch') && endedAt !== null);
    await expect.poll(() => arrived().length).toBe(1);
    expect(await counts([issue])).toEqual([0]);
    slow.remove();
  });

  it('with kubectl killed in the middle: the answer and the queue agree', async () => {
    for (const after of ['0.1', '0.3', '0.5', '0.8']) {
      const issues = [fresh(), fresh()];
      const killed = `(setsid KUBECTL </dev/null & wait) | cat >/dev/null & sleep ${after}; exit 137`;
      await expectAgreement(await send(issues, [], kubectlThat({ dispatch: killed })), issues);
    }
  });

  it('after which the pod is found anew', async () => {
    const own = fakeKubectl(worker.cluster());
    await send([fresh()], [], kubectlThat({ dispatch: EOF }, own));
    const verbs = own.calls().map(({ argv }) => argv.find((word) => word === 'get' || word === 'exec'));
    expect(verbs).toEqual(['get', 'get', 'exec']);
    own.remove();
  });

  it('and does not come back: nobody knows, and it is said so', async () => {
    const issue = fresh();
    const { code, stderr } = await send([issue], [], kubectlThat({ exec: EOF }));
    expect(code).toBe(1);
    expect(stderr).toContain(`it is not known whether demo#${issue} was queued`);
    expect(stderr).toContain('run the same dispatch again once the worker answers');
  });

  it('and after which nothing answers any more: gives up after three times its --timeout', async () => {
    const issue = fresh();
    // Longer than the test may last: that it ends at all is its own doing.
    const { stderr } = await send([issue], ['--timeout', '1s'], kubectlThat({ exec: 'sleep 3600' }));
    expect(stderr).toContain(`it is not known whether demo#${issue} was queued`);
  });

  it.each([
    'Error from server: error dialing backend: dial tcp 10.0.3.123:10250: connect: connection refused',
    'The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?',
  ])(
    'or rather never was: not queued, without a look (%s)',
    async (said) => {
      const issue = fresh();
      const own = fakeKubectl(worker.cluster());
      const refused = kubectlThat({ dispatch: `echo '${said}' >&2; exit 1` }, own);
      const { code, stderr } = await send([issue], [], refused);
      expect(code).toBe(1);
      expect(stderr).toContain(`error: demo#${issue} is not queued: cannot run a command in worker-1`);
      expect(stderr).toContain('run the same dispatch again later');
      expect(stderr).not.toContain('not known');
      expect(own.calls().filter(({ argv }) => argv.includes('exec'))).toEqual([]);
      expect(await counts([issue])).toEqual([0]);
      own.remove();
    },
    60_000,
  );

  it('and comes back while the dispatch is still at work: waits for its end instead of guessing', async () => {
    const issues = [fresh(), fresh(), fresh()];
    await worker.write(`slow/${issues[1]}`, '');
    const cut = kubectlThat({ dispatch: '(KUBECTL) >/dev/null 2>&1 & sleep 1; exit 0' });
    const outcome = await send(issues, [], cut);
    expect(existsSync(join(worker.dir, 'slow', `${issues[1]}`))).toBe(false);
    await expectAgreement(outcome, issues);
    // That nothing comes later cannot be waited for.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await expectAgreement(outcome, issues);
  });
});

describe('a dispatch that is withdrawn', () => {
  it('before it has the queue adds nothing, however late it gets it', async () => {
    const wanted = request([fresh(), fresh()]);
    const release = await worker.holdLock('locks/queue');
    const late = remote('dispatch', dispatchArgs(wanted));
    const lock = join(worker.state, 'locks', 'queue');
    await expect.poll(() => waitersFor(lock)).toBe(1);
    const withdrawal = remote('dispatch-withdraw', [wanted.id]);
    await expect.poll(() => waitersFor(lock)).toBe(2);
    await release();
    const [answer, frame] = await Promise.all([late.frame, withdrawal.frame]);
    expect(answer?.parts.has('withdrawn')).toBe(true);
    expect(frame && parseWithdrawal(frame, wanted)?.outcomes.map(({ outcome }) => outcome)).toEqual([
      'lost',
      'lost',
    ]);
    expect(await counts(wanted.issues)).toEqual([0, 0]);
  });

  it('and run once more under the same name adds nothing either', async () => {
    const wanted = request([fresh()]);
    await remote('dispatch-withdraw', [wanted.id]).answer;
    const answer = await remote('dispatch', dispatchArgs(wanted)).frame;
    expect(answer?.parts.has('withdrawn')).toBe(true);
    expect(await counts(wanted.issues)).toEqual([0]);
  });

  it('while the queue stays held is not settled', async () => {
    const wanted = request([fresh()]);
    const release = await worker.holdLock('locks/queue');
    // The same wait, shorter.
    await worker.bash(
      `printf '#!/bin/sh\\n[ "$1 $2" != "--wait 30" ] || { shift 2; set -- --wait 1 "$@"; }\\nexec %s "$@"\\n' "$(command -v flock)" >bin/flock && chmod +x bin/flock`,
    );
    const frame = await remote('dispatch-withdraw', [wanted.id]).frame;
    await worker.bash('rm bin/flock');
    await release();
    expect(frame?.parts.get('busy')?.text).toContain('held');
    expect(frame && parseWithdrawal(frame, wanted)).toBeNull();
  });

  it('after it was done tells what it did, also when the work is completed by then', async () => {
    const wanted = request([fresh(), fresh()]);
    await remote('dispatch', dispatchArgs(wanted)).answer;
    await worker.sql(`UPDATE issue_queue SET status = 'completed' WHERE issue = ${wanted.issues[0]}`);
    const frame = await remote('dispatch-withdraw', [wanted.id]).frame;
    expect(frame && parseWithdrawal(frame, wanted)?.outcomes.map(({ outcome }) => outcome)).toEqual([
      'queued',
      'queued',
    ]);
  });
});

describe('two laptops', () => {
  it('that dispatch the same issue queue it once, and both are told that it is', async () => {
    for (let round = 0; round < 8; round++) {
      const issue = fresh();
      const outcomes = await Promise.all([send([issue]), send([issue]), send([issue])]);
      expect(outcomes.map((outcome) => verdict(outcome, issue))).toEqual(['queued', 'queued', 'queued']);
      expect(outcomes.filter(({ stdout }) => stdout.includes(`#${issue} queued`))).toHaveLength(1);
      expect(await counts([issue])).toEqual([1]);
    }
  });

  it('that dispatch different issues queue all of them', async () => {
    const issues = Array.from({ length: 12 }, fresh);
    const outcomes = await Promise.all(issues.map((issue) => send([issue])));
    expect(outcomes.map(({ code }) => code)).toEqual(issues.map(() => 0));
    expect(await counts(issues)).toEqual(issues.map(() => 1));
    const records = await worker.lines('dispatch.jsonl');
    expect(
      issues.filter((issue) => records.filter((record) => record['issue'] === issue).length !== 1),
    ).toEqual([]);
  });

  it('that dispatch overlapping sets, one of them cut off, end with each issue once', async () => {
    const [a, b, c] = [fresh(), fresh(), fresh()];
    const cut = kubectlThat({ dispatch: 'KUBECTL | { head -c 30; cat >/dev/null; }; exit 0' });
    const outcomes = await Promise.all([send([a, b], [], cut), send([b, c]), send([c, a])]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await counts([a, b, c])).toEqual([1, 1, 1]);
  });
});

describe('Ctrl-C', () => {
  const press = (issue: number, scripts: Readonly<Record<string, string>>, interruptAt: string) =>
    run(
      dispatch,
      ['worker-1', '-p', 'demo', '-i', `${issue}`, '--intent', 'x', '--verbose', '--timeout', '1h'],
      {
        env: { ...worker.laptop, KUBECTL: kubectlThat(scripts) },
        interruptAt,
      },
    );

  it('ends the command at once and says what may still happen', async () => {
    const issue = fresh();
    const { code, stderr } = await press(issue, { dispatch: 'sleep 3600' }, '--container=worker');
    expect(code).toBe(130);
    expect(stderr).toContain(`may still queue demo#${issue}. Running it again never queues it twice`);
  });

  it('while it is being looked what became of it says the same', async () => {
    const issue = fresh();
    const { code, stderr } = await press(
      issue,
      { dispatch: EOF, withdraw: 'sleep 3600' },
      'checking whether it was queued',
    );
    expect(code).toBe(130);
    expect(stderr).toContain(`may still queue demo#${issue}`);
  });
});
