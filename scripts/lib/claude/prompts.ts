/** Recognizes what a program in a pane waits for, and what has stopped claude. Pure. */
import { type Dialog, type PromptBox, readScreen, unframed } from './screen.ts';

export interface PanePrompt {
  /** Stable, for programs: `login`, `rate-limit`. */
  readonly id:
    | 'login'
    | 'rate-limit'
    | 'no-credit'
    | 'model'
    | 'api-error'
    | 'trust'
    | 'imports'
    | 'bypass'
    | 'setup'
    | 'settings'
    | 'mcp'
    | 'plan'
    | 'permission'
    | 'password'
    | 'question';
  /** Completes "the session …". */
  readonly says: string;
  /** The line by which it was recognized. */
  readonly line: string;
  /** How to answer it: with a choice, or at the terminal. Null: it is an error, which no answer fixes. */
  readonly takes: 'choice' | 'typing' | null;
}

/** Screens about claude's account: if the worker holds its work because of the account, that finding says more. */
export const OF_THE_ACCOUNT: ReadonlySet<PanePrompt['id']> = new Set(['rate-limit', 'login', 'no-credit']);

type Known = readonly [PanePrompt['id'], RegExp, string];

/**
 * The words of claude's dialogs, from their text or their choices. A dialog with other words is still a question.
 */
const DIALOGS: readonly Known[] = [
  ['rate-limit', /^Stop and wait for limit to reset$/, 'has hit the limit of its account'],
  ['login', /^Select login method/, 'asks for a login: claude does not accept its token'],
  [
    'trust',
    /^Do you trust the files in this folder|Is this a project you (?:created or one you )?trust/,
    'asks whether its folder is to be trusted',
  ],
  [
    'imports',
    /^Allow external CLAUDE\.md file imports/,
    'asks whether CLAUDE.md may import files from outside',
  ],
  [
    'bypass',
    /Bypass Permissions mode$|you accept all responsibility/,
    'asks whether it may skip its permission questions',
  ],
  [
    'setup',
    /^Choose the text style|^Let's get started\.|fullscreen renderer\?/,
    'shows the questions of a first start',
  ],
  ['settings', /^Settings (?:Error|Warning)$|^Configuration error$/i, 'reports an error in its settings'],
  ['mcp', /^New MCP servers? found|^\d+ new MCP servers found/i, 'asks whether it may use an MCP server'],
  [
    'plan',
    /^Ready to code\?|written up a plan|^Would you like to proceed\?/,
    'asks whether its plan is approved',
  ],
  [
    'permission',
    /^Do you want to (?:proceed|make this edit|create|overwrite|allow)/,
    'asks for a permission',
  ],
];

/**
 * What claude says when it cannot go on, at the beginning of an entry of its transcript (2.1.330). The words of a limit that no
 * time resets come first.
 */
