import { realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dispatch } from '../../scripts/dispatch.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type Outcome, run } from '../support/run-command.ts';

let worker: HandWorker;

/** Runs dispatch, always with an intent, so that nothing asks an agent. */
function send(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return run(dispatch, [...args, '--intent', 'x'], { env: { ...worker.laptop, ...env } });
}

const demo = (...issues: number[]) => ['w', '-p', 'demo', ...issues.flatMap((issue) => ['-i', `${issue}`])];
/** What stderr says after the first line, which says where. */
const said = ({ stderr }: Outcome) => stderr.split('\n').slice(1).join('\n');

describe.each(['design', 'a', 'b'] as const)('in dialect %s', (dialect) => {
  beforeAll(async () => {
    worker = await handWorker({ dialect, projects: ['demo', 'shop'] });
    await worker.bash('tmux new-session -d -s orchestrator cat');
  });
  beforeEach(() => worker.reset());
  afterAll(() => worker.remove());

  it('an issue is queued once, where its place is told; typed again it is queued already', async () => {
    const first = await send(demo(5));
    expect(first).toEqual({
      code: 0,
      stdout: 'demo#5 queued: place 1 of 1\n',
      stderr: `w (on this machine, ${worker.dir})\n`,
    });
    const again = await send(demo(5));
    expect([again.code, again.stdout]).toEqual([0, 'demo#5 is already queued: place 1 of 1\n']);
    expect(await worker.rows()).toEqual(['5 pending']);
    expect(await worker.lines('dispatch.jsonl')).toMatchObject([
      { issue: 5, project: 'demo', by: expect.stringContaining('@') },
    ]);
  });

  it('several at once, some of them queued before', async () => {
    await send(demo(2));
    const { code, stdout } = await send(demo(1, 2, 3));
    expect([code, stdout.split('\n')]).toEqual([
      0,
      [
        'demo#1 queued: place 2 of 3, behind demo#2',
        'demo#2 is already queued: place 1 of 3',
        'demo#3 queued: place 3 of 3, behind demo#1',
        '',
      ],
    ]);
    expect(await worker.rows()).toEqual(['2 pending', '1 pending', '3 pending']);
  });

  it('without an intent factory asks claude for one, which gives up early when its API is down', async () => {
    const claude = join(worker.dir, 'bin', 'claude');
    const real = await realpath(claude);
    await rm(claude);
    await writeFile(
      claude,
      '#!/bin/sh\necho "with $CLAUDE_CODE_MAX_RETRIES retry: API Error: 529 Overloaded"\nexit 1\n',
      {
        mode: 0o755,
      },
    );
    const { code, stderr } = await run(dispatch, demo(5), { env: worker.laptop });
    expect([code, stderr]).toEqual([1, expect.stringContaining('with 1 retry: API Error: 529 Overloaded')]);
    expect(await worker.rows()).toEqual([]);
    await rm(claude);
    await symlink(real, claude);
  });

  it('the intent arrives as it was typed', async () => {
    const intent = `Users' "passkeys"; $(rm -rf /) \`x\` \\n é👷 \\u0041 %s & \\\\" ],"id":"x"\t\u001b[1m\rx\n\nsecond line`;
    const { code } = await run(dispatch, [...demo(5), '--intent', intent], { env: worker.laptop });
    expect(code).toBe(0);
    expect((await worker.queue())[0]?.intent).toBe(intent);
  });

  it('a number that another project of this worker has is refused, also when it is done', async () => {
    await send(['w', '-p', 'shop', '-i', '7']);
    for (const status of ['pending', 'completed']) {
      await worker.sql(`UPDATE issue_queue SET status = '${status}' WHERE issue = 7`);
      const { code, stdout, stderr } = await send(demo(7, 8));
      expect(code).toBe(1);
      expect(stderr).toContain(
        'demo#7 was not queued: this worker has shop#7, and one worker counts issues of all projects together',
      );
      // The other issue is not held up by it.
      expect(stdout).toMatch(/^demo#8 (queued|is already queued)/);
    }
    expect(await worker.rows()).toEqual(['7 completed', '8 pending']);
  });

  it('a completed one is left alone, and run again with --requeue: worktree and branch go', async () => {
    await send(demo(9));
    const checkIn = 'cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json';
    for (const _ of [1, 2]) await worker.bash(checkIn);
    expect(await worker.rows()).toEqual(['9 completed']);
    await worker.bash('test -d "$WORKER_REPOS_DIR/demo/worktrees/issue-9"');

    const plain = await send(demo(9));
    expect([plain.code, plain.stdout]).toEqual([1, '']);
    const again = 'factory-worker dispatch w -p demo -i 9 --requeue';
    expect(said(plain)).toBe(
      `demo#9 was not queued: it is completed already; to run it again, dropping its worktree and branch: ${again}\n`,
    );

    const dry = await send([...demo(9), '--requeue', '--dry-run']);
    expect([dry.code, dry.stdout]).toEqual([
      0,
      'demo#9 would be queued again (it is completed; its worktree and branch would go)\n',
    ]);
    expect(await worker.rows()).toEqual(['9 completed']);

    expect((await send([...demo(9), '--requeue'])).code).toBe(0);
    expect(await worker.rows()).toEqual(['9 pending']);
    await worker.bash('test ! -d "$WORKER_REPOS_DIR/demo/worktrees/issue-9"');
    for (const _ of [1, 2]) await worker.bash(checkIn);
    expect(await worker.rows()).toEqual(['9 completed']);
  });

  it('one whose pipeline was given up by hand is finished, although its row stays active', async () => {
    await send(demo(4));
    await worker.bash(
      'cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in && factory pipeline fail 4',
    );
    expect(await worker.rows()).toEqual(['4 active']);
    const plain = await send(demo(4));
    expect(plain.code).toBe(1);
    expect(plain.stderr).toContain('demo#4 was not queued: it is failed already');
    expect((await send([...demo(4), '--requeue'])).code).toBe(0);
    expect(await worker.rows()).toEqual(['4 pending']);
  });

  it('what factory refuses is told in its own words, without its usage', async () => {
    await worker.bash(
      'rm "$WORKER_RUN_DIR/../bin/gh" && printf "#!/bin/sh\\necho HTTP 401 >&2; exit 1\\n" >bin/gh && chmod +x bin/gh',
    );
    const { code, stderr } = await run(dispatch, demo(5), { env: worker.laptop });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /\ndemo#5 was not queued: factory says: issue #5: failed to fetch from GitHub: .*\n$/,
    );
    expect(await worker.rows()).toEqual([]);
  });

  it('with --dry-run changes nothing', async () => {
    const { code, stdout } = await send([...demo(5), '--dry-run']);
    expect([code, stdout]).toEqual([0, 'demo#5 would be queued\n']);
    expect(await worker.rows()).toEqual([]);
    expect(await worker.lines('dispatch.jsonl')).toEqual([]);
  });
});

