/** The whole supervisor in a world of fakes: what it does in which order, and what it never does. */
import { describe, expect, it } from 'vitest';
import type { Argv } from '../../image/supervisor/effects/effects.ts';
import { createSupervisor } from '../../image/supervisor/supervisor.ts';
import type { Boot, Heartbeat } from '../../scripts/lib/contract.ts';
import {
  type Answer,
  DIRS,
  fakeClock,
  fakeEnvironment,
  fakeFiles,
  fakeLog,
  fakeParts,
  fakeProcesses,
  fakeTmux,
  type ProcessTable,
} from './fakes.ts';

const STATE = DIRS.WORKER_STATE_DIR;
const RUN = DIRS.WORKER_RUN_DIR;
const TOOLS = ['tmux', 'git', 'flock', 'tail', 'grep', 'claude', 'gh', 'factory'];
const HELP = '      --intent string   feature intent\n';

interface Options {
  readonly env?: NodeJS.ProcessEnv;
  readonly parentPid?: number;
  readonly files?: Record<string, string>;
  readonly paneMisses?: () => string;
  readonly run?: (call: string, argv: Argv) => Answer;
  readonly detached?: ProcessTable['detached'];
  readonly hold?: ProcessTable['hold'];
  readonly loginMissing?: boolean;
}

/** A worker with one ready clone and a program of dialect A with an empty queue, unless a test says otherwise. */
function world(options: Options = {}) {
  const clock = fakeClock();
  const files = fakeFiles({
    ...Object.fromEntries(TOOLS.map((tool) => [`/bin/${tool}`, '#!'])),
    [`${DIRS.WORKER_REPOS_DIR}/demo/.git/HEAD`]: 'x',
    [`${DIRS.WORKER_REPOS_DIR}/demo/pipeline.yaml`]: 'x',
    ...Object.fromEntries(
      [23, 24].map((issue) => [`/w/home/.factory/pipelines/${issue}/issue.json`, `{"number":${issue}}`]),
    ),
    ...options.files,
  });
  const { lines, log } = fakeLog();
  const fake = fakeTmux(clock, () =>
    files.write(`${RUN}/pane-check`, `${options.paneMisses?.() ?? ''}\n/usr/bin:/bin\n`),
  );
  const processes = fakeProcesses(files, {
    run(argv) {
      const call = argv.join(' ');
      const answer = options.run?.(call, argv);
      if (answer !== undefined) return answer;
      if (call.includes('queue add --help')) return { stdout: HELP };
      if (argv[0] === 'grep') return { code: 1 };
      if (call.endsWith('--format json')) return { stdout: 'null' };
      return undefined;
    },
    ...(options.detached ? { detached: options.detached } : {}),
    ...(options.hold ? { hold: options.hold } : {}),
  });
  const environment = fakeEnvironment(options.env, options.parentPid);
  const supervisor = createSupervisor(environment, { clock, processes, tmux: fake.tmux, files, log }, () => ({
    ...fakeParts(environment, files),
    loginMissing: () => options.loginMissing ?? false,
  }));
  let done = false;
  const run = supervisor.run().then(() => {
    done = true;
  });
  const json = <T>(name: string): T | null => {
    const text = files.read(`${RUN}/${name}`);
    return text === null ? null : (JSON.parse(text) as T);
  };
  return {
    boot: () => json<Boot>('boot.json'),
    clock,
    fake,
    files,
    heartbeat: () => json<Heartbeat>('heartbeat.json'),
    isDone: () => done,
    lines,
    processes,
    run,
    supervisor,
    states: () => Object.fromEntries(json<Boot>('boot.json')?.phases.map((it) => [it.name, it.status]) ?? []),
    checkIns: () => processes.calls.filter((call) => call.includes('orchestrator check-in')),
  };
}

const ROW = { Issue: 23, Status: 'pending', Position: 1, FeatureIntent: 'x', AddedAt: '2026-11-22 12:00:00' };

/** What `factory status` says of an issue whose check-in died in the middle of its stage. */
function interrupted(sessionState: string): string {
  const pipeline = { issue: 23, title: 't', status: 'in_progress', stage: 'qa', attempt: 1 };
  return JSON.stringify([{ ...pipeline, session: '23-qa-1', session_state: sessionState }]);
}

/** A queue with one pending issue of demo. */
function oneIssue(call: string): Answer {
  if (call.endsWith(' remote')) return { stdout: 'origin\n' };
  if (call.includes(' ls-remote ')) return { stdout: 'ref: refs/heads/main\tHEAD\n' };
  if (call.includes(' symbolic-ref ')) return { stdout: 'main\n' };
  return call.includes('queue list') ? { stdout: JSON.stringify([ROW]) } : undefined;
}

