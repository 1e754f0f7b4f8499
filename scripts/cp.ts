/** `cp`: copies files and folders to and from a worker. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { type Context, defineCommand } from './lib/cli/command.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { showProgress } from './lib/cli/progress.ts';
import { runIfMain } from './lib/cli/run.ts';
import { bytes, count, printable } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import {
  type Copy,
  contentBytes,
  type LocalEntry,
  localEntry,
  planCopy,
  prepareTarget,
  resolveTarget,
} from './lib/copy/places.ts';
import { fetch, foresee, type Road, send, type Transferred } from './lib/copy/transfer.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { makeRoom } from './lib/worker/status.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const cp = defineCommand({
  name: 'cp',
  summary: SUMMARIES.cp,
  description: `One side is WORKER:PATH; a relative PATH is relative to the worker's home. The copy is unpacked beside its destination and
moved there only if its checksum matches: it is complete or not there at all. An existing file is replaced, a folder never.
--timeout is how long the transfer may stall.
From a worker, owners and special permission bits such as setuid are dropped. Links that stay inside the copied folder are
kept; other links, devices and FIFOs are skipped and listed.`,
  positionals: [
    { name: 'SRC', required: true },
    { name: 'DST', required: true },
  ],
  flags: {
    'dry-run': {
      type: 'boolean',
      description: 'show what would be copied where, and what it would replace; copy nothing',
    },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1:.factory/pipelines/23 .', 'all of the pipeline of issue 23'],
    ['notes.md worker-1:.factory/repos/deathcookies/', 'a file into a clone'],
    ['./seed worker-1:/tmp/seed', 'a folder, under another name'],
  ],
  async run({ flags, positionals: [source = '', destination = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const plan = planCopy(source, destination);
    const { worker, timeoutMs, enter } = await findWorker(context, flags, plan.worker, BY_KUBECTL);
    // Report what cannot be read or written here before asking the worker.
    const entry = plan.direction === 'to' ? localEntry(plan.from) : null;
    const final =
      plan.direction === 'from'
        ? await resolveTarget(plan.to, basename(plan.from.replace(/(?<!\/)\/+$/, '')))
        : '';
    const { transport } = await enter();
    const road: Road = {
      exec: context.exec,
      transport,
      signal: context.signal,
      timeoutMs,
      worker: worker.name,
      makeRoom: makeRoom(worker.name, context.commandLine),
    };
    if (flags['dry-run']) {
      const { text, ...outlook } = await foretell(plan, entry, final, road);
      context.stdout.write(format === 'json' ? renderJson({ source, ...outlook, dryRun: true }) : text);
      return undefined;
    }
    const begun = performance.now();
    const progress = showProgress(context.stderr, await totalOf(plan, entry, road, context));
    const watched = { ...road, onProgress: progress.update };
    const done = await (entry === null
      ? fetch(watched, plan.from, prepareTarget(final))
      : send(watched, entry, plan.to)
    ).finally(progress.clear);
    const place = plan.direction === 'to' ? `${worker.name}:${done.path}` : done.path;
    if (done.warning !== '') context.stderr.write(`note: ${printable(done.warning)}\n`);
    for (const line of leftOutLines(done)) context.stderr.write(`${printable(line)}\n`);
    context.stdout.write(
      format === 'json'
        ? renderJson({
            source,
            destination: place,
            bytes: done.contentBytes,
            archiveBytes: done.bytes,
            archiveSha256: done.sha256,
            leftOut: done.leftOut,
            leftOutCount: done.leftOutCount,
          })
        : `${source} → ${place}: ${bytes(done.contentBytes)} in ${((performance.now() - begun) / 1000).toFixed(1)}s, sum compared\n`,
    );
    return undefined;
  },
});

/** How much there is to copy, for the progress; null where nobody sees it, or the worker does not say. */
async function totalOf(
  plan: Copy,
  entry: LocalEntry | null,
  road: Road,
  { stderr }: Context,
): Promise<number | null> {
  if (!stderr.isTTY) return null;
  if (entry !== null) return contentBytes(entry);
  const { fact } = await foresee(road, 'cp-send', [plan.from]);
  return /^\d+$/.test(fact) ? Number(fact) : null;
}

/** How many skipped entries are listed. */
const SHOWN = 10;

/** The entries that were skipped. */
function leftOutLines({ leftOut, leftOutCount }: Transferred): string[] {
  if (leftOutCount === 0) return [];
  const shown = leftOut.slice(0, SHOWN).map(({ path, what }) => `  ${path} (${what})`);
  const more = leftOutCount - shown.length;
  return [
    `note: ${count(leftOutCount, 'entry', 'entries')} left out:`,
    ...shown,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** Prints the result of `--dry-run`. */
async function foretell(
  plan: Copy,
  entry: LocalEntry | null,
  final: string,
  road: Road,
): Promise<{ readonly destination: string; readonly replaces: boolean; readonly text: string }> {
  if (entry === null) {
    const { path, fact } = await foresee(road, 'cp-send', [plan.from]);
    const replaces = existsSync(final);
    const size = /^\d+$/.test(fact) ? bytes(Number(fact)) : 'of unknown size';
    const text = `${plan.worker}:${path} (${size}) → ${final}${replaces ? ', which it replaces' : ''}\n`;
    return { destination: final, replaces, text };
  }
  const { path, fact } = await foresee(road, 'cp-receive', [plan.to, entry.name, entry.kind]);
  const destination = `${plan.worker}:${path}`;
  const replaces = fact === 'replaced';
  const text = `${plan.from} → ${destination}${replaces ? ', which it replaces' : ''}\n`;
  return { destination, replaces, text };
}

await runIfMain(import.meta.url, cp);