const ERRORS: readonly Known[] = [
  [
    'no-credit',
    /^(?:You've (?:hit|reached) your .*(?:spend limit|group budget|monthly usage limit|usage credit limit)|You're out of (?:usage credits|extra usage)|Your org is out of usage|Your seat type doesn't include|Your usage allocation has been disabled|Your group's usage limit is|This service is disabled for your org|Credit balance (?:is )?too low|\w+(?: [^·]+)? requires usage credits)/,
    'has no credit left in its account',
  ],
  ['rate-limit', /^You've (?:hit|reached) your (?:.* )?limit\b/, 'has hit the limit of its account'],
  [
    'login',
    /^(?:Please run \/login|Not logged in|Login expired|OAuth token (?:has expired|has been revoked|revoked)|Invalid API key|Invalid auth token|Authentication required|Failed to authenticate|Your organization has disabled Claude)/,
    'asks for a login: claude does not accept its token',
  ],
  [
    'model',
    /^(?:There's an issue with the selected model|The model \S+ is not available)/,
    'cannot use the model that was chosen for it',
  ],
  ['api-error', /^API Error\b/, 'has stopped at an error of the API'],
];

/** Questions of git, ssh and other programs are the last line; the program waits for the answer. */
const QUESTIONS: readonly Known[] = [
  [
    'password',
    /^(?:Username for '|Password for '|Enter passphrase for key|.*'s password:|\[sudo\] password|Are you sure you want to continue connecting)/,
    'asks for a password',
  ],
  [
    'question',
    /(?:\[[yY]\/[nN]\]|\(y\/n\)|\(yes\/no\)|Press (?:Enter|any key) to continue)[\s:?.…]*$/i,
    'asks a question',
  ],
];

/**
 * @param lines of a pane, without blank ones
 * @returns what it waits for; null when nothing is recognized
 */
export function findPrompt(lines: readonly string[]): PanePrompt | null {
  const screen = readScreen(lines);
  switch (screen.kind) {
    case 'dialog':
      return ofDialog(screen);
    case 'box':
      return screen.busy ? null : ofBox(screen);
    case 'other':
      return match(QUESTIONS, unframed(screen.last), 'typing');
  }
}

function ofDialog({ transcript, text, question, choices }: Dialog): PanePrompt {
  const words = [...text, ...choices.map(({ label }) => label)];
  for (const [id, pattern, says] of DIALOGS) {
    const line = words.find((word) => pattern.test(word));
    if (line === undefined) continue;
    if (id !== 'rate-limit') return { id, says, line, takes: 'choice' };
    // claude named the limit before it asked what to do.
    return ofTranscript(transcript) ?? { id, says, line, takes: null };
  }
  const line = question || (choices[0]?.label ?? '');
  return { id: 'question', says: 'asks a question', line, takes: 'choice' };
}

/** What claude or a person has said, with its mark: `● Done.`, `  ⎿  You've hit your limit`. */
const ENTRY = /^\s{0,2}(?<mark>[●⏺⎿✻❯])\s+(?<text>.*)$/;
/** What claude adds to an error: of a limit, and how long it took in older versions (2.1.226), where no time of day follows. */
const NOTE = /^(?:Usage limit reached\b|\/rate-limit-options$|\S+ for (?:\d+[hms] ?)+$)/;
/** The box of a claude that has stopped (from 2.1.330 on). */
const STOPPED = /^(?:Once fixed, resend your message|Resend your message to try again)/;

function ofBox({ transcript, input, status }: PromptBox): PanePrompt | null {
  const error = ofTranscript(transcript);
  if (error !== null) return error;
  const limit = status.find((line) => /^\s*⚠ Usage limit reached\b/.test(line))?.trim();
  if (limit !== undefined)
    return { id: 'rate-limit', says: 'has hit the limit of its account', line: limit, takes: null };
  if (!STOPPED.test(input)) return null;
  return {
    id: 'api-error',
    says: 'has stopped at an error of the API',
    line: lastEntry(transcript).text,
    takes: null,
  };
}

/** An error is the last entry; below one that an agent has only written, its turn ends: `✻ Crunched for 3s · done 2:03 PM`. */
function ofTranscript(transcript: readonly string[]): PanePrompt | null {
  const { mark, text } = lastEntry(transcript);
  return mark === '❯' ? null : match(ERRORS, text, null);
}

function lastEntry(transcript: readonly string[]): { readonly mark: string; readonly text: string } {
  const entries = transcript.map((line) => ENTRY.exec(line)?.groups ?? {});
  const { mark = '', text = '' } =
    entries.findLast(({ text }) => text !== undefined && !NOTE.test(text)) ?? {};
  return { mark, text };
}

function match(table: readonly Known[], line: string, takes: PanePrompt['takes']): PanePrompt | null {
  const known = table.find(([, pattern]) => pattern.test(line));
  return known === undefined ? null : { id: known[0], says: known[2], line, takes };
}
