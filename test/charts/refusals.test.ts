import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Call, CHART, HELMS, refusal, template } from './helm.ts';

/** Sentences of the chart: the same in every Helm. */
const SENTENCES: readonly (readonly [string, Call, string])[] = [
  [
    'both sources of secrets',
    { values: { secrets: { existingSecret: 'mine', inline: { GH_TOKEN: 'canary', GH_USER: 'bot' } } } },
    'secrets.existingSecret and secrets.inline are both set (GH_TOKEN, GH_USER): keep only one.',
  ],
  [
    'an SSH key that is a path',
    { values: { secrets: { inline: { SSH_PRIVATE_KEY: '~/.ssh/canary' } } } },
    'secrets.inline.SSH_PRIVATE_KEY is not a private key: pass the file itself, --set-file secrets.inline.SSH_PRIVATE_KEY=FILE.',
  ],
  [
    'a database URL for another kind',
    {
      values: {
        database: { kind: 'postgres' },
        secrets: { inline: { DATABASE_URL: 'postgres://me:canary@db.example.com/queue' } },
      },
    },
    'secrets.inline.DATABASE_URL is not used with database.kind postgres: set database.kind=url, or leave it empty.',
  ],
  [
    'a database URL of another program',
    { values: { secrets: { inline: { DATABASE_URL: 'mysql://me:canary@db.example.com/queue' } } } },
    'secrets.inline.DATABASE_URL is not the URL of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:PORT/DATABASE.',
  ],
  [
    'a database without its URL',
    { values: { database: { kind: 'url' }, secrets: { inline: { GH_TOKEN: 'canary' } } } },
    'database.kind url needs a DATABASE_URL, and secrets.inline has none: set secrets.inline.DATABASE_URL, or secrets.existingSecret to a Secret with that key.',
  ],
  [
    'a URL beside a server of its own',
    {
      values: {
        database: { kind: 'postgres' },
        extraEnv: [{ name: 'DATABASE_URL', value: 'postgres://canary' }],
      },
    },
    'extraEnv[0] sets DATABASE_URL, which a worker with database.kind postgres sets itself: remove it, or set database.kind=url.',
  ],
  [
    'the kind of database as a variable',
    { values: { extraEnv: [{ name: 'FACTORY_DATABASE', value: 'url' }] } },
    'extraEnv[0] sets FACTORY_DATABASE: set database.kind instead.',
  ],
  [
    'the tag latest',
    { values: { image: { tag: 'latest' } } },
    'image.tag "latest" is refused: after a restart there is no telling which image runs. Set the tag that was pushed, or image.digest.',
  ],
  [
    'a tag that is none',
    { values: { image: { tag: 'a b' } } },
    'image.tag "a b" is not a valid tag: use letters, digits, "_", "." and "-", such as 0.1.0.',
  ],
  [
    'a digest that is none',
    { values: { image: { digest: 'sha256:12' } } },
    'image.digest "sha256:12" is not a valid digest: write sha256: and 64 hex digits, as the registry prints it.',
  ],
  [
    'a repository with a tag',
    { values: { image: { repository: 'registry.example.com:5000/team/worker:1' } } },
    'image.repository "registry.example.com:5000/team/worker:1" contains a tag or a digest: set image.tag or image.digest instead.',
  ],
  [
    'no repository',
    { values: { image: { repository: '' } } },
    'image.repository is empty: set where the worker image is, such as registry.example.com/team/factory-worker.',
  ],
  [
    'a name that would overflow',
    { release: `worker-${'x'.repeat(41)}` },
    `release name "worker-${'x'.repeat(41)}" is too long: "factory-worker-${'x'.repeat(41)}-secrets" would have 64 characters, Kubernetes allows 63. Choose one that is 1 shorter.`,
  ],
  [
    'a project without a repo',
    { values: { projects: [{ name: 'site' }] } },
    'projects[0] (site) has no repo: set owner/name, or a URL that git can clone.',
  ],
  [
    'a project without a name',
    { values: { projects: [{ repo: 'owner/site' }] } },
    'projects[0] has no name: set the one that dispatch --project will take.',
  ],
  [
    'a project whose name is a path',
    { values: { projects: [{ name: '../site', repo: 'owner/site' }] } },
    'projects[0].name "../site" is not a valid folder name: use at most 63 letters, digits, "_", "." and "-", beginning with a letter or digit.',
  ],
  [
    'two projects of one name',
    {
      values: {
        projects: [
          { name: 'site', repo: 'owner/site' },
          { name: 'site', repo: 'owner/other' },
        ],
      },
    },
    'projects[1].name "site" is already used by projects[0]: give each project its own name.',
  ],
  [
    'a repo that is none',
    { values: { projects: [{ name: 'site', repo: 'site' }] } },
    'projects[0].repo "site" is neither owner/name nor a URL that git can clone.',
  ],
  [
    'a repo with a token',
    { values: { projects: [{ name: 'site', repo: 'https://canary@github.com/owner/site' }] } },
    'projects[0].repo (site) has credentials in its URL: remove them, GH_TOKEN from the Secret is used.',
  ],
  [
    'a repo with a password',
    { values: { projects: [{ name: 'site', repo: 'ssh://me:canary@git.example.com/site' }] } },
    'projects[0].repo (site) has credentials in its URL: remove them, GH_TOKEN from the Secret is used.',
  ],
  [
    'an interval that is no time',
    { values: { orchestrator: { interval: 'often' } } },
    'orchestrator.interval "often" is not a valid duration: use seconds, or a number with s, m or h, such as 30s or 20m.',
  ],
  [
    'a wait that is no time',
    { values: { shutdown: { waitForStage: '20 min' } } },
    'shutdown.waitForStage "20 min" is not a valid duration: use seconds, or a number with s, m or h, such as 30s or 20m.',
  ],
  [
    'no interval at all',
    { values: { orchestrator: { interval: '0s' } } },
    'orchestrator.interval must be at least 1s: without a pause the loop would query GitHub nonstop. To turn the loop off, set orchestrator.enabled=false.',
  ],
  [
    'a grace period as long as the wait',
    { values: { terminationGracePeriodSeconds: 1259 } },
    'terminationGracePeriodSeconds 1259 is too short for shutdown.waitForStage 20m: set at least 1260, so that agents, stacks and Docker can still be stopped in order after the wait.',
  ],
  [
    'a volume size that is no quantity',
    { values: { persistence: { size: 'large' } } },
    'persistence.size "large" is not a valid size: use a number with Mi, Gi or Ti, such as 20Gi.',
  ],
  [
    'a size in bytes and words',
    { values: { docker: { storage: { size: '20 GB' } } } },
    'docker.storage.size "20 GB" is not a valid size: use a number with Mi, Gi or Ti, such as 20Gi.',
  ],
  [
    'a size of nothing',
    { values: { docker: { storage: { size: '0Gi' } } } },
    'docker.storage.size "0Gi" is zero: set a size such as 20Gi.',
  ],
  [
    'a reserve that is no quantity',
    { values: { docker: { memoryReserve: '1gb' } } },
    'docker.memoryReserve "1gb" is not a valid size: use a number with Mi, Gi or Ti, such as 20Gi.',
  ],
  [
    'a reserve as large as the limit',
    { values: { docker: { memoryReserve: '8192Mi' } } },
    'docker.memoryReserve 8192Mi leaves no memory for containers: set less than resources.limits.memory 8Gi.',
  ],
  [
    'a size limit below the size',
    { values: { docker: { storage: { size: '20Gi', sizeLimit: '10Gi' } } } },
    'docker.storage.sizeLimit 10Gi is below docker.storage.size 20Gi: the kubelet would evict the pod before the worker could clean up. Set a larger limit, or none.',
  ],
  [
    'a size limit of a volume',
    { values: { docker: { storage: { kind: 'ephemeral', sizeLimit: '30Gi' } } } },
    'docker.storage.sizeLimit only applies to kind emptyDir: leave it empty, a volume of kind ephemeral has docker.storage.size.',
  ],
  [
    'a claim for an emptyDir',
    { values: { docker: { storage: { existingClaim: 'mine' } } } },
    'docker.storage.existingClaim only applies to kind claim: set docker.storage.kind=claim, or leave it empty.',
  ],
  [
    'a class for an emptyDir',
    { values: { docker: { storage: { storageClass: 'fast' } } } },
    "docker.storage.storageClass only applies to kinds ephemeral and claim: leave it empty, an emptyDir is on the node's disk.",
  ],
  [
    'an MTU that is none',
    { values: { docker: { mtu: 150 } } },
    "docker.mtu 150 is not a valid MTU: use 576 to 9216, or 0 for the MTU of the pod's network.",
  ],
  [
    'an address pool that is none',
    { values: { docker: { addressPools: [{ base: '10.200.0.0', size: 24 }] } } },
    'docker.addressPools[0].base "10.200.0.0" is not a valid network: use one such as 10.200.0.0/16.',
  ],
  [
    'an address pool smaller than its networks',
    { values: { docker: { addressPools: [{ base: '10.200.0.0/16', size: 8 }] } } },
    'docker.addressPools[0].size 8 does not fit into 10.200.0.0/16: set the prefix length of each network, from 16 to 30, such as 24.',
  ],
  [
    'a mirror that is no URL',
    { values: { docker: { registryMirrors: ['mirror.example.com'] } } },
    'docker.registryMirrors[0] "mirror.example.com" is not a valid mirror: use a URL without a path, such as https://mirror.example.com.',
  ],
  [
    'a claim for no persistence',
    { values: { persistence: { enabled: false, existingClaim: 'mine' } } },
    'persistence.existingClaim "mine" is set while persistence.enabled is false: keep only one.',
  ],
  [
    'keep by annotation',
    { values: { persistence: { annotations: { 'helm.sh/resource-policy': 'delete' } } } },
    'persistence.annotations may not set helm.sh/resource-policy: set persistence.keep to true or false instead.',
  ],
  [
    'a probe in a hurry',
    { values: { probes: { readiness: { timeoutSeconds: 1 } } } },
    'probes.readiness.timeoutSeconds 1 is too short: set at least 10. A worker at its CPU limit answers late and would be restarted.',
  ],
  [
    'an environment entry of the chart',
    { values: { extraEnv: [{ name: 'WORKER_STATE_DIR', value: '/tmp' }] } },
    'extraEnv[0] sets WORKER_STATE_DIR: names that begin with WORKER_ are reserved for the chart.',
  ],
  [
    'a token as environment entry',
    { values: { extraEnv: [{ name: 'GH_TOKEN', value: 'canary' }] } },
    'extraEnv[0] sets GH_TOKEN: put it into the Secret (secrets.existingSecret or secrets.inline).',
  ],
  [
    'an environment entry twice',
    {
      values: {
        extraEnv: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
    },
    'extraEnv[1] sets A a second time: keep only one.',
  ],
  [
    'a volume of the chart',
    { values: { extraVolumes: [{ name: 'state', emptyDir: {} }] } },
    'extraVolumes[0] has the name "state", which the chart uses: choose another name.',
  ],
  [
    'a mount over the state',
    { values: { extraVolumeMounts: [{ name: 'mine', mountPath: '/root/.factory/' }] } },
    'extraVolumeMounts[0] would hide /root/.factory/, which the worker needs: mount it elsewhere.',
  ],
  [
    'a label of the selector',
    { values: { podLabels: { 'app.kubernetes.io/instance': 'other' } } },
    'podLabels may not set app.kubernetes.io/instance: the chart sets it.',
  ],
  [
    'a label of the chart',
    { values: { commonLabels: { 'helm.sh/chart': 'other' } } },
    'commonLabels may not set helm.sh/chart: the chart sets it.',
  ],
  [
    'an annotation of the chart',
    { values: { podAnnotations: { 'kubectl.kubernetes.io/default-container': 'other' } } },
    'podAnnotations may not set kubectl.kubernetes.io/default-container: the chart sets it.',
  ],
  [
    'a value set to null',
    { args: ['--set', 'replicas=null,docker.storage.kind=null'] },
    'values are missing: docker.storage.kind, replicas. Do not set them to null, and upgrade with --reset-then-reuse-values (--reuse-values lacks the keys that a newer chart added).',
  ],
];

/** Words of Helm's own schema check: those of now, and those of Helm 3.18.0, which has another engine. */
const SCHEMA: readonly (readonly [string, unknown, string, string])[] = [
  [
    'an unknown key',
    { bogus: 1 },
    "at '': additional properties 'bogus' not allowed",
    '(root): Additional property bogus is not allowed',
  ],
  [
    'an unknown key of image',
    { image: { name: 'x' } },
    "at '/image': additional properties 'name' not allowed",
    'image: Additional property name is not allowed',
  ],
  [
    'an unknown secret',
    { secrets: { inline: { GH_TOKN: 'canary' } } },
    "at '/secrets/inline': additional properties 'GH_TOKN' not allowed",
    'secrets.inline: Additional property GH_TOKN is not allowed',
  ],
  [
    'an unknown key of a project',
    { projects: [{ name: 'a', repo: 'o/a', ref: 'main' }] },
    "at '/projects/0': additional properties 'ref' not allowed",
    'projects.0: Additional property ref is not allowed',
  ],
  [
    'an unknown key deep down',
    { docker: { storage: { sizes: '1Gi' } } },
    "at '/docker/storage': additional properties 'sizes' not allowed",
    'docker.storage: Additional property sizes is not allowed',
  ],
  [
    'an unknown key of a probe',
    { probes: { liveness: { exec: {} } } },
    "at '/probes/liveness': additional properties 'exec' not allowed",
    'probes.liveness: Additional property exec is not allowed',
  ],
  [
    'two replicas',
    { replicas: 2 },
    "at '/replicas': value must be one of 0, 1",
    'replicas: replicas must be one of the following: 0, 1',
  ],
  [
    'an unknown pull policy',
    { image: { pullPolicy: 'always' } },
    "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    'image.pullPolicy: image.pullPolicy must be one of the following: "Always", "IfNotPresent", "Never"',
  ],
  [
    'an unknown access mode',
    { persistence: { accessMode: 'ReadWriteMany' } },
    "at '/persistence/accessMode': value must be one of 'ReadWriteOncePod', 'ReadWriteOnce'",
    'persistence.accessMode: persistence.accessMode must be one of the following: "ReadWriteOncePod", "ReadWriteOnce"',
  ],
  [
    'an unknown kind of storage',
    { docker: { storage: { kind: 'hostPath' } } },
    "at '/docker/storage/kind': value must be one of 'emptyDir', 'ephemeral', 'claim'",
    'docker.storage.kind: docker.storage.kind must be one of the following: "emptyDir", "ephemeral", "claim"',
  ],
  [
    'a token that is a number',
    { secrets: { inline: { GH_TOKEN: 31337 } } },
    "at '/secrets/inline/GH_TOKEN': got number, want string",
    'secrets.inline.GH_TOKEN: Invalid type. Expected: string, given: integer',
  ],
  [
    'an environment entry that is a number',
    { extraEnv: [{ name: 'RETRIES', value: 3 }] },
    "at '/extraEnv/0/value': got number, want string",
    'extraEnv.0.value: Invalid type. Expected: string, given: integer',
  ],
  [
    'an environment entry that is a boolean',
    { extraEnv: [{ name: 'VERBOSE', value: true }] },
    "at '/extraEnv/0/value': got boolean, want string",
    'extraEnv.0.value: Invalid type. Expected: string, given: boolean',
  ],
  [
    'docker as a switch',
    { docker: true },
    "at '/docker': got boolean, want object",
    'docker: Invalid type. Expected: object, given: boolean',
  ],
  [
    'a switch in words',
    { docker: { enabled: 'yes' } },
    "at '/docker/enabled': got string, want boolean",
    'docker.enabled: Invalid type. Expected: boolean, given: string',
  ],
  [
    'a size without a unit',
    { persistence: { size: 20 } },
    "at '/persistence/size': got number, want string",
    'persistence.size: Invalid type. Expected: string, given: integer',
  ],
  [
    'half a second',
    { orchestrator: { interval: 0.5 } },
    "at '/orchestrator/interval': got number, want integer or string",
    'orchestrator.interval: Invalid type. Expected: [string,integer], given: number',
  ],
  [
    'a pull secret that is an object of something else',
    { imagePullSecrets: [{ secret: 'x' }] },
    "at '/imagePullSecrets/0'",
    'imagePullSecrets.0: Must validate at least one schema (anyOf)',
  ],
];

describe.each(HELMS)('$name', (helm) => {
  test.each(SENTENCES)('refuses %s in one sentence', async (_case, call, sentence) => {
    expect(await refusal(helm, call)).toBe(sentence);
  });

  test.each(SCHEMA)('refuses %s by its schema', async (_case, values, words, olderWords) => {
    const said = await refusal(helm, { values });
    expect({ said, known: said.includes(words) || said.includes(olderWords) }).toMatchObject({ known: true });
  });

  test('shows all mistakes at once, each on a line of its own', async () => {
    const values = { image: { tag: 'latest' }, docker: { mtu: 1 }, projects: [{ name: 'a' }] };
    const lines = (await refusal(helm, { values })).split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['image.tag', 'projects[0]', 'docker.mtu']);
  });

  test('repeats no secret in an error', async () => {
    const everything = {
      secrets: { existingSecret: 'x', inline: { GH_TOKEN: 'canary', SSH_PRIVATE_KEY: 'canary' } },
    };
    for (const values of [
      everything,
      { secrets: { inline: 'canary' } },
      { secrets: { inline: ['canary'] } },
    ]) {
      const { code, stdout, stderr } = await template(helm, { values });
      expect(code).not.toBe(0);
      expect(stdout + stderr).not.toContain('canary');
    }
    for (const [, call] of SENTENCES) {
      if (!JSON.stringify(call).includes('canary') || JSON.stringify(call).includes('.ssh/canary')) continue;
      expect((await template(helm, call)).stderr).not.toContain('canary');
    }
  });
});

test('every check of the chart has a sentence here', () => {
  const source = readFileSync(`${CHART}/templates/_validate.tpl`, 'utf8').replace(
    /\{\{\/\*[\s\S]*?\*\/\}\}/g,
    '',
  );
  const sentences = source.split('\n').filter((line) => line.trim() !== '' && !/^\{\{-.*\}\}$/.test(line));
  const checks = sentences.filter((line) => /: |[.]$/.test(line));
  const constant = checks.map((line) => line.replace(/\{\{.*?\}\}/g, '\0').split('\0'));
  expect(checks.length).toBeGreaterThan(30);
  const missing = constant.filter(
    (parts) => !SENTENCES.some(([, , sentence]) => parts.every((part) => sentence.includes(part))),
  );
  expect(missing).toEqual([]);
});
