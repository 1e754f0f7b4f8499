/** `why`, `unstick` and `queue` on a worker by hand: real panes, the stand-in's real store, what a supervisor would do typed. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { cleanup } from '../../scripts/cleanup.ts';
import { dispatch } from '../../scripts/dispatch.ts';
import { exec } from '../../scripts/exec.ts';
import type { UnstickRequest } from '../../scripts/lib/unstick/plan.ts';
import { queue } from '../../scripts/queue.ts';
import { send } from '../../scripts/send.ts';
import { unstick } from '../../scripts/unstick.ts';
import { why } from '../../scripts/why.ts';
import { capturedPath } from '../claude/captured.ts';
import { fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import {
  FAST_PIPELINE,
  type HandWorker,
  type HandWorkerOptions,
  handWorker,
} from '../support/hand-worker.ts';
import { type Outcome, run } from '../support/run-command.ts';
import { until } from '../support/until.ts';
import { isThere, LEFTOVERS } from '../support/worktrees.ts';

/** One stage with an agent: for what only a session can come to. */
const AGENT = 'pipeline:\n  stages:\n    - id: implement\n      type: agent\n';

// Each has a worker of its own, and most of its time is waiting.
vi.setConfig({ maxConcurrency: 4 });

const workers: HandWorker[] = [];
afterAll(async () => {
  for (const worker of workers) await worker.remove();
});

class Desk {
  readonly worker: HandWorker;

  constructor(worker: HandWorker) {
    this.worker = worker;
  }

  static async open(options: HandWorkerOptions & { readonly pipeline?: string } = {}): Promise<Desk> {
    const worker = await handWorker({ ...options, projects: [] });
    workers.push(worker);
    await worker.clone('demo', options.pipeline);
    // A pane's login shell finds the stand-ins only so.
    await worker.bash(
      'mkdir -p "$WORKER_STATE_DIR/logs"; printf "export PATH=%q\\n" "$PATH" >"$HOME/.bash_profile"',
    );
    return new Desk(worker);
  }

  settings(...lines: string[]): Promise<string> {
    const quick = [
      'STANDIN_FACTORY_BOOT_SECONDS=0.2',
      'STANDIN_FACTORY_POLL_SECONDS=0.3',
      'STANDIN_CLAUDE_QUIET_SECONDS=0.4',
      ...lines,
    ];
    return this.worker.bash(
      `printf '%s\\n' ${quick.map((line) => `'${line}'`).join(' ')} >>"$HOME/.factory-standin"`,
    );
  }

  add(issue: number, ...flags: string[]): Promise<string> {
    return this.worker.bash(
      `cd "$WORKER_REPOS_DIR/demo" && factory queue add ${issue} ${flags.join(' ')} --intent 'a test' && echo '{"issue":${issue},"project":"demo","at":"","by":"t"}' >>"$WORKER_STATE_DIR/dispatch.jsonl"`,
    );
  }

  checkIn(): Promise<string> {
    return this.worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json');
  }

  async pipeline(issue: number): Promise<{ status: string; attempt: number } | undefined> {
    const text = await this.worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory status --format json');
    const all = (JSON.parse(text) ?? []) as { issue: number; status: string; attempt: number }[];
    return all.find((pipeline) => pipeline.issue === issue);
  }

  /** Waits until its pipeline is completed. */
  async completes(issue: number): Promise<void> {
    const status = async () => (await this.pipeline(issue))?.status;
    await until(`#${issue} completed`, status, (seen) => seen === 'completed');
  }

  /** Waits until a program of the worker prints it. */
  async shows(command: string, text: RegExp): Promise<void> {
    await until(
      `${text} of ${command}`,
      () => this.worker.bash(command),
      (seen) => text.test(seen),
    );
  }

  why = (): Promise<Outcome> => run(why, ['w'], { env: this.worker.laptop });
  unstick = (...args: string[]): Promise<Outcome> =>
    run(unstick, ['w', ...args], { env: this.worker.laptop });
  queue = (...args: string[]): Promise<Outcome> => run(queue, ['w', ...args], { env: this.worker.laptop });
}

