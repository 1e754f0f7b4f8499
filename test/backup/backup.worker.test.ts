import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backup } from '../../scripts/backup.ts';
import { type Backup, copyBackup, parseBackup } from '../../scripts/lib/backup/make.ts';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import { partsOfScript } from '../../scripts/lib/transport/scripts.ts';
import type { Transport } from '../../scripts/lib/transport/transport.ts';
import { restore } from '../../scripts/restore.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { isRoot, needs } from '../support/needs.ts';
import { run } from '../support/run-command.ts';
import { until } from '../support/until.ts';

let worker: HandWorker;
let here: string;
let file: string;
beforeAll(async () => {
  worker = await handWorker({ up: false });
  await worker.bash('factory queue add 1 --intent one');
});
beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'backup-test-'));
  file = join(here, 'it.tar.gz');
});
afterEach(() => rmSync(here, { recursive: true, force: true }));
afterAll(() => worker.remove());

const type = (...argv: string[]) => run(backup, ['w', file, ...argv], { env: worker.laptop });
const content = (...names: string[]) => execFileSync('tar', ['-xzOf', file, ...names], { encoding: 'utf8' });
const names = () => execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n').toSorted();

describe('backup', () => {
  it('says what it has, in a file for the operator alone', async () => {
    expect(await type()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/it\.tar\.gz: [\d.]+KiB, 1 rows, integrity ok\n$/),
    });
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(readdirSync(here)).toEqual(['it.tar.gz']);
  });

  it('waits for another one, as a connection that broke leaves it behind', async () => {
    await worker.bash(
      'mkdir -p "$HOME/.factory/pipelines/big" && head -c 20000000 /dev/urandom >"$HOME/.factory/pipelines/big/file"',
    );
    try {
      const first = type();
      await until('the first has begun', () =>
        worker.bash('ls -d "$HOME"/.factory/worker/backups/.making.*'),
      );
      const second = run(backup, ['w', join(here, 'second.tar.gz')], { env: worker.laptop });
      expect([await first, await second].map(({ code, stderr }) => [code, stderr])).toEqual([
        [0, ''],
        [0, ''],
      ]);
    } finally {
      await worker.bash('rm -r "$HOME/.factory/pipelines/big"');
    }
  });

  it('of a worker without a database is whole as well', async () => {
    const empty = await handWorker({ up: false });
    try {
      expect(await run(backup, ['w', file], { env: empty.laptop })).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('it has no database yet'),
      });
    } finally {
      await empty.remove();
    }
  });

  it('leaves files beside it alone, whatever their names', async () => {
    writeFileSync(`${file}.part`, 'mine');
    expect((await type()).code).toBe(0);
    expect(readFileSync(`${file}.part`, 'utf8')).toBe('mine');
    rmSync(`${file}.part`);
    writeFileSync(join(here, 'mine'), 'mine');
    symlinkSync('mine', `${file}.part`);
    expect((await type('--force')).code).toBe(0);
    expect([readFileSync(join(here, 'mine'), 'utf8'), readlinkSync(`${file}.part`)]).toEqual([
      'mine',
      'mine',
    ]);
  });

  it('replaces only regular files, and those behind a link', async () => {
    symlinkSync('real', file);
    expect(await type()).toMatchObject({ code: 1, stderr: expect.stringContaining('already exists') });
    expect((await type('--force')).code).toBe(0);
    expect([readlinkSync(file), lstatSync(join(here, 'real')).isFile()]).toEqual(['real', true]);
    rmSync(file);
    execFileSync('mkfifo', [file]);
    expect(await type('--force')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: ${file} is not a regular file; nothing was written\n`,
    });
  });

  it('has no credentials of the addresses it clones from', async () => {
    await worker.bash(
      `cd "$WORKER_REPOS_DIR/demo" && git remote add origin https://me:made-up-password@example.invalid/acme/demo.git
       echo '[{"name": "a", "repo": "https://made-up-token@example.invalid/a.git", "branch": null, "config": "p"}, {"name": "b", "repo": "ssh://git:made-up-password@example.invalid/b.git"}, {"name": "c", "repo": "acme/c"}]' >"$WORKER_STATE_DIR/projects.json"`,
    );
    expect((await type()).code).toBe(0);
    await worker.bash(
      'git -C "$WORKER_REPOS_DIR/demo" remote remove origin; rm "$WORKER_STATE_DIR/projects.json"',
    );
    expect(content('clones/list')).toMatch(/^clone\tdemo\thttps:\/\/example\.invalid\/acme\/demo\.git\n/);
    expect(JSON.parse(content('worker/projects.json')).map(({ repo }: { repo: string }) => repo)).toEqual([
      'https://example.invalid/a.git',
      'ssh://git@example.invalid/b.git',
      'acme/c',
    ]);
    expect(content()).not.toContain('made-up');
  });

  it('has regular files and folders only, so that it can be restored', async () => {
    await worker.bash(
      `mkdir -p "$HOME/.factory/pipelines/1/sub" && cd "$HOME/.factory/pipelines/1" && echo x >f && ln f second && ln -s /etc out && mkfifo fifo && ln -s f 'a [b]*' && echo x >'a [b]c'`,
    );
    expect((await type()).code).toBe(0);
    expect(names().filter((name) => name.startsWith('pipelines/1/'))).toEqual(
      ['', 'a [b]c', 'f', 'second', 'sub/'].map((name) => `pipelines/1/${name}`),
    );
    await worker.bash('rm -r "$HOME/.factory/pipelines"');
    expect((await run(restore, [file, 'w', '--yes'], { env: worker.laptop })).code).toBe(0);
    expect(await worker.bash('cd "$HOME/.factory/pipelines/1" && ls -A && stat --format %h second')).toBe(
      'a [b]c\nf\nsecond\nsub\n1\n',
    );
  });
});

describe('what a rollback over a migration puts back', () => {
  const script = (name: string, ...args: string[]) =>
    worker.bash(
      `bash -c "$(cat ${partsOfScript(name)
        .map((part) => join(process.cwd(), `scripts/remote/${part}.sh`))
        .join(' ')})" ${name} =nonce ${args.join(' ')}`,
    );

  it('is the database and the pipelines of a backup on the volume, if that is one', async () => {
    await worker.bash(
      'touch "$WORKER_STATE_DIR/drain"; rm -rf "$HOME/.factory/pipelines"; mkdir -p "$HOME/.factory/pipelines/1"; echo old >"$HOME/.factory/pipelines/1/pipeline.json"',
    );
    expect(await script('backup', 'id', '5', 'state')).toContain('=nonce part backup rc=0');
    await worker.sql("UPDATE issue_queue SET status = 'failed'");
    await worker.bash('echo new >"$HOME/.factory/pipelines/1/pipeline.json"');
    expect(await script('rollback-restore', 'id.tar.gz', '1', '1')).toContain('=nonce part restored rc=0');
    expect(await worker.rows()).toEqual(['1 pending']);
    expect(await worker.bash('cat "$HOME/.factory/pipelines/1/pipeline.json"')).toBe('old\n');

    await worker.bash(
      'cd "$WORKER_STATE_DIR/backups" && mkdir x && ln -s /etc x/pipelines && tar -czf id.tar.gz -C x pipelines && rm -r x',
    );
    const said = await script('rollback-restore', 'id.tar.gz', '1', '1');
    expect(said).toContain('=nonce part restored rc=1');
    expect(said).toContain('neither a file nor a folder');
    expect(
      await worker.bash(
        'ls "$HOME/.factory/pipelines"; ls -A "$WORKER_STATE_DIR/backups" | grep restoring || true',
      ),
    ).toBe('1\n');
    await worker.bash('rm "$WORKER_STATE_DIR/drain"');
  });
});

