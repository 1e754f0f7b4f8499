import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backup } from '../../scripts/backup.ts';
import { restore } from '../../scripts/restore.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

let source: HandWorker;
let target: HandWorker;
let here: string;
let file: string;

/** A worker with two issues, one of which has work that nobody has pushed: committed, changed, new and deleted files. */
beforeAll(async () => {
  here = mkdtempSync(join(tmpdir(), 'restore-test-'));
  file = join(here, 'source.tar.gz');
  // No supervisor: a drained worker without a loop is at rest at once.
  source = await handWorker({ up: false });
  target = await handWorker({ up: false, projects: [] });
  await source.bash('cp --archive "$WORKER_REPOS_DIR/demo" "$HOME/fresh"');
  await source.bash(
    'factory queue add 1 --intent one; factory queue add 2 --intent two; mkdir -p "$HOME/.factory/pipelines/1" && echo "{}" >"$HOME/.factory/pipelines/1/pipeline.json"',
  );
  await source.bash(`cd "$WORKER_REPOS_DIR/demo" && git worktree add -q -b feature/issue-1 worktrees/issue-1 && cd worktrees/issue-1 &&
    git config user.name t && git config user.email t@t && echo a >a && echo gone >gone && git add a gone && git commit -qm unpushed &&
    echo changed >a && echo new >new && rm gone`);
});
beforeEach(async () => {
  await target.reset();
  await target.bash('rm -rf "$WORKER_REPOS_DIR"/* "$WORKER_STATE_DIR/backups" "$WORKER_STATE_DIR/drain"');
  await target.bash(`cp --archive "${source.env['HOME']}/fresh" "$WORKER_REPOS_DIR/demo"`);
  rmSync(file, { force: true });
  expect(await run(backup, ['w', file], { env: source.laptop })).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await source.remove();
  await target.remove();
  rmSync(here, { recursive: true, force: true });
});

const type = (...argv: string[]) => run(restore, [file, 'w', ...argv], { env: target.laptop });
const left = () => target.bash('ls -A "$WORKER_STATE_DIR/backups" 2>/dev/null || true');

