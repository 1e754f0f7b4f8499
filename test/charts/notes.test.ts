import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { install, upgrade, useDryRuns } from './dry-run.ts';
import { CHART, HELMS, ROOT } from './helm.ts';

useDryRuns();

const full = join(CHART, 'ci', 'full-values.yaml');

describe.each(HELMS)('$name', (helm) => {
  const notes = async (values: object = {}) => (await install(helm, { values })).info.notes;

  test('the next commands are printed, ready to type', async () => {
    const text = await notes();
    for (const command of [
      'kubectl --namespace factory rollout status deployment/factory-worker-1 --timeout=10m',
      'kubectl --namespace factory exec deployment/factory-worker-1 -- worker-health ready',
      'npx tsx scripts/workers.ts add worker-1 --pod factory-worker-1 --namespace factory',
      'npx tsx scripts/list.ts',
      'npx tsx scripts/dispatch.ts worker-1 --project NAME --issue NUMBER',
      'npx tsx scripts/status.ts worker-1',
      'npx tsx scripts/attach.ts worker-1',
      'helm test worker-1 --namespace factory --logs',
      'helm upgrade worker-1 charts/factory-worker --namespace factory --reset-then-reuse-values --values FILE',
      'helm uninstall worker-1 --namespace factory',
      'kubectl --namespace factory delete persistentvolumeclaim factory-worker-1-data',
    ]) {
      expect(text.split('\n').map((line) => line.trim())).toContain(command);
    }
    expect(existsSync(join(ROOT, 'charts/factory-worker'))).toBe(true);
    expect(await notes({ projects: [{ name: 'site', repo: 'o/site' }] })).toContain('--project site --issue');
  });

  test('the entry for workers.yaml is one, and the four fields are right', async () => {
    const text = (await install(helm, { release: 'factory-blue', namespace: 'team' })).info.notes;
    const [, entry = ''] = /workers\.yaml[^\n]*\n\n((?: {2}.*\n)+)/.exec(text) ?? [];
    expect(parse(`workers:\n${entry}`)).toEqual({
      workers: [{ name: 'blue', pod: 'factory-blue', namespace: 'team', context: 'CONTEXT' }],
    });
  });

  test('a release without credentials says how to add them, one with them does not', async () => {
    const command =
      'kubectl --namespace factory create secret generic factory-worker-1-secrets --from-env-file=FILE';
    expect(await notes()).toContain('WARNING: no credentials were given');
    expect(await notes()).toContain(command);
    for (const secrets of [{ existingSecret: 'mine' }, { inline: { GH_TOKEN: 'x' } }]) {
      const text = await notes({ secrets });
      expect(text).not.toContain('no credentials');
      expect(text).not.toContain(command);
    }
  });

  test('inline tokens are warned of and not repeated', async () => {
    const inline = { GH_TOKEN: 'canary-7f3a', CLAUDE_CODE_OAUTH_TOKEN: 'canary-7f3b' };
    const text = await notes({ secrets: { inline } });
    expect(text).toContain('WARNING: the tokens were given as values');
    expect(text).toContain('(CLAUDE_CODE_OAUTH_TOKEN, GH_TOKEN)');
    expect(text).not.toContain('canary');
    expect(await notes({ secrets: { existingSecret: 'mine' } })).not.toContain('given as values');
  });

  test('what Pod Security has to admit is said, and how to see and change it', async () => {
    const check = 'kubectl --namespace factory get events --field-selector reason=FailedCreate';
    const label =
      'kubectl label namespace factory --overwrite pod-security.kubernetes.io/{enforce,audit,warn}=';
    expect(await notes()).toContain(`${label}privileged\n`);
    expect(await notes()).toContain(check);
    expect(await notes({ docker: { enabled: false } })).toContain(`${label}baseline\n`);
  });

  test('an image without a registry is warned of', async () => {
    expect(await notes()).toContain('WARNING: the image "factory-worker:0.1.0" names no registry');
    const image = { repository: 'registry.example.com/team/factory-worker' };
    expect(await notes({ image })).not.toContain('names no registry');
  });

  test('persistence that is off is warned of, and uninstalling says what stays', async () => {
    expect(await notes()).not.toContain('WARNING: persistence is off');
    expect(await notes()).toContain('This keeps the volume factory-worker-1-data');
    const off = await notes({ persistence: { enabled: false } });
    expect(off).toContain('WARNING: persistence is off');
    expect(off).not.toContain('factory-worker-1-data');
    expect(await notes({ persistence: { keep: false } })).toContain(
      'This also deletes the volume factory-worker-1-data',
    );
    expect(await notes({ persistence: { existingClaim: 'mine' } })).toContain('Your volume mine is kept');
  });

  test('a stopped worker says how to start it', async () => {
    expect(await notes({ replicas: 0 })).toContain('--reset-then-reuse-values --set replicas=1');
    expect(await notes()).not.toContain('STOPPED');
  });

  test('which values restart the pod is said, with the exceptions of this release', async () => {
    const text = await notes();
    expect(text).toMatch(/No restart: projects, the content of the Secret, orchestrator, claude, shutdown/);
    expect(text).toMatch(/Restart, .*: image, database, every other docker value/);
    expect(text).not.toContain('not with');
    const special = await notes({ docker: { storage: { kind: 'ephemeral' } }, secrets: { asEnv: true } });
    expect(special).toMatch(/docker\.storage\.size\s+\(not with kind ephemeral\)/);
    expect(special).toContain('the content of the Secret (not with secrets.asEnv)');
    expect(await notes({ secrets: { asEnv: true, existingSecret: 'mine' } })).toContain(
      'kubectl --namespace factory rollout restart deployment/factory-worker-1`',
    );
  });

  test('an upgrade says that it is one', async () => {
    const installed = await install(helm, { files: [full] });
    expect(installed.info.notes).toMatch(
      /^Worker worker-1 is installed as factory-worker-1 in the namespace factory\./,
    );
    const upgraded = await upgrade(helm, installed, {}, '--reset-then-reuse-values');
    expect(upgraded.info.notes).toMatch(/^Worker worker-1 is upgraded as factory-worker-1/);
  });

  test('notes are whole: no template left over, no gap, no line too long for a terminal', async () => {
    for (const files of [[], [full], [join(CHART, 'ci', 'existing-values.yaml')]]) {
      const text = (await install(helm, { files })).info.notes;
      expect(text).not.toMatch(/\{\{|<no value>|%!|\n\n\n| \n/);
      const prose = text.split('\n').filter((line) => !/^ {2,}(kubectl|helm|npx) /.test(line));
      for (const line of prose) expect(line.length).toBeLessThanOrEqual(140);
    }
  });
});
