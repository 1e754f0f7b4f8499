import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { doctor } from '../../scripts/doctor.ts';
import { checkKuberc } from '../../scripts/lib/health/laptop.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { needs } from '../support/needs.ts';
import { programLine } from '../support/program.ts';
import { run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
});
afterAll(() => worker.remove());

/** A mount that nobody else sees; without root where the kernel allows it. */
const NAMESPACES = ['--user', '--map-root-user', '--mount'];
const mayMount = () =>
  spawnSync('unshare', [...NAMESPACES, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

interface Section {
  readonly where: string;
  readonly findings: readonly { id: string; state: string; reason: string; fix: readonly string[] }[];
}

describe('a kuberc', () => {
  it.each([
    ['that is not there', null, []],
    ['with defaults alone', 'kind: Preference\ndefaults:\n- command: delete\n', []],
    ['that lets every program log in', 'credentialPluginPolicy: AllowAll\n', []],
    ['that lets none log in', 'credentialPluginPolicy: DenyAll\n', ['kuberc warn']],
    ['that names those which may, as JSON', '{"credentialPluginPolicy": "Allowlist"}', ['kuberc warn']],
  ])('%s', (_, text, expected) => {
    const home = mkdtempSync(join(tmpdir(), 'kuberc-'));
    if (text !== null) {
      mkdirSync(join(home, '.kube'));
      writeFileSync(join(home, '.kube', 'kuberc'), text);
    }
    const findings = checkKuberc({ env: { HOME: home } });
    rmSync(home, { recursive: true });
    expect(findings.map(({ id, state }) => `${id} ${state}`)).toEqual(expected);
  });
});

describe('doctor on a laptop with a local worker', () => {
  it('measures the worker for real and names what the laptop lacks', async () => {
    const { code, stdout } = await run(doctor, ['w', '-o', 'json'], { env: worker.laptop });
    const sections = JSON.parse(stdout) as Section[];
    expect(sections.map(({ where }) => where)).toEqual(['laptop', 'w']);
    const [laptop, inside] = sections;
    expect(laptop?.findings.map(({ id, state }) => `${id} ${state}`)).toEqual([
      // test/support points KUBECTL nowhere.
      'kubectl fail',
      expect.stringMatching(/^helm (ok|warn)$/),
      'workers-file ok',
    ]);
    expect(code).toBe(1);
    const find = (id: string) => inside?.findings.find((finding) => finding.id === id);
    expect(find('programs')?.state).toBe('ok');
    expect(find('noexec')?.state).toBe('ok');
    expect(readdirSync(worker.repos)).toEqual(['demo']);
    expect(find('docker')?.state).toBe('off');
    expect(find('clock')).toMatchObject({ state: 'ok' });
    expect(find('disk-state')?.reason).toMatch(new RegExp(`^${worker.state} is \\d+% full`));
    expect(find('inotify')?.reason).toMatch(/^\d+ instances, \d+ watches/);
  });

  it(
    'names the folder that is mounted noexec, and no other',
    needs(mayMount(), 'a mount namespace'),
    async () => {
      const line = programLine('doctor', 'w', '-o', 'json');
      const { stdout } = spawnSync(
        'unshare',
        [...NAMESPACES, 'bash', '-c', `mount -t tmpfs -o noexec none '${worker.repos}' && ${line}`],
        { env: { PATH: process.env['PATH'], ...worker.laptop }, encoding: 'utf8' },
      );
      const findings = (JSON.parse(stdout) as Section[]).at(-1)?.findings;
      expect(findings?.find(({ id }) => id === 'noexec')).toMatchObject({
        state: 'fail',
        reason: expect.stringContaining(`no program can run in ${worker.repos}:`),
      });
    },
  );

  it('without workers.yaml looks at the laptop, and says how to make one', async () => {
    const { code, stdout } = await run(doctor, [], { env: { HOME: '/nonexistent/home' } });
    expect(code).toBe(1);
    expect(stdout).toContain('there is no ~/.factory/workers.yaml');
    expect(stdout).toContain('→ one whose release is installed: factory-worker workers add worker-1');
  });
});