/** An issue whose agent has quit: the pipeline is blocked, a shell is left in tmux. */
async function blockedDesk(dialect: 'a' | 'b'): Promise<Desk> {
  const desk = await Desk.open({ dialect, pipeline: AGENT });
  await desk.settings('STANDIN_CLAUDE_MODE=exit');
  await desk.add(23, ...(dialect === 'b' ? ['--config', 'pipeline.yaml'] : []));
  await desk.checkIn();
  await desk.checkIn();
  expect((await desk.pipeline(23))?.status).toBe('blocked');
  await desk.worker.bash(`sed -i /MODE/d "$HOME/.factory-standin"`);
  return desk;
}

describe.concurrent.each(['a', 'b'] as const)('a blocked issue, dialect %s', (dialect) => {
  it('is named with its cure; the cure works, and typed again there is nothing to do', async () => {
    const desk = await blockedDesk(dialect);
    const seen = await desk.why();
    expect(seen.stdout).toMatch(/^w: stuck\n\n1\. #23 is blocked at stage implement/);
    expect(seen.stdout).toContain('factory-worker unstick w 23\n');
    const dry = await desk.unstick('23', '--dry-run');
    expect([dry.code, dry.stdout]).toEqual([
      0,
      expect.stringContaining('1. tmux kill-session 23-implement-1'),
    ]);
    expect((await desk.pipeline(23))?.status).toBe('blocked');
    const refused = await desk.unstick('23');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('give --yes')]);

    const done = await desk.unstick('23', '--yes');
    expect([done.code, done.stdout]).toEqual([
      0,
      expect.stringMatching(/^#23 is (at work again|in progress): stage implement, attempt 2/),
    ]);
    if (dialect === 'b') await desk.checkIn();
    await desk.completes(23);
    expect((await desk.worker.lines('operators.jsonl')).map(({ what }) => what)).toEqual([
      expect.stringMatching(/^unstick #23: kill-session 23-implement-1 retry/),
    ]);
    expect(await desk.unstick('23', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('#23 is completed'),
    });
  });

  it('given up it lets the queue go on', async () => {
    const desk = await blockedDesk(dialect);
    await desk.add(24, ...(dialect === 'b' ? ['--config', 'pipeline.yaml'] : []));
    const done = await desk.unstick('23', '--give-up', '--yes');
    expect(done).toMatchObject({ code: 0, stdout: '#23 is given up; demo#24 is next\n' });
    expect((await desk.pipeline(23))?.status).toBe('failed');
    expect(await desk.checkIn()).toContain('queue_started');
  });
});

describe.concurrent.each(['a', 'b'] as const)('an interrupted issue, dialect %s', (dialect) => {
  it('is set going again', async () => {
    const desk = await Desk.open({ dialect, pipeline: AGENT });
    await desk.settings('STANDIN_CLAUDE_MODE=hang');
    await desk.add(23, ...(dialect === 'b' ? ['--config', 'pipeline.yaml'] : []));
    await desk.checkIn();
    const checkIn = desk.worker.start('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in');
    await desk.shows('factory session list', /23-implement-1.*active/);
    process.kill(-(checkIn.pid ?? 0), 'SIGKILL');
    await desk.worker.bash(`sed -i /MODE/d "$HOME/.factory-standin"; tmux kill-server`);

    const { stdout } = await desk.why();
    expect(stdout).toContain('the tmux server is gone');
    expect(stdout).toContain(
      '#23 is in progress at stage implement, and no check-in works on it: it was interrupted',
    );
    expect(await desk.unstick('23', '--yes')).toMatchObject({ code: 0 });
    if (dialect === 'b') await desk.checkIn();
    await desk.completes(23);
  });
});

describe.concurrent('an issue that a check-in works on', () => {
  it('is left alone; given up, its check-in ends and the queue goes on', async () => {
    const desk = await Desk.open({ pipeline: AGENT });
    await desk.settings('STANDIN_CLAUDE_MODE=hang');
    await desk.add(23);
    await desk.checkIn();
    const checkIn = desk.worker.start(
      'cd "$WORKER_REPOS_DIR/demo" && exec flock --close "$WORKER_STATE_DIR/locks/check-in" factory orchestrator check-in',
    );
    const ended = new Promise((resolve) => checkIn.once('exit', resolve));
    await desk.shows('factory session list', /23-implement-1.*active/);
    const alone = await desk.unstick('23', '--yes');
    expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining('a check-in is at work on #23')]);
    expect(await desk.unstick('23', '--give-up', '--yes')).toMatchObject({
      code: 0,
      stdout: '#23 is given up; nothing else is queued\n',
    });
    await ended;
    expect((await desk.pipeline(23))?.status).toBe('failed');
    expect(await desk.worker.bash('tmux list-sessions 2>&1 || true')).not.toContain('23-implement-1');
  });
});

