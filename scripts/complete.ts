/** `complete`: prints completions for the cursor of a command line. The scripts of `shell-init` call it at each Tab. */
import { loaderOf } from './commands.ts';
import { type Context, defineCommand } from './lib/cli/command.ts';
import { UsageError } from './lib/cli/errors.ts';
import { runIfMain } from './lib/cli/run.ts';
import { FILES, renderCandidates, SHELLS, typedWords } from './lib/completion/answer.ts';
import {
  issueCandidates,
  projectCandidates,
  sessionCandidates,
  WORKER_WORD,
  workerCandidates,
} from './lib/completion/candidates.ts';
import { askFactory, lookInto, lookUpWorkers } from './lib/completion/lookups.ts';
import { type Candidate, ownWords, type Plan, planArguments } from './lib/completion/plan.ts';
import { SUMMARIES } from './summaries.ts';

export const complete = defineCommand({
  name: 'complete',
  summary: 'Print completions for the cursor; called by the shells at each Tab',
  description: `Used by the scripts of shell-init. bash passes the line up to the cursor and the part of it that will be replaced, zsh and
fish pass the words up to the cursor. On any failure it prints nothing.`,
  positionals: [{ name: SHELLS.join('|'), required: true }],
  rest: 'WORD…',
  flags: {},
  examples: [
    ['zsh -- factory-worker peek ""', 'the workers'],
    ['fish -- factory worker peek worker-1 --session ""', 'the sessions of one'],
    ['bash -- "factory-worker dispatch --pro" --pro', 'a flag'],
  ],
  async run({ positionals, rest }, context) {
    const shell = SHELLS.find((name) => name === positionals[0]);
    if (shell === undefined) throw new UsageError(`there is no completion for ${positionals[0]}`);
    // Tab must not print an error in the middle of a line; the command itself will report it.
    const found = await look(typedWords(shell, rest), context).catch(() => []);
    context.stdout.write(found === 'files' ? FILES : renderCandidates(shell, rest, found));
    return undefined;
  },
});

type Found = readonly Candidate[] | 'files';

async function look(words: readonly string[], context: Context): Promise<Found> {
  const own = ownWords(words);
  if (own !== null) return lookUp(await plan(own), context);
  const { candidates, files } = await askFactory(context, words.slice(1));
  if (words.length === 2) return [WORKER_WORD, ...candidates];
  return candidates.length === 0 && files ? 'files' : candidates;
}

async function plan([name = '', ...args]: readonly string[]): Promise<Plan> {
  if (args.length === 0) return { kind: 'words', words: name.startsWith('-') ? UMBRELLA_FLAGS : commands() };
  const load = loaderOf(name);
  return load === null ? { kind: 'nothing' } : planArguments(await load(), args);
}

const UMBRELLA_FLAGS: readonly Candidate[] = [
  { value: '--help', description: 'list the commands' },
  { value: '--version', description: 'print the version' },
];

function commands(): Candidate[] {
  return Object.entries(SUMMARIES).map(([value, description]) => ({ value, description }));
}

async function lookUp(wanted: Plan, context: Context): Promise<Found> {
  switch (wanted.kind) {
    case 'nothing':
      return [];
    case 'files':
      return 'files';
    case 'words':
      return wanted.words;
    case 'workers':
      return workerCandidates(await lookUpWorkers(context, wanted.given), wanted.except);
    case 'projects':
    case 'sessions':
    case 'issues': {
      const snapshot = await lookInto(context, wanted.worker, wanted.given);
      if (snapshot === null) return [];
      return CANDIDATES[wanted.kind](snapshot, wanted.before);
    }
  }
}

/** Turns what a worker has into candidates. */
const CANDIDATES = {
  projects: projectCandidates,
  sessions: sessionCandidates,
  issues: issueCandidates,
} as const;

await runIfMain(import.meta.url, complete);
