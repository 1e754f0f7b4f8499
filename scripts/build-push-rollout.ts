/** `build-push-rollout`: brings a new image from this checkout to the workers, without losing work. */
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { didYouMean } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import { keepingTag, parseReference, pinned, shortReference } from './lib/registry/reference.ts';
import { addTag, lookUp } from './lib/registry/registry.ts';
import { type Built, buildImage, lastPushed, planBuild, pushImage } from './lib/release/build.ts';
import { type BuildOptions, planOptions } from './lib/release/build-options.ts';
import { CAMPAIGN_FLAGS, campaignOptions, clusterWorkers, runCampaign } from './lib/release/campaign.ts';
import { type ReleaseContext, releaseContext } from './lib/release/preflight.ts';
import { openConnections } from './lib/transport/connections.ts';
import { readWorkload } from './lib/worker/workload.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;
const STAGES = ['build', 'push', 'rollout', 'release'] as const;
type Stage = (typeof STAGES)[number];

const FLAGS = {
  all: { type: 'boolean', description: 'all workers of workers.yaml in a cluster' },
  image: {
    type: 'string',
    value: 'REFERENCE',
    description: 'image: repository[:tag] to build and push; …@sha256:… or a tag to roll out',
  },
  factory: {
    type: 'string',
    value: 'FILE',
    description: 'the factory program for the image; else $FACTORY_BIN, else $FACTORY_DIR/linux_ARCH/factory',
  },
  platform: {
    type: 'list',
    value: 'linux/ARCH',
    description: "amd64 or arm64; default: that of the cluster's nodes",
  },
  base: {
    type: 'string',
    value: 'IMAGE',
    description: 'base image; else $BASE_IMAGE, else golang:1.23-bookworm',
  },
  'allow-dirty': {
    type: 'boolean',
    description: 'push even with uncommitted changes in the checkout',
  },
  'no-sbom': {
    type: 'boolean',
    description: 'push without an SBOM, for which the builder pulls a scanner',
  },
  'chart-upgrade': {
    type: 'boolean',
    description: 'also upgrade to the chart of this checkout, which may change more than the image',
  },
  import: {
    type: 'boolean',
    description:
      'from SQLite to PostgreSQL: add the open rows to the new queue one by one, before the worker goes on',
  },
  restart: { type: 'boolean', description: 'rollout: only restart, with the present image' },
  ...CAMPAIGN_FLAGS,
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagsOf = Input<typeof FLAGS>['flags'];

export const buildPushRollout = defineCommand({
  name: 'build-push-rollout',
  summary: SUMMARIES['build-push-rollout'],
  description: `STAGE is build, push, rollout or release (all three; the default). For each worker: the new image checks itself on the
worker's node, the running stage ends, the state is backed up, the image is changed and verified; failures are rolled back.
One worker goes first, the others follow. After an interruption, the same command continues where it stopped.

From a build with SQLite to one with PostgreSQL, a worker with open rows is refused. With --import they are added to the new
queue, each once and in their order, before the worker takes up work.`,
  positionals: [
    { name: 'STAGE', required: false },
    { name: 'WORKER', required: false, repeat: true },
  ],
  flags: FLAGS,
  examples: [
    ['release --all --factory ../taintfactory/bin/factory', 'everything, for all workers'],
    ['build --image registry.example.com/team/factory-worker', 'only build, into the local Docker'],
    ['push --image registry.example.com/team/factory-worker', 'build if needed, push; prints the digest'],
    ['rollout worker-1 worker-2 --image registry.example.com/team/factory-worker:v1.4', 'an existing image'],
    ['rollout worker-1 --restart --yes', 'the same image again'],
    [
      'rollout worker-1 --image …@sha256:… --import --allow-state-migration',
      'to a build with PostgreSQL, with its queue',
    ],
    ['rollout --all --dry-run', 'print the plan with every command; changes nothing'],
  ],
  async run({ flags, positionals }, context) {
    const { stage, names } = stageAndNames(positionals);
    const format = outputFormat(flags, FORMATS);
    const around = releaseContext(context, parseDuration(flags.timeout, '--timeout'));
    const options = campaignOptions(flags, format === 'json');
    if (flags.restart && stage !== 'rollout') throw new UsageError('--restart belongs to rollout');
    if (flags.import) refuseImport(stage, flags);
    const rolls = stage === 'rollout' || stage === 'release';
    const workers = await workersFor(context, flags, names, rolls);
    openConnections(context, workers);
    if (rolls && !options.yes && !options.dryRun && !context.interactive) {
      // Before spending minutes on a build.
      throw new UsageError('a rollout restarts workers, and there is no terminal to ask on', 'give --yes');
    }
    let image: string | null = null;
    if (stage !== 'rollout') {
      const build = await buildOptions(context, flags, workers, around, stage !== 'build');
      if (options.dryRun)
        for (const line of planBuild(build, context.env, stage !== 'build').lines)
          context.stdout.write(`${line}\n`);
      else {
        const made = await makeImage(context, stage, build);
        if (!rolls) return reportImage(context, made, format === 'json');
        image = made.image;
      }
      if (options.dryRun && !rolls) return;
      image ??= `${build.repository}@sha256:${'0'.repeat(64)}`;
    } else if (!flags.restart) image = await imageToRoll(context, flags, options.dryRun);
    return runCampaign(
      workers,
      async ({ workload }) => ({
        kind: flags.restart ? 'restart' : 'rollout',
        image: image ?? workload.image,
        revision: null,
        prepull: !flags['no-prepull'],
        drain: !flags.now,
        replicas: null,
        chartUpgrade: flags['chart-upgrade'],
        importRows: flags.import,
        undo: null,
      }),
      flags.restart ? 'Restart' : `Roll to ${shortReference(image ?? '')}`,
      around,
      options,
    );
  },
});

/** @throws UsageError when nothing can be imported, or rows would be taken up meanwhile */
function refuseImport(stage: Stage, { restart, now }: FlagsOf): void {
  if (stage === 'build' || stage === 'push') throw new UsageError('--import belongs to rollout and release');
  if (restart) throw new UsageError('--import and --restart cannot be used together: the database stays');
  if (now)
    throw new UsageError(
      '--import and --now cannot be used together',
      'rows are imported in a drained worker',
    );
}

/** The first word may be a stage; a worker with such a name can be given as the second one. */
function stageAndNames([first, ...rest]: readonly string[]): { stage: Stage; names: readonly string[] } {
  const stage = STAGES.find((word) => word === first);
  if (stage !== undefined) return { stage, names: rest };
  const meant = first === undefined ? null : didYouMean(first, STAGES);
  if (meant !== null && rest.length === 0 && !/\d$/.test(first ?? ''))
    throw new UsageError(`no stage "${first}"`, meant);
  return { stage: 'release', names: first === undefined ? [] : [first, ...rest] };
}

async function workersFor(
  context: Context,
  flags: FlagsOf,
  names: readonly string[],
  needed: boolean,
): Promise<ClusterWorker[]> {
  if (flags.all && names.length > 0)
    throw new UsageError('--all and names of workers cannot be used together');
  if (needed && !flags.all && names.length === 0)
    throw new UsageError('WORKER is missing', 'name some, or all: --all');
  if (!flags.all && names.length === 0 && flags.image !== undefined) return [];
  const file = await loadWorkers(context.env, flags, context.commandLine);
  if (names.length > 0) return clusterWorkers(chooseWorkers(file, names));
  const all = file.workers.filter(
    (worker: WorkerEntry): worker is ClusterWorker => worker.runtime === 'kubernetes',
  );
  if (needed && all.length === 0) throw new UsageError('workers.yaml names no worker in a cluster');
  return all;
}

async function buildOptions(
  context: Context,
  flags: FlagsOf,
  workers: readonly ClusterWorker[],
  { cluster }: ReleaseContext,
  push: boolean,
): Promise<BuildOptions> {
  const [first] = workers;
  let reference = flags.image === undefined ? null : parseReference(flags.image);
  if (reference?.digest)
    throw new UsageError('--image names a digest: that is built already', 'roll it out: rollout');
  if (reference === null && first !== undefined) {
    reference = { ...parseReference((await readWorkload(cluster, first)).image), tag: null, digest: null };
    context.stderr.write(`repository ${reference.repository}, as ${first.name} has it\n`);
  }
  if (reference === null) throw new UsageError('--image is missing, so there is no repository to push to');
  return planOptions(context, cluster, first ?? null, {
    repository: reference.repository,
    tag: reference.tag,
    factory: flags.factory,
    platforms: flags.platform,
    base: flags.base,
    allowDirty: flags['allow-dirty'],
    sbom: !flags['no-sbom'],
    push,
  });
}

async function makeImage(context: Context, stage: Stage, build: BuildOptions): Promise<Built> {
  if (stage === 'build') return buildImage(context, build);
  return pushImage(context, build);
}

function reportImage({ stdout }: Context, built: Built, json: boolean): undefined {
  stdout.write(json ? renderJson(built) : `${built.image}\n`);
}

/** The image to roll out, by its digest. */
async function imageToRoll(context: Context, flags: FlagsOf, dryRun: boolean): Promise<string> {
  const { stderr, env } = context;
  const given = flags.image ?? lastPushed(env);
  if (given === null) {
    throw new UsageError(
      '--image is missing, and nothing has been pushed from here',
      'build and push first: release, or push',
    );
  }
  if (flags.image === undefined) stderr.write(`the image that was pushed last: ${given}\n`);
  const { repository, tag, digest } = parseReference(given);
  if (digest !== null) return pinned(repository, digest);
  const name = `${repository}:${tag ?? 'latest'}`;
  const found = await lookUp(context, name);
  if (found === null) {
    throw new CliError(`the registry has no image ${name}`, { hints: ['push it first: push'] });
  }
  stderr.write(`${name} is ${found.digest}\n`);
  // An untagged manifest is garbage-collected, and then neither a new node nor a rollback can pull it.
  if (!dryRun) {
    await addTag(context, repository, found.digest, keepingTag(found.digest)).catch((error: Error) => {
      stderr.write(
        `note: ${error.message}; if the tag moves to another image, the registry may delete this one\n`,
      );
    });
  }
  return pinned(repository, found.digest);
}

await runIfMain(import.meta.url, buildPushRollout);