describe('a worker that lies', () => {
  const MADE = {
    file: '/b/x.tar.gz',
    bytes: 4,
    sha256: 'x',
    database: 'none',
    schema: null,
    rows: null,
    newest: null,
    integrity: null,
  } as const;

  it.each([
    ['not JSON', 'bytes: 1'],
    ['not an object', '[]'],
    ...(
      [
        ['file', 5],
        ['bytes', '4'],
        ['bytes', -1],
        ['bytes', 1e300],
        ['bytes', 0.5],
        ['sha256', null],
        ['database', 'other'],
        ['rows', 'many'],
        ['schema', {}],
        ['integrity', 1],
      ] as const
    ).map(([key, value]) => [`${key}: ${JSON.stringify(value)}`, JSON.stringify({ ...MADE, [key]: value })]),
  ])('%s is not a backup', (_, text) => {
    expect(parseBackup(text)).toBeNull();
  });

  it('what fits is one', () => {
    expect(parseBackup(JSON.stringify(MADE))).toEqual({ ...MADE, copy: null });
  });

  /** A worker that answers each call for a piece with what it is given. */
  const answering = (piece: (length: number) => string | Buffer) => {
    const calls: number[] = [];
    const transport = {
      async run({ args }: { args: readonly string[] }) {
        calls.push(Number(args[2]));
        const text = Buffer.from(piece(Number(args[2]))).toString('base64');
        return { rc: 0, parts: new Map([['chunk', { rc: 0, text }]]) };
      },
    } as unknown as Transport;
    const copy = (made: Partial<Backup>) =>
      copyBackup(transport, { ...MADE, copy: null, ...made }, file, 1000, new AbortController().signal);
    return { calls, copy };
  };

  it('announces more than can be restored: nothing is asked for', async () => {
    const { calls, copy } = answering(() => '');
    await expect(copy({ bytes: Number.MAX_SAFE_INTEGER })).rejects.toThrow(
      'the worker says that its backup has 8192TiB; more than 64.0GiB cannot be restored, and nothing was copied',
    );
    expect([calls, readdirSync(here)]).toEqual([[], []]);
  });

  // Only root can make a file system.
  it('announces more than there is room for: nothing is asked for', needs(isRoot, 'root'), async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'none', here]);
    try {
      const { calls, copy } = answering(() => '');
      await expect(copy({ bytes: 20 * 1024 ** 2 })).rejects.toThrow(
        `the backup has 20.0MiB, and there is room for 16.0MiB in ${here}; nothing was copied`,
      );
      expect([calls, readdirSync(here)]).toEqual([[], []]);
    } finally {
      execFileSync('umount', [here]);
    }
  });

  it.each([
    ['more than it announced', 9],
    ['less', 3],
    ['nothing', 0],
  ])('sends %s: nothing is left here', async (_, length) => {
    writeFileSync(file, 'old');
    const { calls, copy } = answering(() => 'x'.repeat(length));
    await expect(copy({})).rejects.toThrow('the backup /b/x.tar.gz changed while it was copied');
    expect([calls, readdirSync(here), readFileSync(file, 'utf8')]).toEqual([[4], ['it.tar.gz'], 'old']);
  });

  it('is left by Ctrl-C: nothing is left here', async () => {
    const { calls, copy } = answering(() => {
      throw new InterruptedError();
    });
    await expect(copy({})).rejects.toBeInstanceOf(InterruptedError);
    expect([calls, readdirSync(here)]).toEqual([[4], []]);
  });

  it('sends something else: nothing is left here', async () => {
    await expect(answering(() => 'else').copy({})).rejects.toThrow('is not what the worker has');
    expect(existsSync(file)).toBe(false);
    const sha256 = createHash('sha256').update('same').digest('hex');
    await answering(() => 'same').copy({ sha256 });
    expect(readFileSync(file, 'utf8')).toBe('same');
  });
});
