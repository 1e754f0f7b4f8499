/** What a push makes of the builder it finds: which options it gets, and what the operator is told. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildPushRollout } from '../../scripts/build-push-rollout.ts';
import { type FakeExec, fakeExec } from '../support/fake-exec.ts';
import { run } from '../support/run-command.ts';

const scratch = mkdtempSync(join(tmpdir(), 'release-push-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const factory = join(scratch, 'factory');
writeFileSync(factory, '#!/bin/sh\n');

const REPOSITORY = 'registry.example.com/team/worker';
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const INSPECTION = JSON.stringify({
  manifest: { digest: DIGEST },
  image: { os: 'linux', architecture: 'amd64', config: { Labels: {} } },
});

interface Builder {
  readonly driver?: string;
  /** Of the Docker behind a builder with the driver `docker`. */
  readonly store?: 'containerd' | 'own';
  /** What the build ends with, and what it leaves in its log. */
  readonly build?: { readonly code: number; readonly log: string | null };
  /** Whether the operator looks on. */
  readonly tty?: boolean;
}

function writeMetadata(argv: readonly string[]): void {
  const metadata = argv.find((word) => word.startsWith('--metadata-file='))?.split('=')[1];
  if (metadata !== undefined) writeFileSync(metadata, JSON.stringify({ 'containerimage.digest': DIGEST }));
}

/** A Docker, git and registry of which the registry has nothing until something was pushed. */
function machine({ driver = 'docker', store = 'own', build = { code: 0, log: '' } }: Builder): FakeExec {
  let there = false;
  return fakeExec((argv) => {
    const [program = '', log = ''] = argv;
    if (program.endsWith('/build.sh')) {
      there ||= argv.includes('--push');
      writeMetadata(argv);
      return { code: build.code };
    }
    const line = argv.join(' ');
    if (program === 'git') return { stdout: line.includes('--porcelain') ? '' : 'abc' };
    if (line.includes('buildx inspect')) return { stdout: `Name:   x\nDriver: ${driver}\n` };
    if (line.includes('docker info')) {
      return {
        stdout:
          store === 'own'
            ? '[["Supports d_type","true"]]'
            : '[["driver-type","io.containerd.snapshotter.v1"]]',
      };
    }
    if (line.includes('imagetools inspect'))
      return there ? { stdout: INSPECTION } : { code: 1, stderr: `ERROR: ${REPOSITORY}:t: not found` };
    if (line.includes('image inspect')) return { stdout: JSON.stringify([`${REPOSITORY}@${DIGEST}`]) };
    if (program.endsWith('with-log.sh')) {
      mkdirSync(dirname(log), { recursive: true });
      if (build.log === null) rmSync(log, { force: true });
      else writeFileSync(log, build.log);
      writeMetadata(argv);
      there ||= line.includes('--push') || line.includes('docker push');
      return { code: build.code };
    }
    return {};
  });
}

async function type(builder: Builder, stage: 'build' | 'push', ...flags: string[]) {
  return typeAndInterrupt(undefined, builder, stage, ...flags);
}

/** @param interruptAt Ctrl-C, as soon as this was printed */
async function typeAndInterrupt(
  interruptAt: string | undefined,
  builder: Builder,
  stage: 'build' | 'push',
  ...flags: string[]
) {
  const { tty = false } = builder;
  const exec = machine(builder);
  const env = { XDG_STATE_HOME: join(scratch, 'state') };
  const argv = [
    stage,
    '--image',
    `${REPOSITORY}:t`,
    '--factory',
    factory,
    '--platform',
    'linux/amd64',
    ...flags,
  ];
  const outcome = await run(buildPushRollout, argv, {
    exec,
    env,
    tty: tty ? ['stderr'] : [],
    ...(interruptAt === undefined ? {} : { interruptAt }),
  });
  const called = (name: string) =>
    exec.calls.filter(([program]) => program.endsWith(name)).map((call) => call.join(' '));
  return { ...outcome, logged: called('with-log.sh'), direct: called('/build.sh') };
}

const ABLE: readonly [string, Builder][] = [
  ['a builder of its own', { driver: 'docker-container' }],
  ['a builder in a cluster', { driver: 'kubernetes' }],
  ['the built-in builder over the containerd image store', { driver: 'docker', store: 'containerd' }],
];

describe('what is pushed carries its provenance and a list of its contents', () => {
  it.each(ABLE)('by %s, which pushes it itself', async (_, builder) => {
    const { code, stdout, stderr, logged } = await type(builder, 'push');
    expect([code, stdout], stderr).toEqual([0, `${REPOSITORY}@${DIGEST}\n`]);
    expect(logged).toEqual([expect.stringMatching(/ --push --provenance=mode=max --sbom=true /)]);
    expect(stderr).not.toContain('note:');
  });

  it('not from the built-in builder with a store of its own: it is said once, with the cure, and the push goes on', async () => {
    const { code, stdout, stderr, logged } = await type({ driver: 'docker', store: 'own' }, 'push');
    expect([code, stdout], stderr).toEqual([0, `${REPOSITORY}@${DIGEST}\n`]);
    expect(logged).toEqual([expect.stringContaining(' --load'), expect.stringMatching(/ docker push /)]);
    expect(logged.join()).not.toMatch(/sbom|provenance/);
    expect(stderr.match(/^note: .*$/gm)).toEqual([
      expect.stringMatching(/no SBOM and no provenance.*built-in builder.*docker buildx create --use/),
    ]);
  });

  it.each(ABLE)('without the list, by %s: --no-sbom', async (_, builder) => {
    const { code, stderr, logged } = await type(builder, 'push', '--no-sbom');
    expect(code, stderr).toBe(0);
    expect(logged).toEqual([expect.stringContaining(' --push --provenance=mode=max ')]);
    expect(logged.join()).not.toContain('sbom');
  });

  it('not for an image that stays here', async () => {
    const { code, stderr, logged } = await type({ driver: 'docker-container' }, 'build');
    expect(code, stderr).toBe(0);
    expect(logged.join()).not.toMatch(/sbom|provenance|--push/);
    expect(stderr).not.toContain('note:');
  });

  it('a dry run of build shows no push, one of push does', async () => {
    const builder = { driver: 'docker-container' };
    expect((await type(builder, 'build', '--dry-run')).stdout).toMatch(/^\S+with-log\.sh .* --load\n$/);
    expect((await type(builder, 'push', '--dry-run')).stdout).toMatch(/ --push .*\n.*imagetools create/);
  });
});