describe('the boot', () => {
  it('ends with a loop that waits for work', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    expect(it_.states()).toEqual({
      lock: 'ok',
      checks: 'ok',
      database: 'ok',
      tmux: 'ok',
      docker: 'off',
      credentials: 'off',
      clones: 'ok',
      recover: 'ok',
      orchestrator: 'ok',
    });
    expect(it_.boot()?.finishedAt).not.toBeNull();
    expect(it_.heartbeat()).toMatchObject({
      state: 'waiting',
      reason: null,
      project: null,
      intervalSeconds: 30,
    });
    expect(it_.fake.calls).toEqual([
      'new boot',
      'kill tool-check',
      'new tool-check',
      'kill tool-check',
      'new orchestrator',
      'remain-on-exit orchestrator',
    ]);
    expect(it_.files.exists(`${RUN}/alive`)).toBe(true);
    expect(JSON.parse(it_.files.read(`${STATE}/boot.lock`) ?? '')).toMatchObject({
      pid: process.pid,
      host: 'here',
    });
  });

  it('in a pod, names the pod and its node as the holder of the lock', async () => {
    const it_ = world({
      env: { WORKER_RUNTIME: 'pod', WORKER_POD_NAME: 'factory-worker-1-abc', WORKER_NODE_NAME: 'node-1' },
      parentPid: 1,
    });
    await it_.clock.advance(100);
    expect(JSON.parse(it_.files.read(`${STATE}/boot.lock`) ?? '')).toMatchObject({
      pod: 'factory-worker-1-abc',
      host: 'node-1',
    });
  });

  it('begins with a boot log and a heartbeat of its own', async () => {
    const it_ = world({
      files: { [`${RUN}/boot.log`]: 'old\n', [`${RUN}/heartbeat.json`]: '{"pid":1}' },
      run: (call) => (call.includes('queue list') ? new Promise(() => {}) : undefined),
    });
    await it_.clock.advance(10);
    expect(it_.files.read(`${RUN}/boot.log`)).toBe('');
    expect(it_.heartbeat()).toBeNull();
  });

  it('touches nothing while another supervisor has the lock, and says who', async () => {
    let grant: (line: string) => void = () => {};
    const holder = '{"pid":7,"host":"node-1","pod":"factory-worker-1-abc","since":"2026-11-22T15:00:00Z"}\n';
    const it_ = world({
      files: { [`${STATE}/boot.lock`]: holder },
      hold: () => ({
        firstLine: new Promise((resolve) => {
          grant = resolve;
        }),
        exited: new Promise(() => {}),
        release: () => {},
      }),
    });
    const before = [...it_.files.content].toSorted();
    await it_.clock.advance(60_000);
    expect([...it_.files.content].toSorted()).toEqual(before);
    expect(it_.fake.calls).toEqual([]);
    expect(it_.lines).toEqual([
      "phase lock running: waiting: process 7 of pod factory-worker-1-abc on node-1 since 2026-11-22T15:00:00Z has this worker's state",
    ]);
    grant('locked');
    await it_.clock.advance(100);
    expect(it_.boot()?.phases[0]).toMatchObject({ name: 'lock', status: 'ok', ms: 60_000 });
    expect(it_.states()['orchestrator']).toBe('ok');
  });

  it('tells of the wait in boot.json where the volatile folder is its own, in a pod', async () => {
    const it_ = world({
      env: { WORKER_RUNTIME: 'pod' },
      parentPid: 1,
      hold: () => ({ firstLine: new Promise(() => {}), exited: new Promise(() => {}), release: () => {} }),
    });
    await it_.clock.advance(1_000);
    expect(it_.boot()?.phases).toMatchObject([
      { name: 'lock', status: 'running', message: expect.stringContaining('waiting') },
    ]);
  });

  it('without a program of its own says which, and goes on when it is there', async () => {
    const it_ = world();
    it_.files.content.delete('/bin/tmux');
    await it_.clock.advance(5_000);
    expect(it_.boot()?.phases.at(-1)).toMatchObject({
      name: 'checks',
      status: 'failed',
      message: 'not on PATH: tmux; install them (tried again every 10s)',
    });
    it_.files.write('/bin/tmux', '#!');
    await it_.clock.advance(10_000);
    expect(it_.states()['orchestrator']).toBe('ok');
  });

  it.each([
    ['all of them', ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER'], 'ok', 'are there'],
    ['none', [], 'off', 'none given'],
    [
      'one, and one that is empty',
      ['GH_TOKEN', 'GH_USER='],
      'missing',
      `CLAUDE_CODE_OAUTH_TOKEN, GH_USER missing: write CLAUDE_CODE_OAUTH_TOKEN, GH_USER into ${DIRS.WORKER_SECRETS_DIR}`,
    ],
  ])('credentials of a local worker: %s', async (_case, keys, status, message) => {
    const it_ = world({
      files: Object.fromEntries(
        keys.map((key) => [
          `${DIRS.WORKER_SECRETS_DIR}/${key.replace('=', '')}`,
          key.endsWith('=') ? ' \n' : 'canary\n',
        ]),
      ),
    });
    await it_.clock.advance(100);
    const phase = it_.boot()?.phases.find(({ name }) => name === 'credentials');
    expect(phase).toMatchObject({ status, message: expect.stringContaining(message) });
    expect(it_.lines.join()).not.toContain('canary');
  });
});

