import { describe, expect, it } from 'vitest';
import { findPrompt } from '../../scripts/lib/diagnosis/prompts.ts';

describe('what a pane waits for', () => {
  it.each<[string, string, string | null]>([
    ['a limit', "● You've hit your limit. It resets at 3pm.", 'rate-limit'],
    ['a weekly limit', "You've hit your weekly limit · resets Mon", 'rate-limit'],
    ['a login', '● Invalid API key · Please run /login', 'login'],
    ['a token that has expired', 'API Error: OAuth token has expired.', 'login'],
    ['trust', '│ Do you trust the files in this folder?        │', 'trust'],
    [
      'the bypass warning',
      'WARNING: Claude Code running in Bypass Permissions mode: you accept all responsibility',
      'bypass',
    ],
    ['a theme', ' Choose the text style that looks best with your terminal', 'setup'],
    ['a permission', '│ Do you want to proceed?   │', 'permission'],
    ['a name for GitHub', "Username for 'https://github.com': ", 'password'],
    ['a passphrase', "Enter passphrase for key '/root/.ssh/id_ed25519': ", 'password'],
    ['an unknown host', 'Are you sure you want to continue connecting (yes/no/[fingerprint])?', 'password'],
    ['yes or no', 'Overwrite? [y/N] ', 'question'],
    ['nothing: an agent at work', '● Editing notes/issue-23.md', null],
    ['nothing: words about a limit', '● The rate limit of the API is 60', null],
    ['nothing: words about a password', '● Added a password field to the form', null],
  ])('%s', (_, line, id) => {
    expect(findPrompt(['● before', line, '> '])?.id ?? null).toBe(id);
  });

  it('only at the end: what stands further up was answered', () => {
    const answered = [
      'Do you trust the files in this folder?',
      ...Array.from({ length: 30 }, (_, n) => `● step ${n}`),
    ];
    expect(findPrompt(answered)).toBeNull();
  });
});
