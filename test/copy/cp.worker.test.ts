import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
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
import { cp } from '../../scripts/cp.ts';
import { planCopy } from '../../scripts/lib/copy/places.ts';
import { staysInside } from '../../scripts/lib/copy/unpack.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { isRoot, needs } from '../support/needs.ts';
import { run } from '../support/run-command.ts';

let worker: HandWorker;
let kubectl: FakeKubectl;
let here: string;
beforeAll(async () => {
  worker = await handWorker();
  kubectl = fakeKubectl(worker.cluster());
});
beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'cp-test-'));
});
afterEach(async () => {
  kubectl.setRules(worker.cluster());
  rmSync(here, { recursive: true, force: true });
  await worker.bash('rm -rf "$HOME"/[a-z]* "$HOME"/.factory-worker-cp.*');
});
afterAll(async () => {
  kubectl.remove();
  await worker.remove();
});

const type = (...argv: string[]) => run(cp, argv, { env: { KUBECTL: kubectl.path, ...worker.laptop } });
const home = () => worker.env['HOME'] ?? '';
/** Everything in a folder, leavings of copies included. */
const inside = (folder: string) => readdirSync(folder).toSorted();

describe('what is copied where', () => {
  it.each([
    ['worker-1:a/b', '.', { direction: 'from', worker: 'worker-1', from: 'a/b', to: '.' }],
    ['x', 'worker-1:', { direction: 'to', worker: 'worker-1', from: 'x', to: '~' }],
    ['./a:b', 'worker-1:/c:d', { direction: 'to', worker: 'worker-1', from: './a:b', to: '/c:d' }],
  ] as const)('%s %s', (source, destination, plan) => {
    expect(planCopy(source, destination)).toEqual(plan);
  });

  it.each([
    ['a', 'b', /neither side/],
    ['w:a', 'w:b', /both sides/],
  ])('%s %s is refused', async (source, destination, message) => {
    expect(await type(source, destination)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(message),
    });
  });
});

describe.each([
  ['a local worker', 'w'],
  ['a pod', 'worker-1'],
])('cp and %s', (_, name) => {
  it('carries a file there and back, byte for byte', async () => {
    const content = randomBytes(3_000_000);
    writeFileSync(join(here, 'it’s big'), content);
    expect(await type(join(here, 'it’s big'), `${name}:big`)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/→ \S+:\S+\/home\/big: 2\.9MiB in [\d.]+s, sum compared\n$/),
    });
    expect(readFileSync(join(home(), 'big')).equals(content)).toBe(true);
    const back = await type(`${name}:big`, join(here, 'again'), '-o', 'json');
    expect(JSON.parse(back.stdout)).toMatchObject({
      destination: join(here, 'again'),
      bytes: content.length,
      archiveBytes: expect.any(Number),
    });
    expect(
      createHash('sha256')
        .update(readFileSync(join(here, 'again')))
        .digest('hex'),
    ).toBe(createHash('sha256').update(content).digest('hex'));
    expect(inside(here)).toEqual(['again', 'it’s big']);
  });

  it('carries a folder with links and empty folders, into a folder or under another name', async () => {
    mkdirSync(join(here, 'tree', 'empty'), { recursive: true });
    writeFileSync(join(here, 'tree', 'f'), 'x');
    symlinkSync('f', join(here, 'tree', 'l'));
    await worker.bash('mkdir "$HOME/there"');
    expect((await type(join(here, 'tree'), `${name}:there`)).code).toBe(0);
    expect((await type(`${name}:there/tree`, join(here, 'copy'))).code).toBe(0);
    expect(inside(join(here, 'copy'))).toEqual(['empty', 'f', 'l']);
    expect(readlinkSync(join(here, 'copy', 'l'))).toBe('f');
  });

  it('--dry-run says what would lie where and what it would replace, and copies nothing', async () => {
    writeFileSync(join(here, 'f'), 'new');
    await worker.bash('echo old >"$HOME/g"; mkdir "$HOME/d"');
    expect(await type(join(here, 'f'), `${name}:d/`, '--dry-run')).toMatchObject({
      code: 0,
      stdout: `${join(here, 'f')} → ${name}:${home()}/d/f\n`,
    });
    expect(await type(join(here, 'f'), `${name}:g`, '--dry-run')).toMatchObject({
      stdout: expect.stringContaining('g, which it replaces\n'),
    });
    const fetched = await type(`${name}:g`, here, '--dry-run', '-o', 'json');
    expect(JSON.parse(fetched.stdout)).toEqual({
      schema: 1,
      source: `${name}:g`,
      destination: join(here, 'g'),
      replaces: false,
      dryRun: true,
    });
    expect(await type(`${name}:none`, here, '--dry-run')).toMatchObject({ code: 1 });
    expect(await type(join(here, 'f'), `${name}:no/where`, '--dry-run')).toMatchObject({ code: 1 });
    expect([inside(here), inside(join(home(), 'd'))]).toEqual([['f'], []]);
    expect(readFileSync(join(home(), 'g'), 'utf8')).toBe('old\n');
  });

  it('replaces a file, never a folder', async () => {
    writeFileSync(join(here, 'f'), 'new');
    await worker.bash('echo old >"$HOME/f"; mkdir "$HOME/d"; mkdir "$HOME/d/f"');
    expect((await type(join(here, 'f'), `${name}:f`)).code).toBe(0);
    expect(readFileSync(join(home(), 'f'), 'utf8')).toBe('new');
    expect(await type(join(here, 'f'), `${name}:d`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('/d/f is there already'),
    });
    mkdirSync(join(here, 'g', 'f'), { recursive: true });
    expect(await type(`${name}:f`, join(here, 'g'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is there already'),
    });
  });

  it('says what is not there, on either side', async () => {
    expect(await type(join(here, 'none'), `${name}:x`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no'),
    });
    expect(await type(`${name}:none`, here)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`there is no ${home()}/none`),
    });
    writeFileSync(join(here, 'f'), '');
    expect(await type(join(here, 'f'), `${name}:no/where`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no folder'),
    });
    expect(await type(`${name}:.factory`, '/no/where')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no folder /no'),
    });
  });
});