describe('the loop', () => {
  it('makes a check-in in the clone, with the outcome in the heartbeat', async () => {
    const actions = [{ issue: 23, action: 'queue_started', stage: '', message: 'queue: started' }];
    let finish: (code: number) => void = () => {};
    const it_ = world({
      run: oneIssue,
      detached: () => ({
        stdout: JSON.stringify({ actions }),
        code: new Promise((resolve) => {
          finish = resolve;
        }),
      }),
    });
    await it_.clock.advance(100);
    expect(it_.checkIns()).toEqual([
      'flock --exclusive --close --timeout 5 --conflict-exit-code 75 /w/state/locks/check-in factory orchestrator check-in --format json',
    ]);
    expect(it_.heartbeat()).toMatchObject({
      state: 'checking-in',
      project: 'demo',
      finishedAt: null,
      actions: [],
    });
    finish(0);
    await it_.clock.advance(100);
    expect(it_.heartbeat()).toMatchObject({ state: 'waiting', project: 'demo', actions });
    expect(it_.lines).toContain('check-in in demo: #23 queue_started (queue: started) (0.1s)');
    // Nothing has changed in the store: not at once again, but after the interval.
    expect(it_.checkIns()).toHaveLength(1);
    await it_.clock.advance(30_000);
    expect(it_.checkIns()).toHaveLength(2);
  });

  it('takes no row while its remote cannot be asked, says so, and goes on by itself', async () => {
    let answers = false;
    const it_ = world({
      run: (call) => {
        if (!call.includes(' fetch ')) return oneIssue(call);
        return answers ? {} : { code: 128, stderr: 'fatal: unable to access: Could not resolve host' };
      },
    });
    await it_.clock.advance(100);
    expect(it_.checkIns()).toEqual([]);
    const text = 'its remote origin cannot be read';
    const fault = {
      project: 'demo',
      cause: 'fetch-failed',
      text,
      said: 'fatal: unable to access: Could not resolve host',
      subject: '',
      since: '2026-11-22T15:12:15Z',
      holds: true,
    };
    const held = { state: 'refused', reason: `no issue of demo is begun: ${text}`, clones: [fault] };
    expect(it_.heartbeat()).toMatchObject(held);
    await it_.clock.advance(60_000);
    expect(it_.heartbeat()).toMatchObject(held);
    answers = true;
    await it_.clock.advance(30_000);
    expect(it_.checkIns().length).toBeGreaterThan(0);
    expect(it_.heartbeat()).toMatchObject({ clones: [] });
  });

  it('goes on with a stage that runs, whether the remote answers or not', async () => {
    const it_ = world({
      run: (call) => {
        if (call.includes(' fetch ')) return { code: 128, stderr: 'fatal: no route' };
        return call.includes('factory status')
          ? { stdout: interrupted('idle').replace('in_progress', 'pending') }
          : oneIssue(call);
      },
    });
    await it_.clock.advance(100);
    expect(it_.checkIns()).toHaveLength(1);
    expect(it_.processes.calls.join('\n')).not.toContain(' fetch ');
  });

  it('asks the remotes while there is nothing to do, so that it is known before', async () => {
    const it_ = world({
      run: (call) =>
        call.includes(' fetch ')
          ? { code: 128, stderr: 'fatal: no route' }
          : call.includes('queue list')
            ? undefined
            : oneIssue(call),
    });
    await it_.clock.advance(100);
    expect(it_.heartbeat()).toMatchObject({
      state: 'waiting',
      reason: null,
      clones: [{ project: 'demo', cause: 'fetch-failed' }],
    });
    const fetches = () => it_.processes.calls.filter((call) => call.includes(' fetch ')).length;
    expect(fetches()).toBe(1);
    await it_.clock.advance(59_000);
    expect(fetches()).toBe(1);
    await it_.clock.advance(31_000);
    expect(fetches()).toBe(2);
  });

  it('looks again at once when something has moved', async () => {
    let status = 'pending';
    const it_ = world({
      run: (call) =>
        call.includes('queue list') ? { stdout: JSON.stringify([{ ...ROW, Status: status }]) } : undefined,
      detached: () => {
        status = status === 'pending' ? 'active' : 'completed';
        return { stdout: '{"actions":[{"issue":23,"action":"queue_started"}]}' };
      },
    });
    await it_.clock.advance(100);
    expect(it_.checkIns()).toHaveLength(1);
    expect(it_.processes.calls.filter((call) => call.includes('queue list')).length).toBeGreaterThan(3);
  });

  it('gives the program’s own words when a check-in fails, and no JSON for what it is', async () => {
    const failing = world({
      run: oneIssue,
      detached: () => ({
        code: 1,
        stderr: 'Error: load config: no pipeline config found\nUsage:\n  factory\n',
      }),
    });
    await failing.clock.advance(100);
    expect(failing.heartbeat()).toMatchObject({
      state: 'waiting',
      reason: 'load config: no pipeline config found',
    });
    const killed = world({
      run: oneIssue,
      detached: () => ({
        code: 137,
        stderr: '  → queue: processing issue #23\n  → session 23-qa-1: starting\n',
      }),
    });
    await killed.clock.advance(100);
    expect(killed.heartbeat()?.reason).toBe('factory was ended by SIGKILL before it had finished');
    const wordless = world({
      run: oneIssue,
      detached: () => ({ code: 1, stderr: '  → queue: processing issue #23\n' }),
    });
    await wordless.clock.advance(100);
    expect(wordless.heartbeat()?.reason).toBe('factory ended with exit code 1');
    const odd = world({ run: oneIssue, detached: () => ({ stdout: 'hello' }) });
    await odd.clock.advance(100);
    expect(odd.heartbeat()).toMatchObject({
      reason: 'the answer of factory is not JSON (5 characters): hello',
    });
  });

  it('says once that there is nothing to do, and reads the queue under its lock', async () => {
    const it_ = world();
    await it_.clock.advance(300_000);
    expect(it_.lines.filter((line) => line.startsWith('waiting'))).toEqual(['waiting: nothing to do']);
    expect(it_.processes.calls.find((call) => call.includes('queue list'))).toBe(
      'flock --shared --close --timeout 10 --conflict-exit-code 75 /w/state/locks/queue factory queue list --format json',
    );
  });

  it('looks again at once when another check-in had the lock first', async () => {
    const codes = [75, 75];
    const it_ = world({
      run: oneIssue,
      detached: () => ({ stdout: '{"actions":[]}', code: codes.shift() ?? 0 }),
    });
    await it_.clock.advance(100);
    expect(it_.checkIns()).toHaveLength(3);
    expect(it_.heartbeat()?.reason).toBeNull();
  });

  it('looks again at once after a check-in during which something was dispatched', async () => {
    let finish: (code: number) => void = () => {};
    const it_ = world({
      run: oneIssue,
      detached: () => ({
        stdout: '{"actions":[]}',
        code: new Promise((resolve) => {
          finish = resolve;
        }),
      }),
    });
    await it_.clock.advance(100);
    it_.files.touchedByOthers(`${STATE}/dispatch.jsonl`);
    finish(0);
    await it_.clock.advance(10);
    expect(it_.checkIns()).toHaveLength(2);
  });

  it('keeps its log bounded', async () => {
    const it_ = world({ run: oneIssue, detached: () => ({ stdout: '{"actions":[]}' }) });
    it_.files.write(`${STATE}/logs/orchestrator.log`, 'x'.repeat(5 * 1024 * 1024 + 1));
    await it_.clock.advance(100);
    expect(it_.files.size(`${STATE}/logs/orchestrator.log`)).toBeLessThan(10_000);
    expect(it_.files.size(`${STATE}/logs/orchestrator.log.1`)).toBe(5 * 1024 * 1024 + 1);
    await it_.clock.advance(60_000);
    expect(it_.files.size(`${STATE}/logs/orchestrator.log.1`)).toBe(5 * 1024 * 1024 + 1);
  });

  it('makes none while drained, and one at once when the drain is lifted', async () => {
    const it_ = world({ run: oneIssue, files: { [`${STATE}/drain`]: '{"by":"ann"}' } });
    await it_.clock.advance(300_000);
    expect(it_.checkIns()).toEqual([]);
    expect(it_.heartbeat()).toMatchObject({ state: 'drained', reason: 'drained by ann' });
    it_.files.content.delete(`${STATE}/drain`);
    it_.files.touchedByOthers(`${STATE}/drain`);
    await it_.clock.advance(10);
    expect(it_.checkIns()).toHaveLength(1);
  });

  it('is not woken by files of its own', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    const looks = () => it_.processes.calls.filter((call) => call.includes('queue list')).length;
    const before = looks();
    for (const name of ['repairs.jsonl', 'boot.lock', 'drain.123.tmp'])
      it_.files.touchedByOthers(`${STATE}/${name}`);
    await it_.clock.advance(10);
    expect(looks()).toBe(before);
    it_.files.touchedByOthers(`${STATE}/dispatch.jsonl`);
    await it_.clock.advance(10);
    expect(looks()).toBe(before + 1);
  });

  it('refuses while a pane does not find a tool, and asks again at each tick until it does', async () => {
    let misses = 'claude gh ';
    const it_ = world({ run: oneIssue, paneMisses: () => misses });
    await it_.clock.advance(100);
    expect(it_.heartbeat()).toMatchObject({
      state: 'refused',
      reason: 'a tmux pane does not find claude, gh: put them on PATH (it is /usr/bin:/bin)',
    });
    misses = '';
    await it_.clock.advance(30_000);
    expect(it_.checkIns()).toHaveLength(1);
    const asked = () => it_.fake.calls.filter((call) => call === 'new tool-check').length;
    const before = asked();
    await it_.clock.advance(90_000);
    expect(asked()).toBe(before);
    it_.files.write('/bin/claude', '#! another version');
    await it_.clock.advance(30_000);
    expect(asked()).toBe(before + 1);
  });

  it('says that a pane does not answer, and closes it', async () => {
    const it_ = world({ run: oneIssue });
    it_.fake.tmux.type = async () => {};
    await it_.clock.advance(32_000);
    expect(it_.boot()?.phases.find(({ name }) => name === 'recover')?.message).toContain('does not answer');
    expect(it_.heartbeat()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('does not answer'),
    });
    expect(it_.checkIns()).toEqual([]);
    expect(it_.fake.sessions?.has('tool-check')).toBe(false);
  });

  it('waits for a check-in that an earlier supervisor started, and starts none beside it', async () => {
    let held = true;
    let free: (answer: object) => void = () => {};
    const it_ = world({
      run(call) {
        if (call.includes('--timeout 0.5') && call.includes('locks/check-in')) return { code: held ? 75 : 0 };
        if (call === 'flock /w/state/locks/check-in true') return new Promise((resolve) => (free = resolve));
        return oneIssue(call);
      },
    });
    await it_.clock.advance(3_600_000);
    expect(it_.checkIns()).toEqual([]);
    expect(it_.heartbeat()).toMatchObject({ state: 'checking-in', finishedAt: null });
    held = false;
    free({});
    await it_.clock.advance(100);
    expect(it_.checkIns()).toHaveLength(1);
  });

  it('retries a locked database, and gives other errors of the store as the reason', async () => {
    let tries = 0;
    const it_ = world({
      run(call) {
        if (!call.includes('queue list')) return undefined;
        tries += 1;
        return tries >= 3
          ? oneIssue(call)
          : { code: 1, stderr: 'Error: list queue: database is locked (5)\n\nUsage:\n' };
      },
    });
    await it_.clock.advance(2_000);
    expect(it_.checkIns()).toHaveLength(1);
    const broken = world({
      run: (call) =>
        call.endsWith('status --format json')
          ? { code: 1, stderr: 'Error: disk I/O error\n\nUsage:\n' }
          : undefined,
    });
    await broken.clock.advance(100);
    expect(broken.heartbeat()).toMatchObject({
      state: 'refused',
      reason: 'factory status --format json: disk I/O error',
    });
  });

  it('sets an interrupted stage going again: on record first, under the lock, in its clone', async () => {
    const recorded: (string | null)[] = [];
    const it_ = world({
      run: (call) => (call.endsWith('status --format json') ? { stdout: interrupted('started') } : undefined),
      detached() {
        recorded.push(it_.files.read(`${STATE}/repairs.jsonl`));
        return { stdout: '{"actions":[]}' };
      },
    });
    await it_.clock.advance(100);
    const runs = it_.processes.calls.filter((call) => call.includes('pipeline advance'));
    expect(runs).toHaveLength(2);
    expect(runs[0]).toContain('/w/state/locks/check-in factory pipeline advance 23');
    expect(recorded[0]).toContain('"action":"advance"');
    const repairs = (it_.files.read(`${STATE}/repairs.jsonl`) ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(repairs.map(({ action, issue, stage }) => [action, issue, stage])).toEqual([
      ['advance', 23, 'qa'],
      ['advance', 23, 'qa'],
      ['give-up', 23, 'qa'],
    ]);
    expect(repairs.at(-1).cure).toContain('factory pipeline advance 23');
    expect(it_.heartbeat()?.reason).toContain('#23 was interrupted in stage qa again');
  });

  it('B: marks the dead session and goes on with the usual check-in', async () => {
    let state = 'active';
    const it_ = world({
      run(call) {
        if (call.includes('queue add --help'))
          return { stdout: '  --config string  Path (required)\n  --depends-on string\n' };
        if (call.includes('event log')) state = 'exited';
        if (!call.endsWith('status --format json')) return undefined;
        return { stdout: interrupted(state) };
      },
    });
    await it_.clock.advance(100);
    const calls = it_.processes.calls.filter((call) => /event log|check-in --format/.test(call));
    expect(calls[0]).toBe('factory event log --session 23-qa-1 --issue 23 --stage qa --event exited');
    expect(calls[1]).toContain('orchestrator check-in');
  });

  it('survives an error of its own making, and says so in the heartbeat once it can', async () => {
    const it_ = world({
      run: oneIssue,
      detached: () => {
        throw new Error('ENOSPC');
      },
    });
    await it_.clock.advance(100);
    expect(it_.lines).toContain('error in the loop, which continues: ENOSPC');
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect(it_.heartbeat()).toMatchObject({ state: 'waiting', reason: 'ENOSPC' });
  });

  it('takes new settings at the next tick, and keeps the old ones while they cannot be read', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    it_.files.write(`${DIRS.WORKER_CONFIG_DIR}/settings.json`, '{"orchestrator":{"intervalSeconds":5}}');
    it_.files.touchedByOthers(`${DIRS.WORKER_CONFIG_DIR}/..data`);
    await it_.clock.advance(10);
    expect(it_.heartbeat()?.intervalSeconds).toBe(5);
    it_.files.write(`${DIRS.WORKER_CONFIG_DIR}/settings.json`, '{"orch');
    await it_.clock.advance(20_000);
    expect(it_.heartbeat()?.intervalSeconds).toBe(5);
    expect(it_.lines.filter((line) => line.includes('settings.json is not JSON'))).toHaveLength(1);
  });

  it('switched off is no fault: the phase says `off`, and follows the settings without a restart', async () => {
    const path = `${DIRS.WORKER_CONFIG_DIR}/settings.json`;
    const off = '{"orchestrator":{"enabled":false}}';
    const it_ = world({ files: { [path]: off }, run: oneIssue });
    const change = async (text: string) => {
      it_.files.write(path, text);
      it_.files.touchedByOthers(`${DIRS.WORKER_CONFIG_DIR}/..data`);
      await it_.clock.advance(100);
    };
    await it_.clock.advance(100);
    expect(it_.states()).toMatchObject({ recover: 'off', orchestrator: 'off' });
    expect(it_.heartbeat()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('switched off'),
    });
    expect(it_.fake.sessions?.has('orchestrator')).toBe(true);
    await change('{}');
    expect(it_.states()['orchestrator']).toBe('ok');
    expect(it_.checkIns()).not.toHaveLength(0);
    await change(off);
    expect(it_.states()['orchestrator']).toBe('off');
    expect(it_.lines.filter((line) => line.startsWith('phase orchestrator off'))).toHaveLength(2);
  });
});