describe.concurrent('a connection that breaks', () => {
  it('is no success: what to look at is said, and typed again the rest is done', async () => {
    const desk = await blockedDesk('a');
    // The second call is the one that changes something; its answer is cut.
    const [list, exec] = desk.worker.cluster() as [Rule, Rule];
    const kubectl = fakeKubectl([list, { ...exec, times: 1 }, { ...exec, times: 1, cutAfter: 60 }, exec]);
    const env = { ...desk.worker.laptop, KUBECTL: kubectl.path };
    const cut = await run(unstick, ['worker-1', '23', '--yes'], { env });
    expect([cut.code, cut.stdout]).toEqual([1, '']);
    expect(cut.stderr).toContain('it is not known whether everything was done');
    expect(cut.stderr).toContain('look: factory-worker why worker-1');
    await desk.completes(23);
    const again = await run(unstick, ['worker-1', '23', '--yes'], { env });
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('#23 is completed')]);
    kubectl.remove();
  });
});

describe.concurrent('two operators at once', () => {
  it('nothing is done when the issue has moved since the look', async () => {
    const desk = await blockedDesk('a');
    const standing = 'in_progress implement 1';
    const request: UnstickRequest = { by: 'x@y', issue: 23, project: 'demo', standing, steps: ['retry'] };
    const script = 'cat scripts/remote/frame.sh scripts/remote/worker.sh scripts/remote/unstick.sh';
    const text = execFileSync('bash', ['-c', script]).toString();
    await writeFile(join(desk.worker.dir, 'unstick.sh'), text);
    const answer = await desk.worker.bash(`bash "$PWD/unstick.sh" nonce '${JSON.stringify(request)}'`);
    expect(answer).toContain('#23 has changed since it was checked: it is now blocked implement 1');
    expect((await desk.pipeline(23))?.status).toBe('blocked');
  });
});