describe('on a terminal', () => {
  it('a build has it for itself, and a push for its progress', async () => {
    const { code, stdout, stderr, logged, direct } = await type({ driver: 'docker', tty: true }, 'push');
    expect([code, stdout], stderr).toEqual([0, `${REPOSITORY}@${DIGEST}\n`]);
    expect(direct).toEqual([expect.stringMatching(/ --load$/)]);
    expect(direct.join()).not.toContain('--progress');
    expect(logged).toEqual([expect.stringMatching(/ docker push /)]);
  });

  it('a builder that pushes does both there', async () => {
    const { code, stdout, stderr, logged, direct } = await type(
      { driver: 'docker-container', tty: true },
      'push',
    );
    expect([code, stdout], stderr).toEqual([0, `${REPOSITORY}@${DIGEST}\n`]);
    expect([direct.length, logged]).toEqual([1, []]);
  });

  it('what failed is to be read above, and the ways out are named', async () => {
    const failing: Builder = { driver: 'docker-container', build: { code: 1, log: null }, tty: true };
    const { code, stderr } = await type(failing, 'push');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error: the build failed \(1\): Docker said why, above\n.*docker login registry\.example\.com\n.*--no-sbom\n/,
    );
    expect((await type(failing, 'push', '--no-sbom')).stderr).not.toContain('SBOM');
    expect((await type(failing, 'build')).stderr).not.toContain('docker login');
  });

  it('elsewhere the end of the log is printed when it failed, and nothing before', async () => {
    const log = Array.from({ length: 50 }, (_, n) => `#1 line ${n}`).join('\n');
    const { stderr } = await type(
      { driver: 'docker-container', build: { code: 1, log: `${log}\nERROR: no\n` } },
      'build',
    );
    expect(stderr).toContain('\n  #1 line 49\n  ERROR: no\n');
    expect(stderr).not.toContain('line 30\n');
    const good = await type({ driver: 'docker-container', build: { code: 0, log } }, 'build');
    expect(good.stderr).not.toContain('#1');
  });
});

/** As BuildKit and buildx said it. */
const SAID = {
  scanner:
    'ERROR: failed to solve: failed to resolve source metadata for registry.example.com/docker/buildkit-syft-scanner:stable-1: failed to do request: Head "https://r/v2/docker/buildkit-syft-scanner/manifests/stable-1": dial tcp: lookup r: no such host',
  cut: `ERROR: failed to solve: failed to push ${REPOSITORY}:t: failed to do request: Head "https://r/v2/w/blobs/sha256:da": dial tcp 127.0.0.1:1: connect: connection refused`,
  readOnly: `ERROR: failed to solve: failed to push ${REPOSITORY}:t: unexpected status from POST request to https://r/v2/w/blobs/uploads/: 405 Method Not Allowed`,
};

describe('a push that fails', () => {
  const failing = (said: string) => ({
    driver: 'docker-container',
    build: { code: 1, log: `#1 a\n${said}\n` },
  });

  it('for want of the scanner names the way out', async () => {
    const { code, stderr } = await type(failing(SAID.scanner), 'push');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error: the build failed \(1\): failed to solve: .*buildkit-syft-scanner.*\n {2}.*--no-sbom/,
    );
    // Whoever has typed it is not told to type it.
    expect((await type(failing(SAID.scanner), 'push', '--no-sbom')).stderr).not.toContain('--no-sbom');
  });

  it.each([
    ['whose registry went away', SAID.cut, /connection refused\n {2}is the registry up/],
    ['into a registry that takes nothing', SAID.readOnly, /405 Method Not Allowed\n {2}.*garbage/],
  ])('%s is no failed build, and has the hints of a registry', async (_, said, expected) => {
    const { code, stderr } = await type(failing(said), 'push');
    expect(code).toBe(1);
    expect(stderr).toContain(`error: cannot push ${REPOSITORY}:t: `);
    expect(stderr).toMatch(expected);
    expect(stderr).toMatch(/what Docker said: \S+\.log\n/);
  });

  it('before anything was logged is told without a stack', async () => {
    const { code, stderr } = await type({ ...failing(''), build: { code: 1, log: null } }, 'push');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('error: the build failed (1): it said nothing'),
    ]);
  });

  it.each([
    ['the builder that pushes by itself', { driver: 'docker-container' }, 'building '],
    ['the build before it', { driver: 'docker' }, 'building '],
    ['Docker', { driver: 'docker' }, 'pushing '],
  ] as const)('by Ctrl-C in %s, says that it can be typed again', async (_, builder, at) => {
    const { code, stderr, logged } = await typeAndInterrupt(at, builder, 'push');
    expect([code, stderr]).toEqual([
      130,
      expect.stringMatching(/error: the \w+ was interrupted.*run it again/),
    ]);
    expect(logged.join().includes('docker push')).toBe(at === 'pushing ');
  });
});