describe('what is taken from a worker', () => {
  /** The worker's tar, for one copy: what it packs instead of what it was told to. */
  async function fetchLying(pack: string, name = 'thing') {
    const shim = join(worker.dir, 'bin', 'tar');
    writeFileSync(shim, `#!/bin/bash\ncd "$HOME" && exec /usr/bin/tar --create --file=- ${pack}\n`, {
      mode: 0o755,
    });
    try {
      return await type(`w:${name}`, join(here, 'copy'));
    } finally {
      rmSync(shim);
    }
  }

  it('is a file or a folder: a link, a FIFO or a device is refused', async () => {
    await worker.bash('cd "$HOME" && ln -s /etc/hostname link && mkfifo fifo');
    expect(await type('w:link', join(here, 'copy'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('/link is a link to /etc/hostname; copy what it points to'),
    });
    expect(await type('w:fifo', join(here, 'copy'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('/fifo is neither a file nor a folder, but a fifo'),
    });
    expect(await type('w:fifo', join(here, 'copy'), '--dry-run')).toMatchObject({ code: 1 });
    expect(inside(here)).toEqual([]);
  });

  it.each([
    [
      'a link',
      'ln -s /etc/hostname thing.really',
      '--transform=s/.really// thing.really',
      /: thing is a link/,
    ],
    ['a FIFO', 'mkfifo thing.really', '--transform=s/.really// thing.really', /: thing is a FIFO/],
    ['two files', 'echo >other', 'thing other', /: besides thing it has other/],
    ['a name outside', 'true', '--absolute-names "$HOME/thing"', /a member with the name "\/|it begins with/],
    ['nothing', 'true', '--files-from=/dev/null', /: it is empty/],
  ])('%s for the file that was asked for is refused', async (_, make, pack, message) => {
    await worker.bash(`cd "$HOME" && echo >thing && ${make}`);
    const { code, stdout, stderr } = await fetchLying(pack);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(inside(here)).toEqual([]);
  });

  it('is never written through a link', async () => {
    mkdirSync(join(here, 'mine'));
    await worker.bash(
      `cd "$HOME" && mkdir -p thing a/thing b/thing/l && ln -s "${join(here, 'mine')}" a/thing/l && echo theirs >b/thing/l/f`,
    );
    const { code } = await fetchLying('-C a thing -C ../b thing/l/f');
    expect(code).toBe(1);
    expect(inside(join(here, 'mine'))).toEqual([]);
    expect(inside(here)).toEqual(['mine']);
  });

  it('has the links that stay inside it; what else is neither file nor folder is left out, and named', async () => {
    await worker.bash(
      `cd "$HOME" && mkdir -p tree/sub && cd tree && echo x >f && ln f second && ln -s f near && ln -s ../f sub/up && ln -s . sub/here &&
       ln -s /etc/hostname out && ln -s ../../x sub/far && ln -s sub/../../x bent && mkfifo fifo && touch $'\\xff'`,
    );
    const { code, stdout, stderr } = await type('w:tree', join(here, 'copy'), '-o', 'json');
    expect(code).toBe(0);
    expect(inside(join(here, 'copy'))).toEqual(['f', 'near', 'second', 'sub']);
    expect(inside(join(here, 'copy', 'sub'))).toEqual(['here', 'up']);
    expect(readFileSync(join(here, 'copy', 'sub', 'up'), 'utf8')).toBe('x\n');
    expect(statSync(join(here, 'copy', 'second')).nlink).toBe(1);
    const left = [
      'tree/bent (a link to sub/../../x)',
      'tree/fifo (a FIFO)',
      'tree/out (a link to /etc/hostname)',
      'tree/sub/far (a link to ../../x)',
      'tree/\ufffd (its name is not UTF-8)',
    ];
    expect(
      stderr
        .split('\n  ')
        .map((line) => line.trim())
        .toSorted(),
    ).toEqual(['note: 5 entries left out:', ...left].toSorted());
    const { leftOut, leftOutCount } = JSON.parse(stdout);
    expect(
      leftOut.map(({ path, what }: { path: string; what: string }) => `${path} (${what})`).toSorted(),
    ).toEqual(left);
    expect(leftOutCount).toBe(5);
  });

  it('has no special permission bits, and folders that can be entered and emptied', async () => {
    await worker.bash(
      `cd "$HOME" && mkdir -p tree/closed && cd tree && echo x >closed/f && echo >program && chmod 6755 program && chmod 1777 . && chmod 000 closed`,
    );
    expect((await type('w:tree', join(here, 'copy'))).code).toBe(0);
    const mode = (name: string) => (statSync(join(here, 'copy', name)).mode & 0o7777).toString(8);
    const umask = process.umask();
    expect(['.', 'program', 'closed'].map(mode)).toEqual([
      (0o777 & ~umask).toString(8),
      (0o755 & ~umask).toString(8),
      '700',
    ]);
    expect(readFileSync(join(here, 'copy', 'closed', 'f'), 'utf8')).toBe('x\n');
  });

  // Only root can make one. Number 1:3 is the null device.
  it('has no devices', needs(isRoot, 'root'), async () => {
    await worker.bash('cd "$HOME" && mkdir tree && echo >tree/f && mknod tree/null c 1 3');
    expect(await type('w:tree', join(here, 'copy'))).toMatchObject({
      code: 0,
      stderr: 'note: 1 entry left out:\n  tree/null (a device)\n',
    });
    expect(inside(join(here, 'copy'))).toEqual(['f']);
  });

  it('keeps its times', async () => {
    await worker.bash(
      'cd "$HOME" && mkdir tree && echo >tree/f && touch -d 2020-02-02T00:00:00Z tree/f tree',
    );
    expect((await type('w:tree', join(here, 'copy'))).code).toBe(0);
    const times = ['.', 'f'].map((name) => statSync(join(here, 'copy', name)).mtime.toISOString());
    expect(times).toEqual(Array(2).fill('2020-02-02T00:00:00.000Z'));
  });

  // Only root can make a file system.
  it('is never more than there is room for', needs(isRoot, 'root'), async () => {
    await worker.bash('head -c 30000000 /dev/zero >"$HOME/big"');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'none', here]);
    try {
      const { code, stderr } = await type('w:big', here);
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/^error: w sends more than there is room for: 16\.0MiB in/),
      ]);
      expect(inside(here)).toEqual([]);
    } finally {
      execFileSync('umount', [here]);
    }
  });

  it.each([
    ['tree/l', 'f', true],
    ['tree/l', './sub/f', true],
    ['tree/l', '.', true],
    ['tree/a/b/l', '../../f', true],
    ['tree/l', '..', false],
    ['tree/l', '../tree/f', false],
    ['tree/a/l', '../../f', false],
    ['tree/a/l', 'x/../../../f', false],
    ['tree/l', 'other/..', false],
    ['tree/l', '/etc/hostname', false],
    ['tree/l', '', false],
  ])('%s → %s stays inside: %s', (path, target, expected) => {
    expect(staysInside(path, target)).toBe(expected);
  });
});

