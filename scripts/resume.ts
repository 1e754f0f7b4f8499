/** `resume`: lifts a drain. */
import { defineCommand } from './lib/cli/command.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { liftDrain } from './lib/drain/drain.ts';
import { ALL_FLAG, AT_ONCE, chooseSeveral, onEach, WORKERS } from './lib/lifecycle/several.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const resume = defineCommand({
  name: 'resume',
  summary: SUMMARIES.resume,
  description: `Lifts your own drain, and that of a release that you started here. Another operator's drain needs --force.
Several workers are resumed side by side; when one fails, the others go on.`,
  positionals: [WORKERS],
  flags: {
    force: { type: 'boolean', description: "lift another operator's drain" },
    ...ALL_FLAG,
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'after a drain, or a release that was interrupted'],
    ['worker-1 worker-2', 'two workers'],
    ['worker-1 --force', 'no matter who drained it'],
  ],
  async run({ flags, positionals }, context) {
    const json = outputFormat(flags, FORMATS) === 'json';
    const owner = { release: null, force: flags.force };
    const chosen = await chooseSeveral(context, flags, positionals);
    return onEach(chosen, { json, limit: AT_ONCE }, context, async ({ worker, timeoutMs, enter }, own) => {
      const { signal, commandLine, stdout } = own;
      const { transport } = await enter();
      const { word, drain } = await liftDrain(transport, worker, owner, { timeoutMs, signal, commandLine });
      const lifted = word === 'lifted';
      const said = `${worker.name} ${lifted ? 'takes work again' : 'was not drained'}\n`;
      stdout.write(json ? renderJson({ worker: worker.name, lifted, drain }) : said);
      return undefined;
    });
  },
});

await runIfMain(import.meta.url, resume);