describe.concurrent('queue', () => {
  it('lists, sets an intent, removes, and queues again what has failed, as it was', async () => {
    const desk = await Desk.open();
    await desk.settings('STANDIN_GH_MODE=down');
    await desk.add(23);
    await desk.add(24);
    expect((await desk.queue()).stdout).toMatch(
      /^PLACE {2}ISSUE +STATE[\s\S]*demo#23 +pending[\s\S]*demo#24/,
    );
    expect(await desk.queue('set-intent', '24', 'Users can log in', '--yes')).toMatchObject({
      code: 0,
      stdout: '#24 has its intent\n',
    });
    expect((await desk.worker.queue())[1]?.intent).toBe('Users can log in');

    // gh fails, so the row is burnt: as factory does it.
    await desk.checkIn();
    expect(await desk.worker.rows()).toEqual(['23 failed', '24 pending']);
    expect((await desk.why()).stdout).toMatch(
      /demo#23 failed before its work began[\s\S]*factory-worker queue w requeue 23\n/,
    );
    await desk.worker.bash(`sed -i /GH_MODE/d "$HOME/.factory-standin"`);
    const again = await desk.queue('requeue', '23', '--yes');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('demo#23 queued')]);
    expect((await desk.worker.queue()).map(({ issue, status, intent }) => [issue, status, intent])).toEqual([
      [24, 'pending', 'Users can log in'],
      [23, 'pending', 'a test'],
    ]);

    expect(await desk.queue('remove', '24', '--dry-run')).toMatchObject({
      code: 0,
      stdout: '#24: would remove\n',
    });
    expect(await desk.worker.rows()).toEqual(['24 pending', '23 pending']);
    expect(await desk.queue('remove', '24', '99', '--yes')).toMatchObject({ code: 0 });
    expect(await desk.worker.rows()).toEqual(['23 pending']);
  });

  describe('a row that was taken and never begun', () => {
    /** What a check-in leaves that was killed between its two writes. */
    const taken = async (makeWorktree: string) => {
      const desk = await Desk.open();
      await desk.add(23);
      await desk.worker.sql("UPDATE issue_queue SET status = 'active'");
      await desk.worker.bash(`cd "$WORKER_REPOS_DIR/demo" && ${makeWorktree}`);
      return desk;
    };

    const inClone = (desk: Desk, script: string) =>
      desk.worker.bash(`cd "$WORKER_REPOS_DIR/demo" && ${script}`);

    it.each(LEFTOVERS.filter(({ stays }) => stays === null))(
      'is queued again as it was and can begin, over $is',
      async ({ make }) => {
        const desk = await taken(make);
        expect((await desk.unstick('23', '--yes')).stdout).toContain('factory-worker queue w requeue 23\n');
        expect((await desk.why()).stdout).toMatch(
          /demo#23 was taken from the queue and not begun[\s\S]*queue w requeue 23\n/,
        );
        const again = await desk.queue('requeue', '23', '--yes');
        expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('demo#23 queued')]);
        expect((await desk.worker.queue()).map(({ status, intent }) => [status, intent])).toEqual([
          ['pending', 'a test'],
        ]);
        expect(await desk.checkIn()).toContain('queue_started');
        await desk.checkIn();
        expect((await desk.pipeline(23))?.status).toBe('completed');
      },
    );

    it.each(LEFTOVERS.filter(({ stays }) => stays !== null))(
      'stays as it is with $is; why, unstick and requeue say so, and what they say to type cures it',
      async (leftover) => {
        const desk = await taken(leftover.make);
        const [seen, stuck, refused] = [
          await desk.why(),
          await desk.unstick('23'),
          await desk.queue('requeue', '23', '--yes'),
        ];
        const says = /in its way: (.*)\n/.exec(seen.stdout)?.[1] ?? '';
        expect(says).toMatch(leftover.stays as RegExp);
        expect(refused).toMatchObject({ code: 1, stdout: '' });
        await inClone(desk, isThere(leftover));
        expect(await desk.worker.rows()).toEqual(['23 active']);

        const typed = /clear the way first: factory-worker (.*)\n/.exec(seen.stdout)?.[1] ?? '';
        expect(stuck.stdout).toBe(
          `#23 is active and has no pipeline; in its way: ${says}\n  clear the way first: factory-worker ${typed}\n  run it again: factory-worker queue w requeue 23\n`,
        );
        expect(refused.stderr).toContain(
          `demo#23 was not queued: ${says}, and factory would not begin over that; to clear it: factory-worker ${typed}\n`,
        );
        const [name = '', ...args] = typed.split(' ');
        const command = { cleanup, exec }[name];
        const yes = name === 'cleanup' ? ['--yes'] : [];
        expect(
          await run(command as typeof exec, [...args, ...yes], { env: desk.worker.laptop }),
        ).toMatchObject({
          code: 0,
        });
        expect(await desk.queue('requeue', '23', '--yes')).toMatchObject({ code: 0 });
        expect(await desk.checkIn()).toContain('queue_started');
      },
    );

    it('is not touched by a dry run, nor while a check-in may be about to begin it', async () => {
      const desk = await taken('true');
      const dry = ['w', '-p', 'demo', '-i', '23', '--intent', 'x', '--requeue', '--dry-run'];
      expect(await run(dispatch, dry, { env: desk.worker.laptop })).toMatchObject({
        code: 0,
        stdout:
          'demo#23 would be queued again (it is taken from the queue and not begun; its worktree and branch would go)\n',
      });
      const release = await desk.worker.holdLock('locks/check-in');
      expect((await desk.queue('requeue', '23', '--yes')).stdout).toContain('already queued');
      await release();
      expect(await desk.worker.rows()).toEqual(['23 active']);
    });
  });

  it.each(['a', 'b'] as const)(
    'a requeue begins where the project is now, dialect %s; the commits of the run before are kept',
    async (dialect) => {
      const desk = await Desk.open({ dialect });
      await desk.add(23, ...(dialect === 'b' ? ['--config', 'pipeline.yaml'] : []));
      await desk.checkIn();
      await desk.checkIn();
      const inClone = (script: string) =>
        desk.worker.bash(
          `cd "$WORKER_REPOS_DIR/demo" && git() { command git -c user.name=t -c user.email=t@t "$@"; } && ${script}`,
        );
      await inClone('git -C worktrees/issue-23 commit --quiet --allow-empty -m "of the run before"');
      await inClone(
        'git commit --quiet --allow-empty -m later && git update-ref refs/remotes/origin/main HEAD',
      );
      const again = await desk.queue('requeue', '23', '--yes');
      expect(again.stderr).toBe(
        'queue demo#23 (completed) again; its pipeline, worktree and branch are removed, unmerged commits are kept\n',
      );
      const kept = /the commits of the previous run stay in (refs\/\S+)\n$/.exec(again.stdout)?.[1] ?? '';
      expect(kept).toMatch(/^refs\/factory-worker\/issue-23\/[0-9a-f]{12}$/);
      expect(await inClone(`git log -1 --format=%s ${kept}`)).toBe('of the run before\n');
      expect(await desk.checkIn()).toContain('queue_started');
      expect(await inClone('git -C worktrees/issue-23 log --format=%s')).toBe('later\nstart\n');

      // What is merged needs no copy.
      await desk.checkIn();
      expect((await desk.queue('requeue', '23', '--yes')).stdout).not.toContain('refs/');
      expect(await inClone('git show-ref | grep -o "refs/factory-worker.*"')).toBe(`${kept}\n`);
    },
  );

  it.each(['a', 'b'] as const)(
    'an issue whose setup failed begins once the setup works, dialect %s',
    async (dialect) => {
      const setup = `  setup: ['touch installed', 'test -e "$HOME/tools"']\n`;
      const desk = await Desk.open({ dialect, pipeline: FAST_PIPELINE + setup });
      await desk.add(23, ...(dialect === 'b' ? ['--config', 'pipeline.yaml'] : []));
      expect(await desk.checkIn()).toContain('worktree setup');
      expect((await desk.why()).stdout).toContain('demo#23 failed before its work began');
      await desk.worker.bash('touch "$HOME/tools"');
      expect(await desk.queue('requeue', '23', '--yes')).toMatchObject({ code: 0 });
      expect(await desk.checkIn()).toContain('queue_started');
    },
  );

  it('a dispatch of an issue whose row somebody has removed clears what is left, or says what stays', async () => {
    const desk = await Desk.open();
    const inClone = (script: string) => desk.worker.bash(`cd "$WORKER_REPOS_DIR/demo" && ${script}`);
    const again = ['w', '-p', 'demo', '-i', '23', '--intent', 'x'];
    await inClone(
      'git worktree add --quiet -b feature/issue-23 worktrees/issue-23 && touch worktrees/issue-23/x',
    );
    // Not dispatched before: nobody knows whose file that is.
    expect(await run(dispatch, again, { env: desk.worker.laptop })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /demo#23 was not queued: the worktree \S+ has files that are not committed, .*: factory-worker cleanup w --issue 23\n/,
      ),
    });
    await desk.add(23);
    await desk.worker.bash('factory queue remove 23');
    expect(await run(dispatch, again, { env: desk.worker.laptop })).toMatchObject({ code: 0 });
    expect(await desk.checkIn()).toContain('queue_started');
  });

  it('does not remove what is being worked on, and says what comes first', async () => {
    const desk = await Desk.open();
    await desk.add(23);
    await desk.checkIn();
    const { code, stderr } = await desk.queue('remove', '23', '--yes');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('give it up first: factory-worker unstick w 23 --give-up'),
    ]);
    expect(await desk.worker.rows()).toEqual(['23 active']);
  });

  it.each([
    [['remove'], 'ISSUE is missing'],
    [['drop', '1'], 'queue can list, move, remove, requeue and set-intent, not "drop"'],
    [['set-intent', '1'], 'ISSUE and a TEXT'],
    [['remove', '007'], 'not "007"'],
  ])('%s is refused', async (args, message) => {
    const { code, stderr } = await run(queue, ['w', ...args], { env: { HOME: '/nonexistent' } });
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe.concurrent('a row whose dependency has failed', () => {
  it('is named, and goes on without it', async () => {
    const desk = await Desk.open({ dialect: 'b' });
    await desk.add(22, '--config', 'pipeline.yaml');
    await desk.add(23, '--config', 'pipeline.yaml', '--depends-on', '22');
    await desk.worker.sql("UPDATE issue_queue SET status = 'failed' WHERE issue = 22");
    const { stdout } = await desk.why();
    expect(stdout).toContain('demo#23 waits for #22, which has failed');
    expect(stdout).toContain('factory-worker queue w remove 22\n');
    expect(await desk.queue('remove', '22', '--yes')).toMatchObject({ code: 0 });
    expect(await desk.checkIn()).toContain('"issue": 23');
  });
});

describe.concurrent('a number that two projects use', () => {
  it('wedges dialect b; unstick drops the old pipeline, and the row moves', async () => {
    const desk = await Desk.open({ dialect: 'b' });
    await desk.worker.clone('other');
    await desk.add(42, '--config', 'pipeline.yaml');
    await desk.checkIn();
    await desk.checkIn();
    expect((await desk.pipeline(42))?.status).toBe('completed');
    await desk.worker.bash(
      'cd "$WORKER_REPOS_DIR/other" && factory queue add 42 --config pipeline.yaml --intent x',
    );
    await desk
      .queue('remove', '42', '--yes')
      .then(({ stderr }) => expect(stderr).toContain('is in the queue twice'));
    await desk.worker.sql("DELETE FROM issue_queue WHERE namespace = 'acme/demo'");

    expect((await desk.why()).stdout).toContain(
      '#42 cannot start: the store has a completed pipeline with the same number',
    );
    const { code, stdout } = await desk.unstick('42', '--yes');
    expect([code, stdout]).toEqual([0, expect.stringContaining('the old pipeline is gone')]);
    expect(await desk.worker.bash('cd "$WORKER_REPOS_DIR/other" && factory orchestrator check-in')).toContain(
      'queue_started',
    );
  });
});

describe.concurrent('a row that is behind its completed pipeline', () => {
  it('holds up what depends on it; without it that goes on', async () => {
    const desk = await Desk.open({ dialect: 'b' });
    await desk.add(42, '--config', 'pipeline.yaml');
    await desk.add(43, '--config', 'pipeline.yaml', '--depends-on', '42');
    await desk.checkIn();
    await desk.checkIn();
    await desk.worker.sql("UPDATE issue_queue SET status = 'active' WHERE issue = 42");
    expect(await desk.checkIn()).not.toContain('43');

    const { stdout } = await desk.why();
    expect(stdout).toContain('demo#42 is completed, and its row still says active: what depends on it waits');
    expect(stdout).toContain('factory-worker queue w remove 42\n');
    expect(await desk.unstick('42', '--yes')).toMatchObject({ code: 0 });
    expect((await desk.pipeline(42))?.status).toBe('completed');
    expect(await desk.queue('remove', '42', '--yes')).toMatchObject({ code: 0 });
    expect(await desk.checkIn()).toContain('"issue": 43');
  });
});

describe.concurrent('causes that factory itself has seen', () => {
  it('the limit of an account', async () => {
    const desk = await Desk.open({ dialect: 'b', pipeline: AGENT });
    await desk.settings('STANDIN_CLAUDE_MODE=limit');
    await desk.add(23, '--config', 'pipeline.yaml');
    await desk.checkIn();
    await desk.checkIn();
    expect((await desk.why()).stdout).toMatch(
      /#23 has hit the limit of its account; each check-in tries again[\s\S]*factory-worker wait w issue:23=completed\n/,
    );
  });

  it('a row that failed before any work: gh said no', async () => {
    const desk = await Desk.open({ pipeline: AGENT });
    await desk.settings('STANDIN_GH_MODE=down');
    await desk.add(23);
    await desk.checkIn();
    expect((await desk.why()).stdout).toMatch(
      /demo#23 failed before its work began[\s\S]*factory-worker queue w requeue 23\n/,
    );
  });

  it('a session that is gone while a check-in waits for it', async () => {
    const desk = await Desk.open({ pipeline: AGENT });
    await desk.settings('STANDIN_CLAUDE_MODE=hang');
    await desk.add(23);
    await desk.checkIn();
    desk.worker.start(
      'cd "$WORKER_REPOS_DIR/demo" && exec flock --close "$WORKER_STATE_DIR/locks/check-in" factory orchestrator check-in',
    );
    await desk.shows('factory session list', /23-implement-1.*active/);
    await desk.worker.bash('tmux new-session -d -s other; tmux kill-session -t =23-implement-1');
    expect((await desk.why()).stdout).toMatch(
      /the session 23-implement-1 of #23 is gone while a check-in waits for it[\s\S]*factory-worker logs w 23-implement-1\n/,
    );
  });
});

describe.concurrent('panes', () => {
  it('a session that a person has typed into is left alone, until it is handed back', async () => {
    const desk = await Desk.open({ dialect: 'b', pipeline: AGENT });
    await desk.settings('STANDIN_FACTORY_HUMAN_SECONDS=2', 'STANDIN_CLAUDE_WORK_SECONDS=1.5');
    await desk.add(23, '--config', 'pipeline.yaml');
    await desk.checkIn();
    const checkIn = desk.worker.start('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in');
    await desk.shows('factory session list', /23-implement-1.*active/);
    process.kill(-(checkIn.pid ?? 0), 'SIGKILL');
    await desk.shows('factory session list', /23-implement-1.*idle/);
    // STANDIN_FACTORY_HUMAN_SECONDS: what comes sooner is taken for the agent's own.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const argv = ['w', '23-implement-1', 'and say goodbye', '--yes'];
    expect(await run(send, argv, { env: desk.worker.laptop })).toMatchObject({ code: 0 });
    const asked = 'factory session status 23-implement-1 --detect-human';
    await desk.shows(asked, /Human: +true/);
    expect(await desk.checkIn()).toContain('human intervention detected');

    const { stdout } = await desk.why();
    expect(stdout).toMatch(
      /1\. factory takes the session 23-implement-1 as human-driven and leaves #23 alone\n +seen: .*Human: true\n/,
    );
    expect(stdout).toMatch(/hand it back .*: factory-worker unstick w 23\n/);
    expect(stdout).not.toContain('2. ');
    const done = await desk.unstick('23', '--yes');
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('attempt 2') });
    expect(await desk.checkIn()).toContain('completed');
    expect((await desk.pipeline(23))?.status).toBe('completed');
  });

  it('a prompt on a real pane, its token masked', async () => {
    const desk = await Desk.open();
    const token = `sk-ant-oat01-${'FakeToken'.repeat(5)}`;
    await desk.worker.bash(
      `tmux new-session -d -x 80 -y 24 -s 23-qa-1 bash -c 'echo "token ${token}"; echo "Overwrite ${token}? [y/N]"; exec cat'`,
    );
    await until('the cause', desk.why, ({ stdout }) =>
      stdout.includes('the session 23-qa-1 asks a question'),
    );
    const { stdout } = await desk.why();
    expect(stdout).not.toContain('FakeToken');
    expect(stdout).toContain('attach w --session 23-qa-1');
  });

  it('a limit and a question, on screens of the real program', async () => {
    const desk = await Desk.open();
    const show = (session: string, screen: string) =>
      desk.worker.bash(
        `tmux new-session -d -x 200 -y 50 -s ${session} -e STANDIN_CLAUDE_MODE=screen -e STANDIN_CLAUDE_SCREEN='${capturedPath(screen)}' claude && tmux send-keys -t =${session}: work Enter`,
      );
    await show('23-qa-1', 'limit-weekly');
    await show('24-qa-1', 'plan');
    await until('both causes', desk.why, ({ stdout }) =>
      /(?=[\s\S]*the session 23-qa-1 has hit the limit of its account)(?=[\s\S]*the session 24-qa-1 asks whether its plan is approved[\s\S]*answer w 24-qa-1\n)/.test(
        stdout,
      ),
    );
  });

  it('an agent that was killed leaves its shell', async () => {
    const desk = await Desk.open({ pipeline: AGENT });
    await desk.settings('STANDIN_CLAUDE_MODE=hang');
    await desk.add(23);
    await desk.checkIn();
    desk.worker.start(
      'cd "$WORKER_REPOS_DIR/demo" && exec flock --close "$WORKER_STATE_DIR/locks/check-in" factory orchestrator check-in',
    );
    await desk.shows('factory session list', /23-implement-1.*active/);
    // Nor is a shell that a person opens beside it taken for its pane.
    await desk.worker.bash('tmux split-window -t =23-implement-1: && tmux new-window -t =23-implement-1:');
    expect((await desk.why()).stdout).not.toContain('no agent runs');
    await desk.worker.bash(
      'kill -KILL $(cat /proc/$(tmux list-panes -s -t 23-implement-1 -F "#{pane_pid}" | head -n 1)/task/*/children)',
    );
    // The stage is young: factory itself may still be starting the agent.
    await until('the cause', desk.why, ({ stdout }) =>
      stdout.includes('no agent runs in the session 23-implement-1'),
    );
  });
});
