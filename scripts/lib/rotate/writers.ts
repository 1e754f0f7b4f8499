/** Two ways to give a worker tokens: write the operator's own Secret, or upgrade the release that owns it. */
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Change, chartDrift, chartPath, findHelm, keepStopped, upgradeArgs } from '../helm/helm.ts';
import { manifestChanges } from '../helm/manifest-diff.ts';
import { action, type Step, silently, step } from '../plan.ts';
import {
  encoded,
  expectWritten,
  releaseOf,
  type SecretObject,
  UNSHOWN,
  verbFor,
  withTokens,
  writeArgs,
  writeSecret,
} from '../secret/secret.ts';
import type { Token } from '../secret/tokens.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { kubectlArgv, remove } from '../transport/objects.ts';
import { findDeployment } from '../worker/workload.ts';

export interface Writer {
  /** Writes the tokens. */
  readonly step: Step<'secret'>;
  /** Undoes that. */
  putBack(): Promise<void>;
}

export interface Place {
  readonly context: Context;
  readonly cluster: Cluster;
  readonly worker: ClusterWorker;
  /** The Secret as read; null where there is none yet. */
  readonly secret: SecretObject | null;
  readonly name: string;
  /** Whether the chart of this checkout is allowed to change more than the tokens. */
  readonly chartUpgrade: boolean;
}

/**
 * @param tokens the tokens to write
 * @throws CliError when this checkout's chart would change more than the Secret, unless `chartUpgrade`
 */
export async function chooseWriter(place: Place, tokens: readonly Token[]): Promise<Writer> {
  const release = releaseOf(place.secret);
  return release === null ? ownWriter(place, tokens) : inlineWriter(place, release, tokens);
}

function ownWriter({ cluster, worker, secret: before, name }: Place, tokens: readonly Token[]): Writer {
  let written: SecretObject | null = null;
  const secret = withTokens(before, name, tokens);
  const typed = shellLine(kubectlArgv(cluster, worker, writeArgs(verbFor(secret))));
  const write = silently(async () => {
    written = await writeSecret(cluster, worker, secret);
  });
  return {
    step: step(
      'secret',
      before === null ? '+' : '~',
      before === null ? `creates the Secret ${name}` : `into the Secret ${name}`,
      action(write, `${typed}${UNSHOWN}`),
    ),
    async putBack() {
      if (written === null) return;
      if (before === null) {
        await remove(cluster, worker, 'secret', name);
        return;
      }
      const { resourceVersion } = written.metadata;
      const restored = withTokens(before, name, []);
      await writeSecret(cluster, worker, {
        ...restored,
        metadata: { ...restored.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      });
    },
  };
}

/**
 * For a Secret that the chart created from `secrets.inline`: if it were written directly, the next upgrade would bring the
 * old token back.
 */
async function inlineWriter(
  { context, cluster, worker, secret: before, name, chartUpgrade }: Place,
  releaseName: string,
  tokens: readonly Token[],
): Promise<Writer> {
  const helm = await findHelm(context);
  const release = { name: releaseName, worker };
  const replicas = (await findDeployment(cluster, worker))?.replicas ?? 1;
  const change = (values: Readonly<Record<string, string>>): Change =>
    keepStopped(
      { chart: chartPath(), values: { secrets: { inline: values } }, description: 'rotate: new tokens' },
      replicas,
    );
  const fresh = Object.fromEntries(tokens.map(({ key, value }) => [key, value]));
  const [now, then] = await Promise.all([helm.manifest(release), helm.render(release, change(fresh))]);
  // With `secrets.asEnv` the pod has a checksum of them, and always one of its DATABASE_URL, so that it restarts.
  const others = manifestChanges(now, then, []).filter(
    (line) =>
      !line.startsWith('~ Secret/') &&
      !/checksum\/(secrets|database):/.test(line) &&
      !/: [-+] replicas: \d+$/.test(line),
  );
  if (others.length > 0 && !chartUpgrade) {
    const { why, hints } = chartDrift('would change in more than its tokens', others);
    throw new CliError(`${worker.name} ${why}`, { hints });
  }
  const old = Object.fromEntries(
    tokens.map(({ key }) => [key, Buffer.from(before?.data?.[key] ?? '', 'base64').toString('utf8')]),
  );
  const bring = async (values: Readonly<Record<string, string>>) => {
    await helm.upgrade(release, change(values));
    await expectWritten(cluster, worker, name, encoded(values), 'helm');
  };
  const typed = shellLine(helm.command(release, upgradeArgs(release, change(fresh))));
  return {
    step: step(
      'secret',
      '~',
      `into the release ${releaseName}, whose chart made the Secret. Helm's record of its earlier revisions keeps the old ones: revoke them afterwards`,
      action(
        silently(() => bring(fresh)),
        `${typed}${UNSHOWN}`,
      ),
    ),
    putBack: () => bring(old),
  };
}
