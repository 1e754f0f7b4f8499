/** A local worker at work, for real: supervisor, tmux, clones and the stand-ins. */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { processesOf, signalProcess } from '../../scripts/lib/local/processes.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { why } from '../../scripts/why.ts';
import { run } from '../support/run-command.ts';
import { atWork, completed, makeOwnWorker, setStandin, supervisorsOf, until } from './worker.ts';

describe.concurrent('an issue in the queue', () => {
  it('is worked on at once and completed; a drained worker leaves the next one alone', async (test) => {
    const worker = makeOwnWorker(test, { intervalSeconds: 300 });
    expect((await worker.start()).outcome).toBe('started');
    await worker.add(23);
    await until('the issue completed', completed(worker, 23));
    expect(await worker.sessions()).toEqual(['boot', 'orchestrator']);
    const heartbeat = worker.heartbeat();
    expect(heartbeat).toMatchObject({ state: 'waiting', project: 'demo', intervalSeconds: 300 });
    expect(heartbeat?.actions).toMatchObject([{ issue: 23, action: 'completed', stage: 'implement' }]);
    // The pane shows what the log has.
    const { stdout } = await worker.run(['tmux', 'capture-pane', '-p', '-t', '=orchestrator:']);
    expect(stdout.toString()).toContain('check-in in demo: #23 completed implement');

    const drain = join(worker.layout.dirs.WORKER_STATE_DIR, 'drain');
    writeFileSync(drain, '{"schema":1,"by":"test","reason":"a pause"}');
    await until('drained', () => worker.heartbeat()?.state === 'drained');
    await worker.add(24);
    // That it does not begin cannot be waited for.
    await sleep(1_000);
    expect((await worker.rows()).find(({ issue }) => issue === 24)?.status).toBe('pending');
    rmSync(drain);
    await until('the second issue completed', completed(worker, 24));
  });

  it('is branched from what was pushed since the clone was made', async (test) => {
    const worker = makeOwnWorker(test);
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', 'pipeline.yaml'])).code === 0);
    const origin = join(worker.dir, '..', 'origin.git');
    const work = `${origin}.work`;
    execFileSync(
      'sh',
      [
        '-c',
        'echo new >new && git add new && git -c user.name=t -c user.email=t@t commit -qm new && git push -q "$1" main',
        'sh',
        origin,
      ],
      { cwd: work },
    );
    await worker.add(23);
    await until('the issue completed', completed(worker, 23));
    expect((await worker.run(['test', '-e', 'worktrees/issue-23/new'])).code).toBe(0);
  });

  it('begins at what the remote has, whatever was left in the main checkout', async (test) => {
    const worker = makeOwnWorker(test);
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', 'pipeline.yaml'])).code === 0);
    const bash = async (script: string) => (await worker.run(['bash', '-c', script])).stdout.toString();
    const origin = join(worker.dir, '..', 'origin.git');
    execFileSync('git', ['--git-dir', origin, 'branch', '--move', 'main', 'trunk']);
    await bash('echo astray >astray && git add astray && git commit -qm astray && touch .git/index.lock');
    await worker.add(23);
    await until('the issue completed', completed(worker, 23));
    expect(await bash('git branch --show-current; git log --format=%s feature/issue-23')).toMatch(/^trunk\n/);
    expect(await bash('git log --format=%s feature/issue-23')).not.toContain('astray');
    expect(worker.heartbeat()?.clones).toMatchObject([{ project: 'demo', cause: 'set-aside', holds: false }]);
    expect(
      await bash('git log -1 --format=%s $(git for-each-ref --format="%(refname)" refs/factory-worker/)'),
    ).toBe('astray\n');
  });

  it('is not begun while the remote cannot be asked, and begun when it can', async (test) => {
    const worker = makeOwnWorker(test);
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', 'pipeline.yaml'])).code === 0);
    const origin = join(worker.dir, '..', 'origin.git');
    renameSync(origin, `${origin}.away`);
    await worker.add(23);
    await until('refused', () => worker.heartbeat()?.state === 'refused');
    expect(worker.heartbeat()).toMatchObject({
      reason: 'no issue of demo is begun: its remote origin cannot be read',
      clones: [{ cause: 'fetch-failed', holds: true }],
    });
    expect((await worker.rows())[0]?.status).toBe('pending');
    renameSync(`${origin}.away`, origin);
    await until('the issue completed', completed(worker, 23));
  });

  it('waits while a login shell in a pane does not find claude, and goes on when it does', async (test) => {
    const worker = makeOwnWorker(test);
    const profile = join(worker.layout.home, '.bash_profile');
    const good = readFileSync(profile, 'utf8');
    writeFileSync(profile, 'PATH=/usr/bin:/bin\n');
    const { boot } = await worker.start();
    expect(boot?.phases.find(({ name }) => name === 'recover')).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^not looked yet: a tmux pane does not find claude/),
    });
    await worker.add(23);
    await until('refused', () => worker.heartbeat()?.state === 'refused');
    expect(worker.heartbeat()?.reason).toBe(
      'a tmux pane does not find claude, gh, factory: put them on PATH (it is /usr/bin:/bin)',
    );
    expect((await worker.rows())[0]?.status).toBe('pending');
    const file = join(worker.dir, 'workers.yaml');
    writeFileSync(file, `workers: [{name: w1, runtime: local, home: ${worker.dir}}]\n`);
    const said = await run(why, ['w1'], { env: { FACTORY_WORKERS: file } });
    expect(said.stdout).toContain('no check-in: a tmux pane does not find claude, gh, factory');
    expect(said.stdout).toContain('local up w1 --bin DIR');
    writeFileSync(profile, good);
    await until('the issue completed', completed(worker, 23));
  });
});

