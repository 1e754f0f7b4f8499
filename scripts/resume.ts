/** `resume`: lifts a drain. */
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { liftDrain } from './lib/drain/drain.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const resume = defineCommand({
  name: 'resume',
  summary: SUMMARIES.resume,
  description: `Lifts your own drain, and that of a release that you started here. Another operator's drain needs --force.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    force: { type: 'boolean', description: "lift another operator's drain" },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'after a drain, or a release that was interrupted'],
    ['worker-1 --force', 'no matter who drained it'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const { word, drain } = await liftDrain(
      transport,
      worker,
      { release: null, force: flags.force },
      { timeoutMs, signal: context.signal, commandLine: context.commandLine },
    );
    if (format === 'json')
      context.stdout.write(renderJson({ worker: worker.name, lifted: word === 'lifted', drain }));
    else
      context.stdout.write(`${worker.name} ${word === 'lifted' ? 'takes work again' : 'was not drained'}\n`);
  },
});

await runIfMain(import.meta.url, resume);
