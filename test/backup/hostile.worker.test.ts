/**
 * Backups as a worker could send them whose agents run what strangers ask for. Each stands for its kind; the contents are
 * harmless: what a link or a view leads to is the test's own, or a constant.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { backup } from '../../scripts/backup.ts';
import { readArchive } from '../../scripts/lib/backup/archive.ts';
import { partsOfScript } from '../../scripts/lib/transport/scripts.ts';
import { restore } from '../../scripts/restore.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

let target: HandWorker;
let here: string;
let file: string;
let whole: string;

beforeAll(async () => {
  here = mkdtempSync(join(tmpdir(), 'hostile-backup-'));
  file = join(here, 'it.tar.gz');
  whole = join(here, 'whole.tar.gz');
  target = await handWorker({ up: false });
  await target.bash(
    'factory queue add 1 --intent one; factory queue add 2 --intent two; mkdir -p "$HOME/.factory/pipelines/1" && echo "{}" >"$HOME/.factory/pipelines/1/pipeline.json"',
  );
  expect(await run(backup, ['w', whole], { env: target.laptop })).toMatchObject({ code: 0 });
  await target.bash('rm -rf "$WORKER_STATE_DIR/backups"');
  await target.reset();
});
beforeEach(() => {
  rmSync(file, { force: true });
  copyFileSync(whole, file);
});
afterAll(async () => {
  await target.remove();
  rmSync(here, { recursive: true, force: true });
});

const type = (...argv: string[]) => run(restore, [file, 'w', ...argv], { env: target.laptop });
/** All but the lock, which stays. */
const left = () => target.bash('ls -A --ignore=.lock "$WORKER_STATE_DIR/backups" 2>/dev/null || true');

/** Packs anew what the backup has, changed. @param change bash in the folder of its contents */
const repack = (change: string, members = '*') =>
  execFileSync('bash', [
    '-c',
    `set -e; cd "$2" && rm -rf x && mkdir x && cd x && tar --extract --file "$1"; ${change}; tar --create --gzip --file "$1" ${members}`,
    'repack',
    file,
    here,
  ]);

const SCRIPT = partsOfScript('restore-unpack')
  .map((name) => join(process.cwd(), `scripts/remote/${name}.sh`))
  .join(' ');

/** The worker's own word on the file, as if the laptop had not looked at it before. */
const unpackInWorker = () =>
  target.bash(
    `mkdir -p "$WORKER_STATE_DIR/backups" && cp "${file}" "$WORKER_STATE_DIR/backups/it.tar.gz" &&
     bash -c "$(cat ${SCRIPT})" unpack-backup =nonce it.tar.gz`,
  );

const NOT_A_FILE = 'neither a file nor a folder: ';
const NOT_OF_IT = 'it does not belong into a backup: ';

it.each([
  {
    what: 'a link for the database',
    change: 'mv factory.db ..; ln -s ../factory.db factory.db',
    here: '"factory.db" (a link)',
    there: NOT_A_FILE,
  },
  {
    what: 'a FIFO for the database',
    change: 'rm factory.db; mkfifo factory.db',
    here: '"factory.db" (a FIFO)',
    there: NOT_A_FILE,
  },
  {
    what: 'a folder for the database',
    change: 'rm factory.db; mkdir factory.db',
    here: '"factory.db" (a folder)',
    there: `${NOT_OF_IT}factory.db`,
  },
  {
    what: 'a link among the pipelines',
    change: 'ln -s /etc pipelines/2',
    here: '"pipelines/2" (a link)',
    there: NOT_A_FILE,
  },
  { what: 'a hard link', change: 'ln factory.db pipelines/f', here: '(a hard link)', there: NOT_A_FILE },
  {
    what: 'a file that belongs elsewhere',
    change: 'mkdir -p worker; echo >worker/drain',
    here: '"worker/drain" (a file)',
    there: `${NOT_OF_IT}worker/drain`,
  },
  {
    what: 'a record twice',
    members: '* --hard-dereference state',
    here: 'it has state twice',
    there: 'File exists',
  },
  {
    what: 'a name that leads out',
    members: "--transform='s,^state$,../state,' *",
    here: 'a member with the name "../state"',
    there: "Removing leading `../'",
  },
  {
    what: 'a name from the root',
    members: "--absolute-names --transform='s,^state$,/state,' *",
    here: 'a member with the name "/state"',
    there: '/',
  },
])('$what is refused, here and in the worker', async ({ change = 'true', members = '*', here, there }) => {
  repack(change, members);
  const refused = await type('--dry-run');
  expect([refused.code, refused.stdout]).toEqual([1, '']);
  expect(refused.stderr).toContain(here);
  const said = await unpackInWorker();
  expect(said).toMatch(/^=nonce part unpacked rc=1 /);
  expect(said).toContain(there);
  expect(await left()).toBe('');
});

