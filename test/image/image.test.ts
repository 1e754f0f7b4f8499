/** What the image is, before anything runs in it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { docker, run } from './worker.ts';

const ROOT = join(import.meta.dirname, '../..');
const IMAGE = 'factory-worker:test';

async function inside(...argv: string[]): Promise<string> {
  return docker('run', '--rm', '--network', 'none', '--entrypoint', argv[0] ?? '', IMAGE, ...argv.slice(1));
}

interface ImageConfig {
  Entrypoint: string[];
  Env: string[];
  Labels: Record<string, string>;
  Volumes: Record<string, unknown>;
  ExposedPorts?: unknown;
}

async function config(): Promise<ImageConfig> {
  return JSON.parse(await docker('image', 'inspect', '--format', '{{json .Config}}', IMAGE)) as ImageConfig;
}

describe('configuration', () => {
  test('tini is PID 1 and signals nobody but its child; Docker has a volume; nothing listens', async () => {
    const { Entrypoint, Volumes, ExposedPorts } = await config();
    expect(Entrypoint[0]).toBe('/usr/bin/tini');
    expect(Entrypoint).not.toContain('-g');
    expect(Object.keys(Volumes)).toEqual(['/var/lib/docker']);
    expect(ExposedPorts).toBeUndefined();
  });

  test('labels and build.json say what it was made of', async () => {
    const { Labels } = await config();
    const build = JSON.parse(await inside('cat', '/etc/factory-worker/build.json'));
    expect(build.schema).toBe(1);
    expect(Labels['org.opencontainers.image.revision']).toBe(build.revision);
    expect(build.factory.sha256).toBe((await inside('sha256sum', '/usr/local/bin/factory')).split(' ')[0]);
    expect(build.packages).toMatchObject({
      docker: expect.stringMatching(/^26\.1\./),
      compose: expect.stringMatching(/^2\./),
      node: expect.stringMatching(/^v24\./),
      postgresql: expect.stringMatching(/^15\./),
      gh: expect.stringMatching(/gh version 2\.(8[2-9]|9\d|\d{3})\./),
    });
    const lock = JSON.parse(
      readFileSync(join(ROOT, 'image/npm/linux_amd64/package.json'), 'utf8'),
    ).dependencies;
    expect(build.packages.claude).toContain(lock['@anthropic-ai/claude-code-linux-x64']);
  });

  test('no secret and no registry’s host in environment, history or labels', async () => {
    const history = await docker('history', '--no-trunc', '--format', '{{.CreatedBy}}', IMAGE);
    const everything = `${history}\n${JSON.stringify(await config())}`;
    expect(everything).not.toMatch(/ghp_|github_pat_|sk-ant-|PRIVATE KEY|TOKEN=\S/);
    expect(everything).not.toMatch(/https?:\/\/\S*(registry|npmjs|proxy\.golang)/);
  });

  test('PostgreSQL brings no server that runs by itself, no key and no compiler', async () => {
    const script =
      'find /etc/ssl/private /var/lib/postgresql -type f; ls /usr/lib/*/libLLVM-* 2>/dev/null; id --user postgres';
    expect(await inside('bash', '-c', script)).toBe('70');
  });

  test('a changed entrypoint or supervisor rebuilds the last, small layers only', async () => {
    const history = await docker('history', '--human=false', '--format', '{{.Size}} {{.CreatedBy}}', IMAGE);
    const layers = history.split('\n');
    const entrypoint = layers.findIndex((line) => line.includes('COPY image/entrypoint.sh'));
    expect(entrypoint).toBeGreaterThan(0);
    const above = layers.slice(0, entrypoint + 1).reduce((sum, line) => sum + Number.parseInt(line, 10), 0);
    expect(above).toBeLessThan(2_000_000);
  });

  test('nothing that was only needed to build it is left', async () => {
    const script = 'du --summarize --block-size=1 /var/cache/apt /var/lib/apt/lists /var/log /tmp | cut -f 1';
    for (const bytes of (await inside('bash', '-c', script)).split('\n')) {
      expect(Number(bytes)).toBeLessThan(1_000_000);
    }
  });

  test('both platforms get the same versions', () => {
    const versions = (architecture: string) =>
      Object.entries(
        JSON.parse(readFileSync(join(ROOT, `image/npm/linux_${architecture}/package.json`), 'utf8'))
          .dependencies as Record<string, string>,
      ).map(([name, version]) => `${name.replace(/-(x64|arm64)$/, '')} ${version}`);
    expect(versions('arm64')).toEqual(versions('amd64'));
  });
});

describe('contents', () => {
  test('a login shell, as panes are, and a plain one find every program', async () => {
    const programs =
      'factory claude gh git go node npm docker tmux jq sqlite3 rg less ps ip make unzip ssh python3 gcc';
    for (const flags of ['-c', '-lc']) {
      const script = `export WORKER_PATH=$PATH; exec bash ${flags} 'for p in ${programs}; do command -v $p >/dev/null || echo $p; done'`;
      expect(await inside('bash', '-c', script), flags).toBe('');
    }
  });

  test('compose is v2 and Python’s is absent; Docker’s own programs are all there', async () => {
    expect(await inside('docker', 'compose', 'version')).toMatch(/v?2\.\d+/);
    // The name of Python's is the same program.
    expect(await inside('docker-compose', 'version')).toMatch(/v?2\.\d+/);
    expect(await inside('docker', 'buildx', 'version')).toMatch(/0\.\d+/);
  });

  test('configuration lies in /etc, with the three keys of GitHub', async () => {
    const script = 'cat /etc/tmux.conf /etc/gitconfig >/dev/null && ssh-keygen -lf /etc/ssh/ssh_known_hosts';
    const keys = await inside('bash', '-c', script);
    expect(keys.split('\n')).toHaveLength(3);
    expect(keys).toContain('SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU');
    expect(keys).toContain('SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM');
    expect(keys).toContain('SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s');
    expect(await inside('bash', '-c', 'ls -A /root')).not.toMatch(/gitconfig|tmux|ssh/);
  });

  test('no source of trixie is left behind, and apt still works for bookworm only', async () => {
    expect(await inside('bash', '-c', 'grep -rl trixie /etc/apt || echo none')).toBe('none');
  });
});

