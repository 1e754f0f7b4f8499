/** What was interrupted goes on: for real, in every dialect of the program. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TakenRow } from '../../scripts/lib/contract.ts';
import { processesOf, signalProcess } from '../../scripts/lib/local/processes.ts';
import { atWork, completed, makeOwnWorker, setStandin, supervisorsOf, until } from './worker.ts';

describe.concurrent.each(['a', 'b', 'design'] as const)(
  'kill -9 of everything in the middle of a stage, dialect %s',
  (dialect) => {
    it('the next start finishes the issue', async (test) => {
      const worker = makeOwnWorker(test, { dialect, agentWaits: true });
      await worker.start();
      await worker.add(23);
      await until('an agent at work', atWork(worker));
      await worker.killEverything();
      worker.letAgentGoOn();
      const { outcome, boot } = await worker.start();
      expect(outcome).toBe('started');
      expect(boot?.phases.find(({ name }) => name === 'recover')?.message).toMatch(
        /^#23 was interrupted in stage implement: (advance|mark-exited) follows$/,
      );
      await until('the issue completed', completed(worker, 23));
      expect(worker.repairs().map(({ issue, stage, action }) => [issue, stage, action])).toEqual([
        [23, 'implement', dialect === 'b' ? 'mark-exited' : 'advance'],
      ]);
    });
  },
);

describe.concurrent.each(['a', 'b', 'design'] as const)(
  'kill -9 of everything while an issue is taken from the queue, dialect %s',
  (dialect) => {
    it('the next start puts it back and finishes it', async (test) => {
      // Between the row that becomes active and the pipeline the program asks GitHub.
      const worker = makeOwnWorker(test, { dialect, standin: { STANDIN_GH_DELAY_SECONDS: '20' } });
      await worker.start();
      await worker.add(23);
      await until('the row is active', async () => (await worker.rows())[0]?.status === 'active');
      await worker.killEverything();
      expect(await worker.pipelines()).toEqual([]);
      // As a moment later: git was making the worktree, and had not got to its last file.
      const worktree = ['worktree', 'add', '--lock', '--reason', 'initializing', '-b', 'feature/issue-23'];
      await worker.run(['git', ...worktree, 'worktrees/issue-23']);
      await worker.run(['rm', 'worktrees/issue-23/pipeline.yaml']);
      setStandin(worker, 'STANDIN_GH_DELAY_SECONDS=0');
      const { boot } = await worker.start();
      expect(boot?.phases.find(({ name }) => name === 'recover')?.message).toBe(
        '#23 was taken from the queue and not begun: requeue follows',
      );
      await until('the issue completed', completed(worker, 23));
      expect((await worker.rows()).map(({ issue, intent }) => [issue, intent])).toEqual([[23, 'a test']]);
      expect(worker.repairs().map(({ issue, stage, action }) => [issue, stage, action])).toEqual([
        [23, '', 'requeue'],
      ]);
    });
  },
);

describe.concurrent.each(['a', 'b', 'design'] as const)(
  'a check-in that ends between the completed pipeline and its row, dialect %s',
  (dialect) => {
    it('leaves a row that is removed, and what depends on it goes on', async (test) => {
      const worker = makeOwnWorker(test, { dialect });
      await worker.start();
      // That makes the store.
      expect(await worker.rows()).toEqual([]);
      // The row cannot be written, as by a check-in that is killed just before.
      await worker.sql(
        "CREATE TRIGGER killed BEFORE UPDATE ON issue_queue WHEN NEW.issue = 23 AND NEW.status = 'completed' BEGIN SELECT RAISE(ABORT, 'killed'); END",
      );
      await worker.add(23);
      await worker.add(24, ...(dialect === 'b' ? ['--depends-on', '23'] : []));
      await until('the issue completed', completed(worker, 24));
      await until('the row of the other is gone', async () => (await worker.rows()).length === 1);
      expect((await worker.pipelines()).map(({ issue, status }) => [issue, status])).toEqual([
        [23, 'completed'],
        [24, 'completed'],
      ]);
      expect(worker.log()).toContain('#23 is completed, and its row was left active: removed the row');
      expect(worker.repairs().map(({ issue, action }) => [issue, action])).toEqual([[23, 'remove-row']]);
    });
  },
);

describe.concurrent.each(['a', 'b', 'design'] as const)(
  'kill -9 of the tmux server while the check-in lives, dialect %s',
  (dialect) => {
    it('ends the check-in, which would wait until the time-out, and runs the stage again', async (test) => {
      const worker = makeOwnWorker(test, { dialect, agentWaits: true });
      await worker.start();
      await worker.add(23);
      await until('an agent at work', atWork(worker));
      await worker.killTmux();
      worker.letAgentGoOn();
      await until('the issue completed', completed(worker, 23));
      expect(worker.log()).toContain('ended: its session 23-implement-1 is gone');
      expect((await worker.pipelines()).map(({ attempt }) => attempt)).toEqual([1]);
      expect(worker.repairs().map(({ issue, action }) => [issue, action])).toEqual([
        [23, dialect === 'b' ? 'mark-exited' : 'advance'],
      ]);
    });

    it('unblocks the stage that had no prompt yet', async (test) => {
      const worker = makeOwnWorker(test, { dialect, standin: { STANDIN_FACTORY_BOOT_SECONDS: '15' } });
      await worker.start();
      await worker.add(23);
      await until('a session', async () => (await worker.pipelines())[0]?.sessionState === 'started');
      // So that factory is the first to notice.
      const [supervisor = 0] = supervisorsOf(worker);
      process.kill(supervisor, 'SIGSTOP');
      await worker.killTmux();
      await until('blocked', async () => (await worker.pipelines())[0]?.status === 'blocked');
      setStandin(worker, 'STANDIN_FACTORY_BOOT_SECONDS=0');
      process.kill(supervisor, 'SIGCONT');
      await until('the issue completed', completed(worker, 23));
      expect(worker.log()).toMatch(
        /#23 escalate implement .*send prompt: session "23-implement-1" does not exist/,
      );
      expect(worker.repairs().map(({ issue, action }) => [issue, action])).toEqual([[23, 'unblock']]);
    });
  },
);

describe.concurrent.each(['a', 'b', 'design'] as const)('kill -9 of the agent, dialect %s', (dialect) => {
  it('runs the stage again, which the program would take for done', async (test) => {
    const worker = makeOwnWorker(test, { dialect, agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('an agent at work', atWork(worker));
    const { WORKER_STATE_DIR } = worker.layout.dirs;
    // A fork of it may have ended meanwhile.
    for (const { pid, argv } of processesOf(WORKER_STATE_DIR)) {
      if (/bin\/claude$/.test(argv[1] ?? '')) signalProcess(pid, WORKER_STATE_DIR, 'SIGKILL');
    }
    worker.letAgentGoOn();
    await until('the issue completed', completed(worker, 23));
    expect(worker.log()).toContain('ended: the agent in its session 23-implement-1 is gone');
    const { stdout } = await worker.run(['git', 'log', '--format=%s', 'main..feature/issue-23']);
    expect(stdout.toString().trim()).toBe('issue #23: implement (stand-in)');
    expect(worker.repairs().map(({ issue, action }) => [issue, action])).toEqual([
      [23, dialect === 'b' ? 'mark-exited' : 'advance'],
    ]);
  });
});

describe.concurrent('kill -9 of everything while an issue is put back', () => {
  it('the next start adds it, with what it had', async (test) => {
    const worker = makeOwnWorker(test);
    await worker.start();
    await until('the clone', async () => (await worker.run(['test', '-e', '.git'])).code === 0);
    await worker.killEverything();
    const note = join(worker.layout.dirs.WORKER_STATE_DIR, 'taken.json');
    const taken: TakenRow = { issue: 23, intent: 'as it was', configPath: '', dependsOn: [], removed: true };
    writeFileSync(note, JSON.stringify(taken));
    await worker.start();
    await until('the issue completed', completed(worker, 23));
    expect((await worker.rows()).map(({ issue, intent }) => [issue, intent])).toEqual([[23, 'as it was']]);
    await until('nothing more to see to', () => !existsSync(note));
  });
});

describe.concurrent('kill -9 of the supervisor alone', () => {
  it('leaves the check-in at work; the next supervisor waits for it and runs nothing twice', async (test) => {
    const worker = makeOwnWorker(test, { agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('an agent at work', atWork(worker));
    const supervisor = worker.heartbeat()?.pid ?? 0;
    process.kill(supervisor, 'SIGKILL');
    const { outcome, boot } = await worker.start();
    expect(outcome).toBe('started');
    expect(boot?.phases.find(({ name }) => name === 'recover')?.message).toBe(
      'waiting for an earlier check-in that is still running',
    );
    worker.letAgentGoOn();
    await until('the issue completed', completed(worker, 23));
    await until('waiting', () => worker.heartbeat()?.state === 'waiting');
    expect(worker.log()).toContain('check-in of an earlier supervisor: #23 completed implement');
    expect(worker.heartbeat()?.pid).not.toBe(supervisor);
    expect(worker.repairs()).toEqual([]);
    const { stdout } = await worker.run(['git', 'log', '--format=%s', 'main..feature/issue-23']);
    expect(stdout.toString().trim().split('\n')).toHaveLength(1);
  });

  it.for([
    ['a', 'active', { STANDIN_CLAUDE_MODE: 'hang' }],
    ['b', 'started', { STANDIN_FACTORY_BOOT_SECONDS: '30' }],
  ] as const)(
    'a check-in killed together with it is taken up again when its agent has been quiet for a minute, dialect %s: %s',
    async ([dialect, state, standin], test) => {
      const worker = makeOwnWorker(test, { dialect, standin });
      await worker.start();
      await worker.add(23);
      await until('an agent', async () => (await worker.pipelines())[0]?.sessionState === state);
      for (const { pid, argv } of processesOf(worker.layout.dirs.WORKER_STATE_DIR)) {
        if (/supervisor|check-in/.test(argv.join(' '))) process.kill(pid, 'SIGKILL');
      }
      await worker.start();
      await until('the wait', () => /still at work/.test(worker.heartbeat()?.reason ?? ''));
      expect(await worker.sessions()).toContain('23-implement-1');
      expect(worker.repairs()).toEqual([]);
    },
  );
});