describe('the watch over what is ours', () => {
  it('brings back the tmux server and both sessions', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    it_.fake.sessions = null;
    await it_.clock.advance(5_000);
    expect([...(it_.fake.sessions ?? new Map()).keys()]).toEqual(['boot', 'orchestrator']);
  });

  it('brings back the orchestrator session, and the program of a dead pane', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    it_.fake.sessions?.delete('orchestrator');
    await it_.clock.advance(5_000);
    expect(it_.fake.sessions?.has('orchestrator')).toBe(true);
    const pane = it_.fake.sessions?.get('orchestrator');
    if (pane) pane.dead = true;
    await it_.clock.advance(5_000);
    expect(it_.fake.calls.at(-1)).toBe('respawn orchestrator');
  });

  it('removes the locks of a killed git before anything is taken up', async () => {
    const lock = `${DIRS.WORKER_REPOS_DIR}/demo/.git/index.lock`;
    const there: boolean[] = [];
    const it_ = world({
      files: { [lock]: '' },
      run: oneIssue,
      detached: () => {
        there.push(it_.files.exists(lock));
        return {};
      },
    });
    await it_.clock.advance(100);
    expect(there[0]).toBe(false);
    expect(it_.lines).toContain(`demo: removed locks of a killed git process: ${lock}`);
  });

  it('clones what the laptop asks for as soon as it asks', async () => {
    const it_ = world();
    await it_.clock.advance(100);
    it_.files.write(`${STATE}/projects.json`, '[{"name":"new","repo":"acme/new"}]');
    it_.files.touchedByOthers(`${STATE}/projects.json`);
    await it_.clock.advance(10);
    expect(it_.processes.calls).toContain(
      'git clone --quiet -- https://github.com/acme/new.git /w/repos/.cloning-new',
    );
  });

  it('regains a lock whose holder was killed, and leaves everything alone when another has it', async () => {
    const ends: ((code: number) => void)[] = [];
    let free = true;
    const it_ = world({
      hold: () => ({
        firstLine: free ? Promise.resolve('locked') : new Promise(() => {}),
        exited: new Promise((resolve) => ends.push(resolve)),
        release: () => {},
      }),
    });
    await it_.clock.advance(100);
    ends[0]?.(137);
    await it_.clock.advance(3_000);
    expect(it_.isDone()).toBe(false);
    free = false;
    ends[1]?.(137);
    await it_.clock.advance(3_000);
    expect(it_.isDone()).toBe(true);
    expect(it_.lines).toContain(
      'another supervisor has taken the boot lock from us: leaving everything to it',
    );
    expect(it_.fake.calls).not.toContain('kill server');
  });
});

