/** An issue whose begin was cut short finishes by itself: for real, at each place between the program's writes. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processesOf, signalProcess } from '../../scripts/lib/local/processes.ts';
import { completed, makeOwnWorker, setStandin, type TestWorker, until } from './worker.ts';

const DIALECTS = ['a', 'b', 'design'] as const;
/** Takes as long as it is let. */
const SETUP = ['touch installed', 'test -e "$HOME/go-on" || sleep 120'];

const worktree = ({ layout }: TestWorker) =>
  join(layout.dirs.WORKER_REPOS_DIR, 'demo', 'worktrees', 'issue-23');
const inSetup = (worker: TestWorker) => () => existsSync(join(worktree(worker), 'installed'));
const actions = (worker: TestWorker) =>
  worker.repairs().map(({ issue, stage, action }) => [issue, stage, action]);

/** The next check-in that comes to a place dies there. */
function dieAt(worker: TestWorker, place: 'folder' | 'intent' | 'issue' | 'session'): void {
  const file = join(worker.layout.home, 'dies-at');
  writeFileSync(file, place);
  setStandin(worker, `STANDIN_FACTORY_DIES_AT=${file}`);
}

/** What the agents of all attempts were told. */
function prompts({ layout }: TestWorker): string[] {
  const store = join(layout.home, '.factory', 'pipelines');
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('/prompt.md'))
    .map((file) => readFileSync(join(store, file), 'utf8'));
}

/** @returns the intents of the rows of #23: one, as it was given */
const intents = async (worker: TestWorker) =>
  (await worker.rows()).map(({ issue, intent }) => [issue, intent]);

describe.concurrent.each(DIALECTS)(
  'kill -9 of everything during the setup commands, dialect %s',
  (dialect) => {
    it('the next start clears the worktree and finishes the issue', async (test) => {
      const worker = makeOwnWorker(test, { dialect, setup: SETUP });
      await worker.start();
      await worker.add(23);
      await until('the setup', inSetup(worker));
      await worker.killEverything();
      worker.letAgentGoOn();
      await worker.start();
      await until('the issue completed', completed(worker, 23));
      expect(await intents(worker)).toEqual([[23, 'a test']]);
      expect(actions(worker)).toEqual([[23, '', 'requeue']]);
    });
  },
);

describe.concurrent('kill -9 of the check-in during the setup commands', () => {
  it('they are waited for, and then the issue finishes', async (test) => {
    const worker = makeOwnWorker(test, {
      setup: ['touch installed', 'while ! test -e "$HOME/go-on"; do sleep 0.2; done'],
    });
    await worker.start();
    await worker.add(23);
    await worker.add(24);
    await until('the setup', inSetup(worker));
    const { WORKER_STATE_DIR } = worker.layout.dirs;
    for (const { pid, argv } of processesOf(WORKER_STATE_DIR))
      if (argv.join(' ').includes('orchestrator check-in')) signalProcess(pid, WORKER_STATE_DIR, 'SIGKILL');
    const says = /^#23 cannot begin: a program still works in .*issue-23 \(process \d+\); type: kill \d+$/;
    await until('the wait', () => says.test(worker.heartbeat()?.reason ?? ''));
    expect(actions(worker)).toEqual([]);
    worker.letAgentGoOn();
    await until('the issue completed', completed(worker, 23));
    expect(actions(worker)).toEqual([[23, '', 'requeue']]);
  });
});

describe.concurrent.each(DIALECTS)(
  'a check-in that dies between pipeline folder and pipeline.json, dialect %s',
  (dialect) => {
    it('leaves a folder that is cleared, and the issue finishes', async (test) => {
      const worker = makeOwnWorker(test, { dialect });
      dieAt(worker, 'folder');
      await worker.start();
      await worker.add(23);
      await until('the issue completed', completed(worker, 23));
      expect(await intents(worker)).toEqual([[23, 'a test']]);
      expect(actions(worker)).toEqual([[23, '', 'requeue']]);
    });
  },
);

describe.concurrent.each(DIALECTS)('a check-in that dies after pipeline.json, dialect %s', (dialect) => {
  it.for([
    ['intent', 'gave it its intent'],
    ['issue', 'fetched its text'],
  ] as const)('before its %s: the agent is told both all the same', async ([place, done], test) => {
    const worker = makeOwnWorker(test, { dialect });
    dieAt(worker, place);
    await worker.start();
    await worker.add(23);
    await until('the issue completed', completed(worker, 23));
    expect(prompts(worker)).toEqual([
      expect.stringMatching(
        /^Issue #23: .+\nIntent: a test\n.+\n## Issue #23:\n.+\nThis issue was made up by the gh stand-in\.$/m,
      ),
    ]);
    expect(worker.log()).toContain(`#23: ${done}, which an interrupted check-in had not stored`);
  });
});

describe.concurrent('an issue whose text GitHub does not give', () => {
  it('is not worked on, and that is said, until it does', async (test) => {
    // GitHub goes away between the first look at the issue and the second.
    const worker = makeOwnWorker(test, { setup: ['cp ~/down ~/.factory-standin'] });
    const settings = readFileSync(join(worker.layout.home, '.factory-standin'), 'utf8');
    writeFileSync(join(worker.layout.home, 'down'), `STANDIN_GH_MODE=down\n${settings}`);
    dieAt(worker, 'issue');
    await worker.start();
    await worker.add(23);
    const says =
      /^#23 would be worked on without its text, and GitHub does not give it: error connecting to api.github.com;/;
    await until('the cause', () => says.test(worker.heartbeat()?.reason ?? ''));
    expect(prompts(worker)).toEqual([]);
    setStandin(worker, 'STANDIN_GH_MODE=ok');
    await until('the issue completed', completed(worker, 23));
    expect(prompts(worker)).toEqual([expect.stringContaining('made up by the gh stand-in.')]);
  });
});

describe.concurrent.each(['a', 'b'] as const)(
  'a check-in that dies behind the creation of a session, dialect %s',
  (dialect) => {
    it('leaves a session that is ended after a quiet minute, and the stage runs', async (test) => {
      const worker = makeOwnWorker(test, { dialect });
      dieAt(worker, 'session');
      await worker.start();
      await worker.add(23);
      await until('the wait', () => /ended after 60 quiet seconds/.test(worker.heartbeat()?.reason ?? ''));
      await until('the issue completed', completed(worker, 23), Boolean, 150_000);
      expect(actions(worker)).toEqual([
        [23, 'implement', 'end-session'],
        ...(dialect === 'b' ? [] : [[23, 'implement', 'advance']]),
      ]);
    });
  },
);

describe.concurrent('what is in the way of an issue and not ours to remove', () => {
  it('is said in the heartbeat while the queue goes on; when it is gone the issue is put back by itself', async (test) => {
    const worker = makeOwnWorker(test, { setup: ['git worktree lock --reason mine .'] });
    dieAt(worker, 'folder');
    await worker.start();
    await worker.add(23);
    const said =
      /^#23 cannot begin: the worktree .*\/worktrees\/issue-23 is locked \(mine\); type: cleanup --issue 23 /;
    await until('the cause', () => said.test(worker.heartbeat()?.reason ?? ''));
    await worker.add(24);
    await until('the next issue completed', completed(worker, 24));
    expect(actions(worker)).toEqual([]);
    await worker.run(['git', 'worktree', 'unlock', 'worktrees/issue-23']);
    await until('the issue completed', completed(worker, 23));
    expect(actions(worker)).toEqual([[23, '', 'requeue']]);
  });
});
