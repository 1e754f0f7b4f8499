/** `rollback`: rolls a worker back to its previous image. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { type Rolled, rolledBy } from './lib/helm/manifest-diff.ts';
import { shortReference } from './lib/registry/reference.ts';
import { CAMPAIGN_FLAGS, campaignOptions, clusterWorkers, runCampaign } from './lib/release/campaign.ts';
import type { ReleaseRequest } from './lib/release/plan.ts';
import { type Helmed, releaseContext, type Target } from './lib/release/preflight.ts';
import { isOf, type ReleaseRecord } from './lib/release/record.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const rollback = defineCommand({
  name: 'rollback',
  summary: SUMMARIES.rollback,
  description: `Goes back to the newest revision with another image that did not fail; helm history lists them. The running stage ends first
and the state is backed up. If the newer image migrated the state, the backup from before that is restored, unless an issue was
added since. Back from PostgreSQL to SQLite, the rows that the release imported are taken out of SQLite. A revision brings its number
of pods along: a stopped worker is not rolled back to one that would start it.`,
  positionals: [WORKER],
  flags: {
    revision: { type: 'string', value: 'N', description: 'Helm revision to go back to' },
    ...CAMPAIGN_FLAGS,
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'to the previous image'],
    ['worker-1 --revision 4 --yes', 'to revision 4 of helm history, without asking'],
    ['worker-1 --dry-run', 'what would be done'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const options = campaignOptions(flags, outputFormat(flags, FORMATS) === 'json');
    const to = flags.revision === undefined ? null : Number(flags.revision);
    if (to !== null && !(Number.isInteger(to) && to > 0))
      throw new UsageError(`--revision takes a number; not "${flags.revision}"`);
    const { worker, timeoutMs } = await findWorker(context, flags, name);
    const around = releaseContext(context, timeoutMs);
    return runCampaign(
      clusterWorkers([worker]),
      async (target, records) => {
        const { revision, image, replicas } = await whereTo(target, records, to, context);
        const request: ReleaseRequest = {
          kind: 'rollback',
          image,
          revision,
          replicas,
          prepull: !flags['no-prepull'],
          drain: !flags.now,
          chartUpgrade: true,
          importRows: false,
          undo: migrationOver(target, records),
        };
        return request;
      },
      'Roll back',
      around,
      options,
    );
  },
});

type Rollback = Pick<ReleaseRequest, 'revision' | 'image' | 'replicas'>;

/** @throws CliError when there is no revision to go back to */
async function whereTo(
  { worker, workload, helmed }: Target,
  records: readonly ReleaseRecord[],
  to: number | null,
  { stderr, commandLine }: Context,
): Promise<Rollback> {
  const mine = records.filter((record) => isOf(record, worker));
  // An interrupted rollback has recorded its target.
  const open = mine.at(-1);
  if (helmed === null) {
    if (to !== null)
      throw new UsageError(`${worker.name} was not installed by the chart: it has no revisions`);
    const before = mine.findLast(
      ({ state, image, previous }) =>
        state === 'done' && image === workload.image && previous.image !== image,
    );
    if (before === undefined) {
      throw new CliError(
        `it is not known here what ${worker.name} ran before ${shortReference(workload.image)}`,
        {
          hints: [
            `name the image: ${commandLine('build-push-rollout', 'rollout', worker.name, '--image', 'REFERENCE')}`,
          ],
        },
      );
    }
    return { revision: null, image: before.previous.image, replicas: null };
  }
  if (to === null && open?.kind === 'rollback' && open.state === 'running') {
    const revision = await revisionWith(helmed, workload.container, (image) => image === open.image);
    if (revision !== null) return revision;
  }
  const failed = new Set(
    mine.filter(({ state }) => state === 'rolled-back' || state === 'failed').map(({ image }) => image),
  );
  const found =
    to === null
      ? await revisionWith(
          helmed,
          workload.container,
          (image) => image !== workload.image && !failed.has(image),
        )
      : await revisionWith(helmed, workload.container, () => true, to);
  if (found === null) {
    throw new CliError(
      to === null
        ? `${worker.name} has no earlier revision with another image`
        : `${worker.name} has no revision ${to}`,
      {
        hints: [
          `what there is: ${helmed.helm.command(helmed.release, ['history', helmed.release.name]).join(' ')}`,
        ],
      },
    );
  }
  stderr.write(`${worker.name}: revision ${found.revision} had ${shortReference(found.image)}\n`);
  return found;
}

/** The newest revision that was in effect and has an acceptable image. */
async function revisionWith(
  { helm, release, history, status }: Helmed,
  container: string,
  wanted: (image: string) => boolean,
  only: number | null = null,
): Promise<(Rolled & { readonly revision: number }) | null> {
  const candidates = history.filter(
    (item) =>
      (only === null ? item.revision !== status.revision : item.revision === only) &&
      (item.status === 'superseded' || item.status === 'deployed'),
  );
  for (const { revision } of candidates.toReversed()) {
    const rolled = rolledBy(await helm.manifest(release, revision), container);
    if (rolled !== null && wanted(rolled.image)) return { revision, ...rolled };
  }
  return null;
}

/** The release that brought the present image, if it migrated the state. */
function migrationOver(
  { worker, workload }: Target,
  records: readonly ReleaseRecord[],
): ReleaseRecord | null {
  const brought = records.findLast(
    (record) => isOf(record, worker) && record.state === 'done' && record.image === workload.image,
  );
  return brought?.migration === true && brought.kind === 'rollout' ? brought : null;
}

await runIfMain(import.meta.url, rollback);