describe('SIGTERM', () => {
  it('while waiting for the lock ends it without touching anything', async () => {
    const it_ = world({
      hold: () => ({ firstLine: new Promise(() => {}), exited: new Promise(() => {}), release: () => {} }),
    });
    await it_.clock.advance(1_000);
    const before = [...it_.files.content].toSorted();
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect([...it_.files.content].toSorted()).toEqual(before);
    expect(it_.fake.calls).toEqual([]);
  });

  it.each([
    ['tmux', (call: string) => call === 'never'],
    ['recover', (call: string) => call.includes('factory queue list')],
    ['recover', (call: string) => call.includes('queue add --help')],
    ['recover', (call: string) => call.includes('factory status')],
  ])('in the middle of phase %s is obeyed at once', async (_phase, hangs) => {
    const it_ = world({ run: (call) => (hangs(call) ? new Promise(() => {}) : undefined) });
    await it_.clock.advance(1);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect(it_.fake.calls.at(-1)).toBe('kill server');
    expect(it_.processes.calls.at(-1)).toBe('released');
  });

  it('while a phase is being tried again is obeyed at once', async () => {
    const it_ = world();
    it_.files.content.delete('/bin/git');
    await it_.clock.advance(1_000);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
  });

  it('lets a running check-in end, starts no other, and then ends everything', async () => {
    let finish: (code: number) => void = () => {};
    const it_ = world({
      run: oneIssue,
      detached: () => ({ stdout: '{"actions":[]}', code: new Promise((resolve) => (finish = resolve)) }),
    });
    await it_.clock.advance(100);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(600_000);
    expect(it_.isDone()).toBe(false);
    expect(it_.heartbeat()).toMatchObject({
      state: 'checking-in',
      reason: expect.stringContaining('stopping'),
    });
    it_.files.content.delete(`${RUN}/alive`);
    await it_.clock.advance(5_000);
    expect(it_.files.exists(`${RUN}/alive`)).toBe(true);
    expect(it_.processes.signals).toEqual([]);
    finish(0);
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect(it_.checkIns()).toHaveLength(1);
    expect(it_.heartbeat()?.state).toBe('waiting');
    expect(it_.lines).toContain(
      'stop wait for the running stage 600s: check-in in demo has ended'.replace('600s', '10m 5s'),
    );
  });

  it('twice does not wait for it', async () => {
    const it_ = world({ run: oneIssue, detached: () => ({ code: new Promise(() => {}) }) });
    await it_.clock.advance(100);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(1_000);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect(it_.processes.signals).toEqual([expect.stringMatching(/^SIGTERM 10\d\d$/)]);
  });

  it('during the fetch before a queue pop starts no check-in', async () => {
    const it_ = world({ run: (call) => (call.includes(' fetch ') ? new Promise(() => {}) : oneIssue(call)) });
    await it_.clock.advance(100);
    it_.supervisor.stop('SIGTERM');
    await it_.clock.advance(10);
    expect(it_.isDone()).toBe(true);
    expect(it_.checkIns()).toEqual([]);
  });
});