describe('restore', () => {
  it('into a fresh worker brings queue, pipelines and the work that was not pushed', async () => {
    const { code, stdout, stderr } = await type('--yes');
    expect([code, stdout]).toEqual([
      0,
      'w has 2 rows in the queue, 1 pipeline again, counted on both ends; integrity ok\n',
    ]);
    expect(stderr).not.toContain('note:');
    expect(await target.rows()).toEqual(['1 pending', '2 pending']);
    const worktree = join(target.repos, 'demo', 'worktrees', 'issue-1');
    expect(
      await target.bash(
        `cd ${worktree} && cat a new && git status --porcelain && git log --format=%s -1 && git branch --show-current`,
      ),
    ).toBe('changed\nnew\n M a\n D gone\n?? new\nunpushed\nfeature/issue-1\n');
    expect(await target.bash('cat "$HOME/.factory/pipelines/1/pipeline.json"')).toBe('{}\n');
    expect(await target.bash('ls "$WORKER_STATE_DIR/drain" 2>&1 || true')).toContain('No such file');
    // The worktree that was saved is as it was, and so are its refs.
    const origin = join(source.repos, 'demo', 'worktrees', 'issue-1');
    expect(
      await source.bash(`cd ${origin} && git status --porcelain && git for-each-ref refs/factory-worker`),
    ).toBe(' M a\n D gone\n?? new\n');
  });

  it('brings the recordings of sessions, and leaves those alone that are there', async () => {
    await source.bash(
      'mkdir -p "$WORKER_STATE_DIR/logs/sessions" && cd "$WORKER_STATE_DIR/logs/sessions" && umask 077 && echo theirs >1-qa-1.log && echo theirs >2-qa-1.log',
    );
    await target.bash(
      'mkdir -p "$WORKER_STATE_DIR/logs/sessions" && echo own >"$WORKER_STATE_DIR/logs/sessions/2-qa-1.log"',
    );
    rmSync(file);
    expect(await run(backup, ['w', file], { env: source.laptop })).toMatchObject({ code: 0 });
    expect((await type('--yes')).code).toBe(0);
    expect(
      await target.bash(
        'cd "$WORKER_STATE_DIR/logs/sessions" && cat 1-qa-1.log 2-qa-1.log && stat --format %a 1-qa-1.log',
      ),
    ).toBe('theirs\nown\n600\n');
  });

  it('saves what is replaced, and says how to undo it', async () => {
    await target.bash('factory queue add 7 --intent seven');
    const { code, stderr } = await type('--yes');
    expect(code).toBe(0);
    const saved =
      /factory-worker cp w:(\S+) w-before-restore\.tar\.gz && factory-worker restore w-before-restore\.tar\.gz w/.exec(
        stderr,
      )?.[1];
    expect(await target.rows()).toEqual(['1 pending', '2 pending']);
    const undo = await run(restore, [saved ?? '', 'w', '--yes'], { env: target.laptop });
    expect(undo.code).toBe(0);
    expect(await target.rows()).toEqual(['7 pending']);
  });

  it('--dry-run shows both and changes nothing', async () => {
    const { code, stdout } = await type('--dry-run');
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        / {2}now {3}0 rows in the queue, 0 pipelines\n {2}then {2}2 rows in the queue, 1 pipeline, from/,
      ),
    ]);
    expect(await target.rows()).toEqual([]);
  });

  it('refuses while a stage runs', async () => {
    const release = await target.holdLock('locks/check-in');
    const { code, stderr } = await type('--yes');
    await release();
    expect([code, stderr]).toEqual([1, expect.stringContaining('factory-worker drain w --wait')]);
    expect(await target.rows()).toEqual([]);
  });

  it('refuses while sessions of stages are there, and lifts its drain again', async () => {
    await target.bash('tmux new-session -d -s 9-qa-1 sleep 60');
    const { code, stderr } = await type('--yes');
    await target.bash('tmux kill-server');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('left as it was: sessions of stages are there: 9-qa-1'),
    ]);
    expect(await target.bash('ls -A "$WORKER_STATE_DIR" | grep drain || true')).toBe('');
    expect(await left()).toBe('');
  });

  it('goes on after one that was cut short, and lifts the drain it left; a person’s stays', async () => {
    const drained = (release: string) =>
      target.bash(
        `echo '{"schema":1,"by":"x","host":"y","since":"2026-01-01T00:00:00Z","reason":"r","release":${release}}' >"$WORKER_STATE_DIR/drain"`,
      );
    const drain = () => target.bash('ls "$WORKER_STATE_DIR" | grep -x drain || true');
    await drained('"restore"');
    expect((await type('--yes')).code).toBe(0);
    expect(await drain()).toBe('');
    await drained('null');
    expect((await type('--yes')).code).toBe(0);
    expect(await drain()).toBe('drain\n');
  });

  it('onto a full disk touches nothing, and says what could go', async () => {
    const shim = join(target.dir, 'bin', 'df');
    writeFileSync(
      shim,
      '#!/bin/bash\nprintf "Filesystem 1-blocks Used Available\\nx 100 90 10 90%% /\\n"\n',
      { mode: 0o755 },
    );
    const { code, stderr } = await type('--yes');
    rmSync(shim);
    expect([code, stderr]).toEqual([1, expect.stringContaining('the volume is too full: 10 bytes free')]);
    expect(stderr).toContain('factory-worker cleanup w --dry-run');
    expect(await target.rows()).toEqual([]);
    expect(await target.bash('ls "$WORKER_STATE_DIR" | grep -x drain || true')).toBe('');
    expect(await left()).toBe('');
  });

  it('of a file that was cut short, or is of another version, touches nothing', async () => {
    writeFileSync(file, readFileSync(file).subarray(0, 1500));
    expect(await type('--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not a whole backup'),
    });
    execFileSync('tar', ['-czf', file, '-C', here, '--files-from', '/dev/null']);
    expect(await type('--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('of another version'),
    });
    expect(await left()).toBe('');
  });

  it('of a database that is not what was saved touches nothing', async () => {
    execFileSync('bash', [
      '-c',
      `cd ${here} && mkdir x && tar -xzf ${file} -C x && sqlite3 x/factory.db 'DELETE FROM issue_queue WHERE issue = 2' && (cd x && tar -czf ${file} *) && rm -r x`,
    ]);
    const { code, stderr } = await type('--yes');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /w was left as it was: its database is not what was saved: .*rows=1.* instead of .*rows=2/,
      ),
    ]);
    expect(await target.rows()).toEqual([]);
  });

  it('--dry-run and --yes open no database here: it is the worker that counts', async () => {
    const bin = join(here, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'sqlite3'), `#!/bin/bash\necho "$@" >>${here}/opened\n`, { mode: 0o755 });
    const env = { ...target.laptop, PATH: `${bin}:${process.env['PATH']}` };
    expect((await run(restore, [file, 'w', '--dry-run'], { env })).code).toBe(0);
    expect((await run(restore, [file, 'w', '--yes'], { env })).code).toBe(0);
    expect(existsSync(join(here, 'opened'))).toBe(false);
  });

  it('of a program that cannot read it puts the old state back', async () => {
    await target.bash('factory queue add 7 --intent seven; mkdir -p "$HOME/.factory/pipelines/7"');
    // It reads its own rows, and nothing that came from elsewhere.
    const restore = await target.before(
      `if [ "$1 $2" = "queue list" ] && [ -n "$(sqlite3 "$HOME/.factory/factory.db" 'SELECT 1 FROM issue_queue WHERE issue = 1')" ]; then echo "Error: schema" >&2; exit 1; fi`,
    );
    const { code, stderr } = await type('--yes');
    await restore();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/was left as it was: nothing was restored: Error: schema/),
    ]);
    expect(await target.rows()).toEqual(['7 pending']);
    expect(await target.bash('ls "$HOME/.factory/pipelines"')).toBe('7\n');
  });
});

