/** Two ways to give a worker tokens: into a Secret of the operator's own, or through the release whose Secret it is. */
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Change, chartPath, findHelm } from '../helm/helm.ts';
import { manifestChanges } from '../helm/manifest-diff.ts';
import {
  encoded,
  expectWritten,
  releaseOf,
  type SecretObject,
  withTokens,
  writeSecret,
} from '../secret/secret.ts';
import type { Token } from '../secret/tokens.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { remove } from '../transport/objects.ts';

export interface Writer {
  /** For people, before it is done. */
  readonly how: string;
  write(tokens: readonly Token[]): Promise<void>;
  /** Undoes the write. */
  putBack(): Promise<void>;
}

export interface Place {
  readonly context: Context;
  readonly cluster: Cluster;
  readonly worker: ClusterWorker;
  /** The Secret as it was read; null where there is none yet. */
  readonly secret: SecretObject | null;
  readonly name: string;
  /** Whether the chart of this checkout may change more than the tokens. */
  readonly chartUpgrade: boolean;
}

/**
 * @param tokens those that will be written
 * @throws CliError when the chart here would change more than the Secret, unless `chartUpgrade`
 */
export async function chooseWriter(place: Place, tokens: readonly Token[]): Promise<Writer> {
  const release = releaseOf(place.secret);
  return release === null ? ownWriter(place) : inlineWriter(place, release, tokens);
}

function ownWriter({ cluster, worker, secret: before, name }: Place): Writer {
  let written: SecretObject | null = null;
  return {
    how: before === null ? `makes the Secret ${name}` : `into the Secret ${name}`,
    async write(tokens) {
      written = await writeSecret(cluster, worker, withTokens(before, name, tokens));
    },
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
 * For a Secret that the chart made from `secrets.inline`: written past the release, the next upgrade would bring the old
 * token back.
 */
async function inlineWriter(
  { context, cluster, worker, secret: before, name, chartUpgrade }: Place,
  releaseName: string,
  tokens: readonly Token[],
): Promise<Writer> {
  const helm = await findHelm(context);
  const release = { name: releaseName, worker };
  const change = (values: Readonly<Record<string, string>>): Change => ({
    chart: chartPath(),
    values: { secrets: { inline: values } },
    description: 'rotate: new tokens',
  });
  const inline = (given: readonly Token[]) => Object.fromEntries(given.map(({ key, value }) => [key, value]));
  const [now, then] = await Promise.all([
    helm.manifest(release),
    helm.render(release, change(inline(tokens))),
  ]);
  // With `secrets.asEnv` the pod carries a sum of them, so that it restarts.
  const others = manifestChanges(now, then, []).filter(
    (line) => !line.startsWith('~ Secret/') && !line.includes('checksum/secrets:'),
  );
  if (others.length > 0 && !chartUpgrade) {
    throw new CliError(`the chart of this checkout would change more of ${worker.name} than its tokens`, {
      hints: [
        ...others.slice(0, 10),
        `take it all the same: ${context.commandLine('rotate', worker.name, '--chart-upgrade')}`,
      ],
    });
  }
  const old = Object.fromEntries(
    tokens.map(({ key }) => [key, Buffer.from(before?.data?.[key] ?? '', 'base64').toString('utf8')]),
  );
  const bring = async (values: Readonly<Record<string, string>>) => {
    await helm.upgrade(release, change(values));
    await expectWritten(cluster, worker, name, encoded(values), 'helm');
  };
  return {
    how: `into the release ${releaseName}, whose chart made the Secret. Helm's record of its earlier revisions keeps the old ones: revoke them afterwards`,
    write: (given) => bring(inline(given)),
    putBack: () => bring(old),
  };
}