it('a drain that comes during the fetch before a queue pop holds', async () => {
  let fetched: (answer: object) => void = () => {};
  const it_ = world({
    run: (call) =>
      call.includes(' fetch ') ? new Promise((resolve) => (fetched = resolve)) : oneIssue(call),
  });
  await it_.clock.advance(100);
  it_.files.write(`${STATE}/drain`, '{}');
  fetched({});
  await it_.clock.advance(10);
  expect(it_.checkIns()).toEqual([]);
  expect(it_.heartbeat()?.state).toBe('drained');
});

describe('claude’s account', () => {
  const FAILURES = `${STATE}/claude-failures.jsonl`;
  const failure = (error: string, text: string) =>
    `${JSON.stringify({ schema: 1, at: '2026-11-22T15:12:20Z', session: '23-qa-1', issue: 23, stage: 'qa', error, text })}\n`;
  const LIMIT = failure('rate_limit', "You've hit your limit · resets 5pm (UTC)");
  /** The answer of `claude --print`. */
  const claude = (answer: () => Answer) => (call: string) =>
    call.startsWith('claude --print') ? answer() : oneIssue(call);

  it('that has hit its limit keeps the queue until its time, without asking', async () => {
    const it_ = world({ run: claude(() => ({ code: 1, stdout: 'not asked' })) });
    it_.files.write(
      `${STATE}/account.json`,
      '{"schema":1,"seen":0,"hold":null,"token":"","probes":0,"endedAt":""}',
    );
    it_.files.write(FAILURES, LIMIT);
    await it_.clock.advance(60_000);
    expect(it_.heartbeat()).toMatchObject({
      state: 'refused',
      account: { cause: 'limit', until: '2026-11-22T17:00:00Z' },
    });
    await it_.clock.advance(Date.parse('2026-11-22T17:00:00Z') - it_.clock.now());
    expect(it_.checkIns()).toEqual([]);
    await it_.clock.advance(110_000);
    expect(it_.lines).toContain('claude works again: resuming work');
    expect(it_.checkIns()).not.toEqual([]);
    expect(it_.heartbeat()?.account).toBeNull();
    expect(it_.processes.calls.filter((call) => call.startsWith('claude'))).toEqual([]);
    expect(it_.lines.filter((line) => line.includes("claude's account"))).toEqual([
      expect.stringMatching(/^phase recover ok .*: not looked yet: limit until 17:00 UTC/),
      "refused: limit until 17:00 UTC: claude's account has hit its limit, so no work is taken",
    ]);
  });

  it('whose token is refused is asked about at a slow pace and when the Secret changes, and goes on when it works', async () => {
    let works = false;
    const it_ = world({
      run: claude(() => (works ? { stdout: 'ok' } : { code: 1, stdout: 'API Error: 401' })),
    });
    const asked = () => it_.processes.calls.filter((call) => call.startsWith('claude --print')).length;
    it_.files.write(
      `${STATE}/account.json`,
      '{"schema":1,"seen":0,"hold":null,"token":"","probes":0,"endedAt":""}',
    );
    it_.files.write(FAILURES, failure('authentication_failed', 'API Error: 401'));
    await it_.clock.advance(4 * 60_000);
    expect(asked()).toBe(0);
    await it_.clock.advance(116 * 60_000);
    expect(asked()).toBe(4);
    it_.files.write(`${DIRS.WORKER_SECRETS_DIR}/CLAUDE_CODE_OAUTH_TOKEN`, 'bad-made-up-token');
    await it_.clock.advance(10_000);
    expect(asked()).toBe(5);
    expect(it_.checkIns()).toEqual([]);
    works = true;
    it_.files.write(`${DIRS.WORKER_SECRETS_DIR}/CLAUDE_CODE_OAUTH_TOKEN`, 'a-made-up-token');
    await it_.clock.advance(10_000);
    expect(asked()).toBe(6);
    expect(it_.checkIns()).not.toEqual([]);
    expect(it_.files.read(`${STATE}/account.json`)).not.toContain('made-up-token');
  });

  it.each([
    ['ends the check-in of its stage, so that factory takes it neither for done nor for blocked', 23, 1],
    ['leaves the check-in of another stage alone', 24, 0],
  ])('that fails %s', async (_case, issue, ended) => {
    const standing = interrupted('started').replaceAll('23', `${issue}`);
    const it_ = world({
      run(call) {
        if (call.includes('--help')) return { stdout: `${HELP}      --config string   (required)\n` };
        if (call.includes('queue list'))
          return { stdout: JSON.stringify([{ ...ROW, Issue: issue, Status: 'active' }]) };
        return call.includes('factory status')
          ? { stdout: standing.replace('in_progress', 'pending') }
          : undefined;
      },
      detached: () => ({ code: new Promise(() => {}) }),
    });
    await it_.clock.advance(1_000);
    expect(it_.checkIns()).toHaveLength(1);
    it_.files.append(FAILURES, LIMIT);
    it_.files.touchedByOthers(FAILURES);
    await it_.clock.advance(1_000);
    expect(it_.processes.signals.filter((signal) => signal.startsWith('SIGTERM'))).toHaveLength(ended);
  });

  it('without any token takes no row', async () => {
    const it_ = world({ run: oneIssue, loginMissing: true });
    await it_.clock.advance(60_000);
    expect(it_.checkIns()).toEqual([]);
    expect(it_.heartbeat()).toMatchObject({
      state: 'refused',
      reason: 'no token: claude has none, so no work is taken',
      account: { cause: 'token-missing' },
    });
  });
});