describe('into a worker with another HOME', () => {
  let from: HandWorker;
  let into: HandWorker;
  beforeAll(async () => {
    from = await handWorker({ up: false, dialect: 'b' });
    into = await handWorker({ up: false, dialect: 'b' });
  });
  afterAll(async () => {
    await from.remove();
    await into.remove();
  });

  it('rows and pipelines lead to its own clones, not to those of the other', async () => {
    const config = join(from.repos, 'demo', 'pipeline.yaml');
    const pipeline = {
      issue: 1,
      feature_intent: `look into ${config}`,
      worktree: join(from.repos, 'demo', 'worktrees', 'issue-1'),
      config_path: config,
      repo_dir: join(from.repos, 'demo'),
      current_stage: 'qa',
    };
    const elsewhere = {
      ...pipeline,
      repo_dir: '/srv/it',
      config_path: '/srv/it/pipeline.yaml',
      worktree: '',
    };
    await from.bash(
      `factory queue add 1 --config ${config} --intent 'look into ${config}'; factory queue add 2 --config ${config} --intent two
       mkdir -p "$HOME"/.factory/pipelines/acme/demo/{1,2}`,
    );
    await from.sql("UPDATE issue_queue SET config_path = '/srv/it/pipeline.yaml' WHERE issue = 2");
    const file1 = 'home/.factory/pipelines/acme/demo/1/pipeline.json';
    await from.write(file1, JSON.stringify(pipeline));
    await from.write(file1.replace('/1/', '/2/'), JSON.stringify(elsewhere));
    rmSync(file, { force: true });
    expect(await run(backup, ['w', file], { env: from.laptop })).toMatchObject({ code: 0 });
    const { code, stderr } = await run(restore, [file, 'w', '--yes'], { env: into.laptop });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('note:')]);
    expect((await into.queue()).map(({ configPath, intent }) => [configPath, intent])).toEqual([
      [join(into.repos, 'demo', 'pipeline.yaml'), `look into ${config}`],
      ['/srv/it/pipeline.yaml', 'two'],
    ]);
    const pipelineOf = async (issue: number) =>
      into.bash(`cat "$HOME/.factory/pipelines/acme/demo/${issue}/pipeline.json"`);
    expect(JSON.parse(await pipelineOf(1))).toEqual({
      ...pipeline,
      worktree: join(into.repos, 'demo', 'worktrees', 'issue-1'),
      config_path: join(into.repos, 'demo', 'pipeline.yaml'),
      repo_dir: join(into.repos, 'demo'),
    });
    expect(await pipelineOf(2)).toBe(JSON.stringify(elsewhere));
  });
});