describe('what is in the way', () => {
  it('here: anything but a regular file stays, and a link goes on to point to its file', async () => {
    await worker.bash('echo new >"$HOME/f"');
    execFileSync('mkfifo', [join(here, 'fifo')]);
    expect(await type('w:f', join(here, 'fifo'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('/fifo is not a regular file; nothing was written'),
    });
    expect(lstatSync(join(here, 'fifo')).isFIFO()).toBe(true);
    writeFileSync(join(here, 'file'), 'old');
    symlinkSync('file', join(here, 'link'));
    expect((await type('w:f', join(here, 'link'))).code).toBe(0);
    expect(readlinkSync(join(here, 'link'))).toBe('file');
    expect(readFileSync(join(here, 'file'), 'utf8')).toBe('new\n');
  });

  it('in the worker: anything but a regular file stays', async () => {
    writeFileSync(join(here, 'f'), 'new');
    await worker.bash('mkfifo "$HOME/fifo"');
    for (const flags of [[], ['--dry-run']]) {
      expect(await type(join(here, 'f'), 'w:fifo', ...flags)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('/fifo is there already: a fifo'),
      });
    }
    expect(lstatSync(join(home(), 'fifo')).isFIFO()).toBe(true);
  });
});

// Only root can make a volume.
it('onto a full volume says so, and what makes room', needs(isRoot, 'root'), async () => {
  const folder = join(home(), 'small');
  await worker.bash(`mkdir "${folder}" && mount -t tmpfs -o size=1m none "${folder}"`);
  try {
    writeFileSync(join(here, 'big'), randomBytes(2_000_000));
    const { code, stderr } = await type(join(here, 'big'), 'worker-1:small/');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /worker-1 has no room for it, and was left as it was: .*\n {2}leftovers of finished issues that can be removed: factory-worker cleanup worker-1 --dry-run\n/,
      ),
    ]);
    expect(inside(folder)).toEqual([]);
  } finally {
    await worker.bash(`umount "${folder}"`);
  }
});