describe('a dispatch', () => {
  beforeAll(async () => {
    worker = await handWorker({ projects: ['demo', 'shop'] });
    await worker.bash('tmux new-session -d -s orchestrator cat');
  });
  beforeEach(() => worker.reset());
  afterAll(() => worker.remove());

  it('to a worker whose issue is being worked on, whatever its row says, refuses even --requeue', async () => {
    await worker.clone(
      'slow',
      'pipeline:\n  checks: {ok: {command: "sleep 30"}}\n  stages:\n    - {id: one, type: checks_only, checks: [ok]}\n',
    );
    await send(['w', '-p', 'slow', '-i', '3']);
    await worker.bash('cd "$WORKER_REPOS_DIR/slow" && factory orchestrator check-in');
    worker.start('cd "$WORKER_REPOS_DIR/slow" && factory orchestrator check-in >/dev/null 2>&1');
    await expect
      .poll(() => worker.bash('cd "$WORKER_REPOS_DIR/slow" && factory status --format json'))
      .toContain('in_progress');
    // As a check-in that overlapped at the pop leaves it.
    await worker.sql("UPDATE issue_queue SET status = 'failed'");
    const { code, stderr } = await send(['w', '-p', 'slow', '-i', '3', '--requeue']);
    expect(code).toBe(1);
    expect(stderr).toContain('slow#3 was not queued: its row is failed, but its pipeline is in progress');
    expect(await worker.rows()).toEqual(['3 failed']);
    await worker.bash('test -d "$WORKER_REPOS_DIR/slow/worktrees/issue-3"');
  });

  it.each(['active', 'failed'])(
    'with --requeue leaves a row that is %s when nobody knows of its pipeline',
    async (status) => {
      await send(demo(3));
      await worker.sql(`UPDATE issue_queue SET status = '${status}'`);
      const restore = await worker.before('if [ "$1" = status ]; then exit 1; fi');
      const { code, stderr } = await send([...demo(3), '--requeue']);
      await restore();
      expect(code).toBe(1);
      expect(stderr).toContain(
        'demo#3 was not queued: factory says: status fails, so a stage may be running',
      );
      expect(await worker.rows()).toEqual([`3 ${status}`]);
    },
  );

  it('with --requeue takes up each row that was taken and not begun, though factory reads its stdin', async () => {
    await send(demo(3, 4));
    await worker.sql("UPDATE issue_queue SET status = 'active'");
    const restore = await worker.before('if [ "$1" = status ]; then timeout 1 cat >/dev/null; fi');
    const { code, stdout } = await send([...demo(3, 4), '--requeue']);
    await restore();
    expect([code, stdout.split('\n')]).toEqual([
      0,
      ['demo#3 queued: place 1 of 2', 'demo#4 queued: place 2 of 2, behind demo#3', ''],
    ]);
    expect(await worker.rows()).toEqual(['3 pending', '4 pending']);
  });

  it('does not wait for the check-in that runs a stage', async () => {
    const release = await worker.holdLock('locks/check-in');
    expect((await send([...demo(5), '--timeout', '15s'])).code).toBe(0);
    await release();
  });

  it('waits out a database that is locked for a moment', async () => {
    await send(demo(1));
    const held = worker.start(
      '(echo "BEGIN IMMEDIATE;"; echo "SELECT 1;"; sleep 1.5; echo "COMMIT;") | sqlite3 "$HOME/.factory/factory.db"',
    );
    await new Promise((resolve) => held.stdout?.once('data', resolve));
    expect((await send(demo(5))).code).toBe(0);
    expect(await worker.rows()).toEqual(['1 pending', '5 pending']);
  });

  it('says so when the database stays locked; nothing is queued, and later it works', async () => {
    await send(demo(1));
    const held = worker.start(
      '(echo "BEGIN IMMEDIATE;"; echo "SELECT 1;"; cat) | sqlite3 "$HOME/.factory/factory.db"',
    );
    await new Promise((resolve) => held.stdout?.once('data', resolve));
    const { code, stderr } = await send(demo(5));
    expect(code).toBe(1);
    expect(stderr).toMatch(/demo#5 was not queued: factory says: .*database is locked/);
    held.stdin?.end();
    await new Promise((resolve) => held.once('exit', resolve));
    expect((await send(demo(5))).code).toBe(0);
    expect(await worker.rows()).toEqual(['1 pending', '5 pending']);
  });

  it('to a queue of 10,000 rows with long intents works, and no argument gets too long', async () => {
    await send(demo(1));
    await worker.sql(
      "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO issue_queue (issue, status, position, feature_intent) SELECT i, 'completed', i, printf('%.200c', 'x') FROM n",
    );
    const { code, stdout } = await send(demo(10_001));
    expect([code, stdout]).toEqual([0, 'demo#10001 queued: place 2 of 2, behind demo#1\n']);
  });

  it('takes the record of an issue from a file that a crash has cut', async () => {
    await worker.bash(
      `printf '%s' '{"issue":7,"project":"shop"}' $'\\n' 5 $'\\n' '"x"' $'\\n{"iss' >"$WORKER_STATE_DIR/dispatch.jsonl"`,
    );
    await worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory queue add 7 --intent x');
    const { code, stderr } = await send(demo(7));
    expect([code, stderr]).toEqual([1, expect.stringContaining('this worker has shop#7')]);
  });

  it('is refused where a flag is unknown to this factory, before anything is changed', async () => {
    await send(demo(9));
    await worker.sql("UPDATE issue_queue SET status = 'completed'");
    const { code, stderr } = await send([...demo(9), '--requeue', '--depends-on', '3']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('has no dependencies between issues (--depends-on)'),
    ]);
    expect(await worker.rows()).toEqual(['9 completed']);
    expect(await worker.lines('dispatch.jsonl')).toHaveLength(1);
  });

  it('asks anew which flags there are when the binary was replaced, and never from half an answer', async () => {
    await send(demo(1));
    const cache = await worker.bash('cat "$WORKER_RUN_DIR/dialect"');
    expect(cache).toMatch(/^key=.*\npostgres=0\nAdd issues/);
    await worker.bash('echo "key=0-0-0" >"$WORKER_RUN_DIR/dialect"');
    await send(demo(2));
    expect(await worker.bash('cat "$WORKER_RUN_DIR/dialect"')).toBe(cache);
  });

  it('works on a worker whose run folder is full', async () => {
    await worker.bash('rm -f "$WORKER_RUN_DIR/dialect" && mkdir "$WORKER_RUN_DIR/dialect"');
    expect((await send(demo(5))).code).toBe(0);
    await worker.bash('rm -rf "$WORKER_RUN_DIR/dialect"');
  });

  it('tells what keeps a drained worker from the work, and how to lift that', async () => {
    await worker.bash(
      `echo '{"schema":1,"by":"lucas","host":"mbp","since":"2026-03-02T11:48:00Z","reason":"new image","release":null}' >"$WORKER_STATE_DIR/drain"`,
    );
    const { code, stderr } = await send(demo(5));
    await worker.bash('rm "$WORKER_STATE_DIR/drain"');
    expect(code).toBe(0);
    expect(stderr).toMatch(/note: drained by lucas@mbp for \d+d: new image\n {2}take up work again: /);
  });

  it('as JSON is one document, with the same exit code', async () => {
    await send(['w', '-p', 'shop', '-i', '7']);
    const { code, stdout } = await send([...demo(7, 8), '-o', 'json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      worker: 'w',
      project: 'demo',
      outcomes: [
        { issue: 7, outcome: 'other-project', detail: 'shop' },
        { issue: 8, outcome: 'queued', detail: '' },
      ],
      problems: [],
    });
  });
});

