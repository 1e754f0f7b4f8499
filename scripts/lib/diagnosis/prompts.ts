/** What a program in a pane shows while it waits for a person. Pure. */

export interface PanePrompt {
  /** Stable, for programs: `login`, `rate-limit`. */
  readonly id: 'login' | 'trust' | 'bypass' | 'setup' | 'rate-limit' | 'permission' | 'password' | 'question';
  /** Completes "the session …". */
  readonly says: string;
  /** The line by which it was known. */
  readonly line: string;
}

/** A prompt stands at the end of what a pane shows; further up it was answered. */
const LINES = 20;

/**
 * In this order, since some screens carry the words of two. claude's own words are from its screens; git's and ssh's are the
 * same in every version.
 */
const PROMPTS: readonly (readonly [PanePrompt['id'], RegExp, string])[] = [
  [
    'rate-limit',
    /You've hit your (?:\w+ )*limit|\/rate-limit-options|usage limit reached|limit reached ∙ resets/i,
    'has hit the limit of its account',
  ],
  [
    'login',
    /Please run \/login|Invalid API key|OAuth token (?:has expired|revoked)|Select login method|authentication_error|Paste code here if prompted/i,
    'asks for a login: claude does not accept its token',
  ],
  [
    'trust',
    /Do you trust the files in this folder|Is this a project you (?:created or one you )?trust/i,
    'asks whether its folder is to be trusted',
  ],
  [
    'bypass',
    /Bypass Permissions mode.*(?:accept|responsibility)|you accept all responsibility/i,
    'asks whether it may skip its permission questions',
  ],
  ['setup', /Choose the text style|Let's get started\./i, 'shows the questions of a first start'],
  ['permission', /Do you want to (?:proceed|make this edit|create|allow)/i, 'asks for a permission'],
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
 * @returns what it waits for; null when nothing is known by which it would wait
 */
export function findPrompt(lines: readonly string[]): PanePrompt | null {
  const last = lines.slice(-LINES).map(unframed);
  for (const [id, pattern, says] of PROMPTS) {
    const line = last.findLast((text) => pattern.test(text));
    if (line !== undefined) return { id, says, line };
  }
  return null;
}

/** Without the frame that a program draws around its lines. */
function unframed(line: string): string {
  return line.replaceAll(/^[\s│┃|❯>]+|(?<![\s│┃|])[\s│┃|]+$/g, '');
}