describe('a broken connection', () => {
  const cutExec = (rule: object) =>
    kubectl.setRules([
      ...worker.cluster().slice(0, 1),
      { match: ['exec', '--stdin'], run: { env: worker.env, cwd: worker.dir }, ...rule },
      ...worker.cluster().slice(1),
    ]);

  it('that cuts what is fetched, yet ends with success, leaves nothing here', async () => {
    await worker.bash('head -c 500000 /dev/urandom >"$HOME/big"');
    cutExec({ cutAfter: 100_000 });
    const { code, stdout, stderr } = await type('worker-1:big', join(here, 'big'));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/broke|not what was sent/);
    expect(inside(here)).toEqual([]);
  });

  it('that swallows the answer to what was sent leaves nothing in the worker', async () => {
    writeFileSync(join(here, 'big'), randomBytes(500_000));
    // The nonce, `ready` and the two paths still come through; the sum does not.
    cutExec({ cutAfter: 130 });
    const { code, stderr } = await type(join(here, 'big'), 'worker-1:big');
    expect(code).toBe(1);
    expect(stderr).toContain('broke');
    expect(existsSync(join(home(), 'big'))).toBe(false);
    expect(inside(home()).filter((name) => name.includes('-cp.'))).toEqual([]);
  });

  it('on which nothing moves ends after --timeout: 124', async () => {
    writeFileSync(join(here, 'f'), 'x');
    cutExec({ hang: true, run: undefined });
    const { code, stderr } = await type(join(here, 'f'), 'worker-1:f', '--timeout', '1s');
    expect([code, stderr]).toEqual([124, expect.stringContaining('nothing moved for 1s')]);
  });
});
