/**
 * Panes in which nothing waits for a person: every text below, and every captured screen as a text that is quoted, in each place
 * where a pane may show it. Together a few hundred.
 */

/** What programs print and agents write, much of it about the very things the diagnosis looks for. */
const TEXTS: readonly (readonly string[])[] = [
  ["You've hit your weekly limit is what users see; the retry begins at the time that it names."],
  [
    "You've hit your 5-hour limit",
    'is matched by the first pattern,',
    "You're out of usage credits by the second.",
  ],
  ['Usage limit reached · limit resets 4pm', 'stands in the footer.'],
  ['The rate limit of the API is 60 requests a minute, so the client waits.'],
  ['Please run /login when the token has expired; I have documented that in docs/login.md.'],
  ['API Error: 529 Overloaded is retried ten times.'],
  ['Credit balance too low', 'The test now expects this sentence.'],
  ["There's an issue with the selected model (claude-none). I have changed the default."],
  ['Do you trust the files in this folder?', 'was the question of older versions.'],
  ['Do you want to proceed?', 'The form asks it before it deletes anything.'],
  ['WARNING: Claude Code running in Bypass Permissions mode: you accept all responsibility'],
  ['I have added a password field to the form.', "Username for 'https://github.com': is what git asks."],
  ['Press Enter to confirm · Esc to cancel', 'is the footer that the dialog has now.'],
  ['Enter to select · ↑/↓ to navigate · Esc to cancel'],
  ['❯ 1. Yes', '  2. No'],
  ['1. Read the issue', '2. Write the test', '3. Make it pass', 'Shall I go on? [y/N] was removed.'],
  ['> 1. quoted', '> 2. list'],
  [
    '$ npm test',
    '> demo@1.0.0 test',
    '> vitest run',
    ' ✓ src/limit.test.ts (12 tests) 340ms',
    ' Tests  12 passed (12)',
  ],
  [
    'npm warn deprecated glob@7.2.3: Glob versions prior to v9 are no longer supported',
    'added 312 packages in 14s',
    '41 packages are looking for funding',
    '  run `npm fund` for details',
  ],
  [
    'npm error code E401',
    'npm error Incorrect or missing password.',
    'npm error If you were trying to login, change your password',
  ],
  [
    'diff --git a/src/limit.ts b/src/limit.ts',
    '@@ -1,4 +1,4 @@',
    "-  throw new Error('usage limit reached');",
    '+  throw new Error("You\'ve hit your limit");',
  ],
  [
    'diff --git a/ui.txt b/ui.txt',
    '+❯ 1. Yes, I trust this folder',
    '+  2. No, exit',
    '+Enter to confirm · Esc to cancel',
  ],
  [
    'HTTP/1.1 429 Too Many Requests',
    'retry-after: 30',
    '{"type":"error","error":{"type":"rate_limit_error"}}',
  ],
  [
    'HTTP/1.1 401 Unauthorized',
    '{"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"}}',
  ],
  [
    "Cloning into 'demo'...",
    'remote: Enumerating objects: 120, done.',
    'Receiving objects: 100% (120/120), done.',
  ],
  [
    'On branch feature/issue-42',
    'Changes not staged for commit:',
    '  (use "git add <file>..." to update what will be committed)',
    '\tmodified:   src/login.ts',
  ],
  [
    '[feature/issue-42 1a2b3c4] issue #42: asks a question',
    ' 2 files changed, 14 insertions(+), 3 deletions(-)',
  ],
  ['=== RUN   TestLimit', '--- PASS: TestLimit (0.00s)', 'PASS', 'ok  \tgithub.com/acme/demo\t0.012s'],
  ['--- FAIL: TestTrust (0.00s)', '    trust_test.go:12: Do you want to proceed? (y/n)', 'FAIL'],
  [
    'Step 4/9 : RUN apt-get update',
    ' ---> Running in 0a1b2c',
    'Do you want to continue? [Y/n] y',
    'Setting up jq (1.6-2.1) ...',
  ],
  [
    'Traceback (most recent call last):',
    '  File "app.py", line 3, in <module>',
    'PermissionError: Permission denied: do you want to allow it?',
  ],
  ['NAME      STATUS   AGE', 'worker-1  Running  3d', 'worker-2  Pending  1m'],
  [
    '────────────────────────────────────────',
    ' Section 1',
    '────────────────────────────────────────',
    ' 1. First',
    ' 2. Second',
  ],
  ['❯ cat notes.md', 'Once fixed, resend your message'],
  ['❯ Work on issue 42: users see "Please run /login"', '  although their token is good.'],
];

const RULE = '─'.repeat(120);
const box = (status: string) => [RULE, '❯', RULE, `  ⏵⏵ bypass permissions on (shift+tab to cycle)${status}`];
const quoted = (text: readonly string[], first: string, more: string) =>
  text.map((line, index) => `${index === 0 ? first : more}${line}`);
const END = '✻ Brewed for 4s · done 2:03 PM';

/** Where a pane shows a text, and what comes after it. */
const PLACES: Readonly<Record<string, (text: readonly string[]) => readonly string[]>> = {
  'printed in a shell': (text) => [...text, 'root@worker-1:~/repos/demo# '],
  'shown by a tool': (text) => [
    '● Bash(cat notes.md)',
    ...quoted(text, '  ⎿  ', '     '),
    '● That is what it says.',
    END,
    ...box(''),
  ],
  'written by an agent': (text) => [...quoted(text, '● ', '  '), END, ...box('')],
  // The program itself chooses this mark for what begins like one of its errors.
  'written by an agent, as claude marks its errors': (text) => [
    ...quoted(text, '  ⎿  ', '     '),
    END,
    ...box(''),
  ],
  'printed while an agent works': (text) => [
    '● Bash(cat notes.md)',
    ...quoted(text, '  ⎿  ', '     '),
    '✶ Composing… (12s · ↓ 340 tokens)',
    ...box(' · esc to interrupt'),
  ],
  'said by a person': (text) => [...quoted(text, '❯ ', '  '), '● Done.', END, ...box('')],
};

export interface OrdinaryPane {
  readonly name: string;
  readonly lines: readonly string[];
}

/** @param screens captured screens, as lines */
export function ordinaryPanes(screens: readonly (readonly string[])[]): OrdinaryPane[] {
  return Object.entries(PLACES).flatMap(([place, show]) =>
    [...TEXTS, ...screens].map((text, number) => ({
      name: `${place}: ${number} ${text[0]}`,
      lines: show(text).map((line) => line.trimEnd()),
    })),
  );
}