describe('--clone', () => {
  beforeAll(async () => {
    worker = await handWorker({ projects: ['demo'] });
    await worker.bash('git -C "$WORKER_REPOS_DIR/demo" remote add origin https://github.com/acme/demo.git');
  });
  afterAll(() => worker.remove());

  it('of a repository that is there dispatches at once', async () => {
    expect((await send(['w', '--clone', 'acme/demo', '-i', '5'])).code).toBe(0);
    expect(await worker.rows()).toEqual(['5 pending']);
  });

  it('of another one of the same name is refused: the issue would go to the wrong project', async () => {
    const { code, stderr } = await send(['w', '--clone', 'other/demo', '-i', '6']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('w has another repository called demo: https://github.com/acme/demo.git'),
    ]);
    expect(stderr).toContain('--clone other/demo --project NAME');
    expect(await worker.rows()).toEqual(['5 pending']);
  });

  it('asks the supervisor for it and waits', async () => {
    const made = send(['w', '--clone', 'acme/shop', '-i', '7']);
    await expect
      .poll(() => worker.bash('cat "$WORKER_STATE_DIR/projects.json" 2>/dev/null || true'))
      .toContain('acme/shop');
    expect(JSON.parse(await worker.bash('cat "$WORKER_STATE_DIR/projects.json"'))).toEqual([
      { name: 'shop', repo: 'acme/shop', branch: null, config: 'pipeline.yaml' },
    ]);
    await worker.clone('cloning');
    await worker.bash(
      'cd "$WORKER_REPOS_DIR" && git -C cloning remote add origin https://github.com/acme/shop.git && mv cloning shop',
    );
    expect((await made).code).toBe(0);
    expect(await worker.rows()).toContain('7 pending');
  });

  it('that does not come in time says what the supervisor says, and queues nothing', async () => {
    const boot = JSON.parse(await worker.bash('cat "$WORKER_RUN_DIR/boot.json"')) as object;
    const phase = {
      name: 'clones',
      status: 'failed',
      startedAt: new Date().toISOString(),
      ms: 0,
      message: 'nope: git clone: Repository not found.',
    };
    await worker.bash(`echo '${JSON.stringify({ ...boot, phases: [phase] })}' >"$WORKER_RUN_DIR/boot.json"`);
    const { code, stderr } = await send(['w', '--clone', 'acme/nope', '-i', '8', '--timeout', '6s']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /w has not cloned acme\/nope within 1s; nothing was queued\n {2}it says: nope: git clone: Repository not found\./,
    );
  });

  it('where the list cannot be changed says so', async () => {
    await worker.bash('echo "{" >"$WORKER_STATE_DIR/projects.json"');
    const { code, stderr } = await send(['w', '--clone', 'acme/more', '-i', '9']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /w cannot clone acme\/more: its list of projects \(\S+projects\.json\) cannot be changed: .*parse error/,
    );
    expect(await worker.bash('cat "$WORKER_STATE_DIR/projects.json"')).toBe('{\n');
    await worker.bash('rm "$WORKER_STATE_DIR/projects.json"');
  });

  it('with --dry-run says what would be, and clones nothing', async () => {
    const { code, stdout, stderr } = await send([
      'w',
      '--clone',
      'acme/more',
      '-i',
      '9',
      '-i',
      '5',
      '--dry-run',
    ]);
    expect([code, stdout]).toEqual([1, 'more#9 would be queued\n']);
    expect(stderr).toContain('acme/more would be cloned onto w first');
    expect(stderr).toContain('more#5 was not queued: this worker has demo#5');
    expect((await send(['w', '--clone', 'acme/demo', '-i', '9', '--dry-run'])).stdout).toBe(
      'demo#9 would be queued\n',
    );
    expect((await send(['w', '--clone', 'other/demo', '-i', '9', '--dry-run'])).code).toBe(2);
    await expect(worker.bash('cat "$WORKER_STATE_DIR/projects.json"')).rejects.toThrow('No such file');
  });
});