it.each([
  [
    'a view for the queue',
    'ALTER TABLE issue_queue RENAME TO q; CREATE VIEW issue_queue AS SELECT 2 AS id UNION SELECT 1',
  ],
  [
    'a view for the version',
    'ALTER TABLE schema_version RENAME TO v; CREATE VIEW schema_version AS SELECT 3 AS version',
  ],
  [
    'a trigger of that name',
    'CREATE TABLE x (y); CREATE TRIGGER Issue_Queue AFTER INSERT ON x BEGIN SELECT 1; END',
  ],
])('%s in the database: it is not taken', async (_, sql) => {
  repack(`sqlite3 factory.db '${sql}'`);
  const { code, stderr } = await type('--yes');
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining(
      'w was left as it was: its database cannot be read: issue_queue and schema_version are not both tables',
    ),
  ]);
  expect(await target.rows()).toEqual([]);
  expect(await left()).toBe('');
});

it.each([
  ['a link', 'ln -s real.db'],
  ['a FIFO', 'mkfifo'],
  [
    'a view',
    `sqlite3 "$HOME/.factory/real.db" 'ALTER TABLE issue_queue RENAME TO q; CREATE VIEW issue_queue AS SELECT 1 AS id'; cp "$HOME/.factory/real.db"`,
  ],
])('%s for the worker’s own database: no backup is made', async (what, make) => {
  await target.bash(
    `cd "$HOME/.factory" && factory queue list >/dev/null && mv factory.db real.db && ${make} factory.db`,
  );
  const { code, stderr } = await run(backup, ['w', join(here, 'own.tar.gz')], { env: target.laptop });
  await target.bash('rm -rf "$HOME"/.factory/{factory,real}.db*');
  const why =
    what === 'a view'
      ? 'issue_queue and schema_version are not both tables'
      : 'factory.db is not a regular file';
  expect([code, stderr]).toEqual([1, expect.stringMatching(`^error: the backup of w failed: .*${why}`)]);
  expect(await left()).toBe('');
});

it('is not opened by a sqlite3 that has no safe mode', async () => {
  const shim = join(target.dir, 'bin', 'sqlite3');
  writeFileSync(
    shim,
    `#!/bin/bash\nfor a; do if [ "$a" = -safe ]; then echo 'sqlite3: Error: unknown option: -safe' >&2; exit 1; fi; done\nexec /usr/bin/sqlite3 "$@"\n`,
    { mode: 0o755 },
  );
  const { code, stderr } = await type('--yes');
  rmSync(shim);
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('this sqlite3 has no safe mode; SQLite 3.37 or later is needed'),
  ]);
  expect(await target.rows()).toEqual([]);
});

it.each([
  ['a name that leads elsewhere', 'clone\\t../demo\\tfile:///srv/demo.git'],
  ['a program for its URL', 'clone\\tdemo\\thelper::something'],
  ['an option for its URL', 'clone\\tdemo\\t--option'],
])('a clone with %s is refused', async (_, line) => {
  repack(`printf '${line}\\n' >clones/list`);
  expect(await type('--dry-run')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('it names a clone'),
  });
});

it('a worktree that leads out of its clone, or names an option, is left out, and that is said', async () => {
  const commit = '7'.repeat(40);
  repack(
    `printf 'worktree\\tdemo\\t%s\\t%s\\t${commit}\\t-\\n' /../../out - /worktrees/issue-9 --orphan >>clones/list`,
  );
  const { code, stderr } = await type('--yes');
  await target.reset();
  expect(code).toBe(0);
  const notes = stderr.split('\n').filter((line) => line.startsWith('note: a line'));
  expect(notes).toEqual([
    'note: a line of its clones was left out: worktree demo /../../out',
    'note: a line of its clones was left out: worktree demo /worktrees/issue-9',
  ]);
});

it('what unpacks to more than it may is refused before it is in memory', async () => {
  repack('head -c 5000000 /dev/zero >state');
  expect(await type('--dry-run')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is not a whole backup: state is larger than 4.0MiB'),
  });
  const { signal } = new AbortController();
  await expect(readArchive(file, { signal }, 1_000_000)).rejects.toThrow(
    /is not a whole backup: it unpacks to more than 977KiB/,
  );
});

it('a FIFO is not waited for', async () => {
  rmSync(file);
  execFileSync('mkfifo', [file]);
  expect(await type('--dry-run')).toMatchObject({
    code: 1,
    stderr: `error: ${file} is not a regular file\n`,
  });
});
