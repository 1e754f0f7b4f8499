import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cp } from '../../scripts/cp.ts';
import { planCopy } from '../../scripts/lib/copy/places.ts';
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
        /worker-1 has no room for it, and was left as it was: .*\n {2}what can go .*: factory-worker cleanup worker-1 --dry-run\n/,
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