test('factory-worker-selfcheck runs unprivileged, read-only, without volumes and network', async () => {
  const answer = await docker(
    ...['run', '--rm', '--network', 'none', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'],
    ...['--user', '65534', '--entrypoint', 'factory-worker-selfcheck', IMAGE],
  );
  expect(answer.split('\n').at(-1)).toBe('ok');
});

describe('a factory that cannot work is refused at build time', () => {
  const check = async (make: string): Promise<{ code: number; said: string }> => {
    const work = mkdtempSync(join(tmpdir(), 'fw-check-'));
    try {
      writeFileSync(join(work, 'make.sh'), make);
      const result = await run([
        ...(['docker', 'run', '--rm', '--network', 'none'] as const),
        ...['--volume', `${join(ROOT, 'image/build')}:/build:ro`, '--volume', `${work}:/given`],
        ...['--entrypoint', 'bash', IMAGE, '-c'],
        'cd /tmp && source /given/make.sh && exec /build/check-factory.sh /tmp/factory amd64',
      ]);
      return { code: result.code, said: result.stdout + result.stderr };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  const compile = (body: string) => `
mkdir src && cd src && cat >main.c <<'C'
${body}
C
gcc -o /tmp/factory main.c; cd /tmp`;

  test.each([
    ['no file', 'touch factory', 'it is missing'],
    ['something else than a program', 'echo hello >factory', 'it is not a Linux program'],
    [
      'another platform',
      "cp /bin/true factory && printf '\\xb7\\x00' | dd of=factory bs=1 seek=18 conv=notrunc status=none",
      'it was built for arm64, this image is for amd64',
    ],
    [
      'a newer C library',
      'cp /bin/true factory && echo GLIBC_2.99 >>factory',
      'it needs GLIBC_2.99, this image has GLIBC_2.36',
    ],
    ['one that does not start', compile('int main(){return 3;}'), 'it does not start'],
    [
      'one that cannot open its database',
      compile(
        '#include <stdio.h>\n#include <string.h>\nint main(int c,char**v){if(c>1&&!strcmp(v[1],"version"))return puts("v1"),0;fputs("Binary was compiled with CGO_ENABLED=0",stderr);return 1;}',
      ),
      'it cannot open its database: Binary was compiled with CGO_ENABLED=0',
    ],
  ])('%s', async (_what, make, reason) => {
    const { code, said } = await check(make);
    expect(said).toContain(reason);
    expect(said).toContain('next: ');
    expect(code).toBe(1);
  });

  test('a program of this platform is accepted', async () => {
    const good = compile(
      '#include <stdio.h>\nint main(int c,char**v){puts(c>1&&v[1][0]==\'v\'?"v1":"null");return 0;}',
    );
    expect(await check(good)).toMatchObject({ code: 0 });
  });
});

describe('rules for Dockerfiles', () => {
  const lines = readFileSync(join(ROOT, 'image/Dockerfile'), 'utf8');
  test.each([
    ['the base can be pinned by digest', /^ARG BASE_IMAGE=\S+:\S+$/m, true],
    ['apt does not recommend', /apt-get install(?![^\n]*--no-install-recommends)/, false],
    ['apt’s lists are removed', /\/var\/lib\/apt\/lists\/\*/, true],
    ['COPY, never ADD', /^ADD /m, false],
    ['ENTRYPOINT and CMD in their JSON form', /^(ENTRYPOINT|CMD) (?!\[)/m, false],
    ['no sudo', /\bsudo\b/, false],
    ['pipes fail', /^SHELL \["\/bin\/bash", "-Eeuo", "pipefail", "-c"\]/m, true],
    ['no cd in RUN', /^RUN cd /m, false],
  ])('%s', (_rule, pattern, present) => {
    expect(pattern.test(lines)).toBe(present);
  });
});

describe('build.sh', () => {
  test('gives buildx what follows --, and nothing else about what is pushed', async () => {
    const work = mkdtempSync(join(tmpdir(), 'fw-push-'));
    try {
      // A builder that can attest, which only notes how it is called: that test/release decides what a push asks for.
      const script = `#!/bin/sh
case "$1 $2" in
  'buildx inspect') printf 'Name: x\\nDriver: docker-container\\n' ;;
  'buildx build') printf '%s ' "$@" >'${work}/call' ;;
  *) exit 1 ;;
esac
`;
      writeFileSync(join(work, 'docker'), script, { mode: 0o755 });
      const factory = join(ROOT, '.cache/image/factory-standin');
      const { code, stderr } = await run([
        ...(['env', `PATH=${work}:${process.env['PATH']}`, join(ROOT, 'image/build.sh')] as const),
        ...[
          '--base',
          'local:base',
          '--factory',
          factory,
          '--architecture',
          'amd64',
          '--',
          '--push',
          '--tag=t',
        ],
      ]);
      expect(code, stderr).toBe(0);
      const call = readFileSync(join(work, 'call'), 'utf8');
      expect(call).toMatch(/ --push --tag=t \. $/);
      expect(call).not.toMatch(/sbom|provenance/);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
});