describe.concurrent('an orderly stop', () => {
  it('waits for the running stage when asked to', async (test) => {
    const worker = makeOwnWorker(test, { agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('an agent at work', atWork(worker));
    const { WORKER_STATE_DIR } = worker.layout.dirs;
    for (const pid of supervisorsOf(worker)) signalProcess(pid, WORKER_STATE_DIR, 'SIGTERM');
    worker.letAgentGoOn();
    await until('the end of the supervisor', () => processesOf(WORKER_STATE_DIR).length === 0);
    expect((await worker.rows())[0]?.status).toBe('completed');
    expect(worker.log()).toContain('check-in in demo has ended');
  });

  it('otherwise ends it in order, and the next start finishes the issue', async (test) => {
    const worker = makeOwnWorker(test, { agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('an agent at work', atWork(worker));
    const { swept } = await stopLocalWorker(worker.dir);
    expect(swept).toBe(0);
    expect((await worker.rows())[0]?.status).toBe('active');
    worker.letAgentGoOn();
    await worker.start();
    await until('the issue completed', completed(worker, 23));
  });
});

describe.concurrent('what an operator may do to it', () => {
  it('tmux killed: both sessions are back within seconds; the orchestrator’s follower ended: it follows again', async (test) => {
    const worker = makeOwnWorker(test);
    await worker.start();
    await worker.run(['tmux', 'kill-server'], worker.layout.home);
    await until('both sessions', async () => (await worker.sessions()).join() === 'boot,orchestrator');
    const pane = async () =>
      (
        await worker.run(['tmux', 'list-panes', '-t', '=orchestrator:', '-F', '#{pane_dead}'])
      ).stdout.toString();
    // More than once: one that comes before the follower runs is lost.
    await until('a dead pane', async () => {
      await worker.run(['tmux', 'send-keys', '-t', '=orchestrator:', 'C-c'], worker.layout.home);
      return (await pane()) === '1\n';
    });
    await until('a living pane', async () => (await pane()) === '0\n');
  });

  it('a project asked for while it runs is cloned at once', async (test) => {
    const worker = makeOwnWorker(test, { intervalSeconds: 300 });
    await worker.start();
    const { WORKER_STATE_DIR, WORKER_REPOS_DIR } = worker.layout.dirs;
    const repo = join(worker.dir, '..', 'origin.git');
    writeFileSync(join(WORKER_STATE_DIR, 'projects.json'), JSON.stringify([{ name: 'second', repo }]));
    const there = async () =>
      (await worker.run(['test', '-e', join(WORKER_REPOS_DIR, 'second', '.git')], '/')).code === 0;
    await until('the clone', there);
  });
});

describe.concurrent('a triage beside the queue', () => {
  it('is taken to its end although the queue is empty', async (test) => {
    const worker = makeOwnWorker(test, { dialect: 'b' });
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', '.git'])).code === 0);
    const stages =
      'stages:\n  - {id: stale, outcomes: {current: again}}\n  - {id: again, outcomes: {current: done}}\n';
    writeFileSync(
      join(worker.layout.dirs.WORKER_REPOS_DIR, 'demo', 'triage.yaml'),
      `triage: {repo: example/demo}\n${stages}`,
    );
    expect((await worker.run(['factory', 'triage', 'run', '5'])).stdout.toString()).toContain(
      'starting "stale"',
    );
    const state = join(worker.layout.home, '.factory', 'triage', 'example-demo', '5.json');
    await until('its end', () => JSON.parse(readFileSync(state, 'utf8')).status === 'completed');
    // The loop tells it when the check-in has ended.
    await until('what the loop tells', () =>
      worker.log().includes('#5 triage:completed again (outcome=current)'),
    );
    expect(worker.log()).toContain('#5 triage:advance stale (→ again (outcome=current))');
    await until('rest', () => worker.heartbeat()?.reason === null && worker.heartbeat()?.state === 'waiting');
  });

  it('is begun again when its session dies', async (test) => {
    const worker = makeOwnWorker(test, { dialect: 'b' });
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', '.git'])).code === 0);
    writeFileSync(
      join(worker.layout.dirs.WORKER_REPOS_DIR, 'demo', 'triage.yaml'),
      'triage: {repo: example/demo}\nstages:\n  - {id: stale, outcomes: {current: done}}\n',
    );
    // It hangs, and is killed with its session.
    setStandin(worker, 'STANDIN_CLAUDE_MODE=hang');
    await worker.run(['factory', 'triage', 'run', '5']);
    setStandin(worker, 'STANDIN_CLAUDE_MODE=work');
    await worker.run(['tmux', 'kill-session', '-t', '=triage-5-stale']);
    const state = join(worker.layout.home, '.factory', 'triage', 'example-demo', '5.json');
    await until('its end', () => JSON.parse(readFileSync(state, 'utf8')).status === 'completed');
    expect(worker.repairs()).toMatchObject([
      { issue: 5, stage: 'stale', session: 'triage-5-stale', action: 'run-triage' },
    ]);
  });
});