describe('what cannot be dispatched', () => {
  beforeAll(async () => {
    worker = await handWorker({ projects: ['demo', 'deathcookies'] });
  });
  afterAll(() => worker.remove());

  it.each<[string, readonly string[], number, RegExp]>([
    [
      'issue 0',
      ['w', '-p', 'demo', '-i', '0'],
      2,
      /--issue takes an issue such as 23, 25-27, demo#23 or its URL; not "0"/,
    ],
    ['issue -1', ['w', '-p', 'demo', '--issue=-1'], 2, /not "-1"/],
    ['issue abc', ['w', '-p', 'demo', '-i', 'abc'], 2, /not "abc"/],
    ['issue 1e3', ['w', '-p', 'demo', '-i', '1e3'], 2, /not "1e3"/],
    ['issue 0123', ['w', '-p', 'demo', '-i', '0123'], 2, /not "0123"/],
    ['one bad among good ones', ['w', '-p', 'demo', '-i', '5,x,6'], 2, /not "x"/],
    ['a flag without its value', ['w', '-p', 'demo', '--issue'], 2, /--issue needs a value/],
    [
      'an unknown flag',
      ['w', '-p', 'demo', '--isue', '5'],
      2,
      /unknown flag --isue[\s\S]*did you mean --issue\?/,
    ],
    ['no project', ['w', '-i', '5'], 2, /--project is missing/],
    ['no issue', ['w', '-p', 'demo'], 2, /--issue is missing/],
    ['no worker', ['-p', 'demo', '-i', '5'], 2, /WORKER is missing\n {2}workers: w, worker-1\n/],
    [
      'an unknown worker',
      ['wroker-1', '-p', 'demo', '-i', '5'],
      2,
      /no worker "wroker-1"[\s\S]*did you mean worker-1\?/,
    ],
    [
      'an unknown project',
      ['w', '-p', 'deathcookie', '-i', '5'],
      2,
      /w has no project deathcookie[\s\S]*did you mean deathcookies\?[\s\S]*its projects: deathcookies, demo/,
    ],
    ['a project that is a path', ['w', '-p', '../..', '-i', '5'], 2, /--project takes NAME or owner\/NAME/],
    ['two workers', ['w', 'worker-1', '-p', 'demo', '-i', '5'], 2, /unexpected argument "worker-1"/],
  ])('%s', async (_, args, code, message) => {
    const outcome = await send(args);
    expect([outcome.code, outcome.stdout]).toEqual([code, '']);
    expect(outcome.stderr).toMatch(message);
    expect(await worker.rows()).toEqual([]);
  });

  it('to a worker without factory', async () => {
    await worker.bash('mv bin/factory bin/factory.off');
    const { code, stderr } = await send(['w', '-p', 'demo', '-i', '5']);
    await worker.bash('mv bin/factory.off bin/factory');
    expect([code, stderr]).toEqual([1, expect.stringContaining('factory is not on the PATH of the worker')]);
  });

  it('to a worker whose factory fails', async () => {
    await worker.bash('echo "STANDIN_FACTORY_FAIL=open database: disk I/O error" >>"$HOME/.factory-standin"');
    const { code, stderr } = await send(['w', '-p', 'demo', '-i', '5']);
    await worker.bash('sed -i /STANDIN_FACTORY_FAIL/d "$HOME/.factory-standin"');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        'nothing was queued: factory cannot read its queue: open database: disk I/O error\n',
      ),
    ]);
  });

  it('to a worker whose project has no configuration', async () => {
    await worker.bash('mv "$WORKER_REPOS_DIR/demo/pipeline.yaml" "$WORKER_REPOS_DIR/demo/x"');
    const { code, stderr } = await send(['w', '-p', 'demo', '-i', '5']);
    await worker.bash('mv "$WORKER_REPOS_DIR/demo/x" "$WORKER_REPOS_DIR/demo/pipeline.yaml"');
    expect([code, stderr]).toEqual([1, expect.stringContaining('demo has no pipeline configuration: ')]);
  });
});

it('a PostgreSQL build without its database is one sentence', async () => {
  worker = await handWorker({ dialect: 'c' });
  const { code, stderr } = await send(demo(5));
  await worker.remove();
  expect(code).toBe(1);
  expect(said({ code, stderr, stdout: '' }).split('\n')).toEqual([
    'error: nothing was queued: factory cannot read its queue: DATABASE_URL environment variable not set',
    expect.stringContaining('PostgreSQL'),
    '',
  ]);
});
