/**
 * The screens of the real claude, and how each is brought about. The tests of this folder bring them about and hold the
 * diagnosis to them; what they have captured lies in test/claude/screens, for the tests that do without the program.
 */
import { join } from 'node:path';
import type { PanePrompt } from '../../scripts/lib/claude/prompts.ts';
import type { Agent } from './agent.ts';
import type { Answer } from './server.ts';

export interface ScreenCase {
  /** Name of the captured screen's file. */
  readonly name: string;
  /** What the diagnosis has to say of it; null: nothing, an agent works or has done its work. */
  readonly id: PanePrompt['id'] | null;
  /** Flags of claude; those of `factory` where nothing else is said. */
  readonly flags?: string;
  /** What is put beside the clone, or into claude's state, before it starts. */
  readonly before?: (agent: Agent) => Promise<unknown>;
  /** What a prompt is answered with; without it none is given. */
  readonly answer?: Answer | ((asked: string) => Answer);
  /** What the screen shows when it is there. */
  readonly shows: RegExp;
}

const HOUR = 3600;

/** A refusal for a limit, as the API has it for a subscription; `more` are further headers of the same family. */
export function limit(claim: string, more: Readonly<Record<string, string>> = {}): Answer {
  const prefix = 'anthropic-ratelimit-unified';
  const headers = {
    status: 'rejected',
    'representative-claim': claim,
    reset: String(Math.floor(Date.now() / 1000) + 2 * HOUR),
    ...more,
  };
  return {
    ...error(
      429,
      'rate_limit_error',
      "This request would exceed your account's rate limit. Please try again later.",
    ),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [`${prefix}-${name}`, value])),
  };
}

const overage = (reason: string, more: Readonly<Record<string, string>> = {}) =>
  limit('overage', { 'overage-status': 'rejected', 'overage-disabled-reason': reason, ...more });

export const error = (status: number, type: string, message: string) => ({
  status,
  body: { type: 'error', error: { type, message } },
});

export const bash = (command: string): Answer => ({
  tool: 'Bash',
  input: { command, description: 'Run it' },
});

const CHOICES = [
  { label: 'Red', description: 'Like fire' },
  { label: 'Blue', description: 'Like the sea' },
];
export const question = (text: string, multiSelect = false) => ({
  question: text,
  header: text.split(' ')[1],
  multiSelect,
  options: CHOICES,
});
export const ask = (...questions: object[]): Answer => ({ tool: 'AskUserQuestion', input: { questions } });

/** Plans are files: the agent writes the one it was told, then asks. */
const plan = (asked: string): Answer => {
  const path = /\/[^"\s\\]*\/plans\/[\w-]+\.md/.exec(asked)?.[0];
  if (path === undefined || asked.includes('"id":"toolu_Write"')) return { tool: 'ExitPlanMode', input: {} };
  return { tool: 'Write', input: { file_path: path, content: '# Plan\n\n1. Do it.\n2. Test it.\n' } };
};

const inClone = (path: string, text: string) => (agent: Agent) => agent.write(join(agent.clone, path), text);

/** What an agent may write about limits and dialogs. */
const PROSE = `You've hit your weekly limit is what it says when the account is used up.

- the footer then has \`Usage limit reached\`
- a refused token: Please run /login · API Error: 401

The dialog of a permission:

\`\`\`
 Do you want to proceed?
 ❯ 1. Yes
   2. No

 Enter to confirm · Esc to cancel
\`\`\``;

const WORKING = /esc to interrupt/;
const DONE = /✻ \S+ for \d+s/;

export const SCREENS: readonly ScreenCase[] = [
  // Limits that time resets.
  {
    name: 'limit-5-hour',
    id: 'rate-limit',
    answer: limit('five_hour'),
    shows: /hit your 5-hour limit[\s\S]*Continuing/,
  },
  {
    name: 'limit-weekly',
    id: 'rate-limit',
    answer: limit('seven_day'),
    shows: /hit your weekly limit[\s\S]*Continuing/,
  },
  { name: 'limit-opus', id: 'rate-limit', answer: limit('seven_day_opus'), shows: /Stop and wait for limit/ },
  {
    name: 'limit-choices',
    id: 'rate-limit',
    before: (agent) => agent.settings({ autoContinueAtUsageLimit: false }),
    answer: limit('five_hour'),
    shows: /hit your 5-hour limit[\s\S]*Stop and wait for limit/,
  },
  // Limits that money or an administrator raises.
  {
    name: 'credits',
    id: 'no-credit',
    answer: overage('out_of_credits'),
    shows: /out of usage credits[\s\S]*Continuing/,
  },
  {
    name: 'spend-individual',
    id: 'no-credit',
    answer: overage('org_spend_cap_reached'),
    shows: /individual spend limit[\s\S]*Continuing/,
  },
  {
    name: 'spend-organization',
    id: 'no-credit',
    answer: overage('org_level_disabled_until'),
    shows: /org's monthly spend limit[\s\S]*Continuing/,
  },
  {
    name: 'spend-team',
    id: 'no-credit',
    answer: overage('org_level_disabled_until', { 'overage-scope': 'group_pool' }),
    shows: /team's pooled group budget[\s\S]*Continuing/,
  },
  {
    name: 'allocation-disabled',
    id: 'no-credit',
    answer: overage('member_level_disabled'),
    shows: /usage allocation has been disabled[\s\S]*Continuing/,
  },
  {
    name: 'credit-balance',
    id: 'no-credit',
    answer: error(
      400,
      'invalid_request_error',
      'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
    ),
    shows: /Credit balance too low/,
  },
  {
    name: 'credits-choices',
    id: 'no-credit',
    before: (agent) => agent.settings({ autoContinueAtUsageLimit: false }),
    answer: overage('out_of_credits'),
    shows: /out of usage credits[\s\S]*Stop and wait for limit/,
  },
  // Tokens that are not accepted.
  {
    name: 'token-invalid',
    id: 'login',
    answer: error(401, 'authentication_error', 'Invalid bearer token'),
    shows: /401 Invalid bearer token/,
  },
  {
    name: 'token-expired',
    id: 'login',
    answer: error(
      401,
      'authentication_error',
      'OAuth token has expired. Please obtain a new token or refresh your existing token.',
    ),
    shows: /OAuth token has expired/,
  },
  {
    name: 'token-revoked',
    id: 'login',
    answer: error(403, 'permission_error', 'OAuth token has been revoked. Please obtain a new token.'),
    shows: /OAuth token revoked/,
  },
  {
    name: 'organization-disabled',
    id: 'login',
    answer: error(
      403,
      'permission_error',
      'OAuth authentication is currently not allowed for this organization.',
    ),
    shows: /disabled Claude subscription access/,
  },
  // Other errors.
  {
    name: 'model',
    id: 'model',
    answer: error(404, 'not_found_error', 'model: claude-none'),
    shows: /issue with the selected model/,
  },
  {
    name: 'request-refused',
    id: 'api-error',
    answer: error(400, 'invalid_request_error', 'The request was not understood.'),
    shows: /API Error: 400/,
  },
  {
    name: 'retrying-500',
    id: null,
    answer: error(500, 'api_error', 'Internal server error'),
    shows: /500 Internal server error · retrying/,
  },
  {
    name: 'retrying-529',
    id: null,
    answer: error(529, 'overloaded_error', 'Overloaded'),
    shows: /529 Overloaded · retrying/,
  },
  // Questions of the agent.
  { name: 'question', id: 'question', answer: ask(question('Which colour?')), shows: /Enter to select/ },
  {
    name: 'questions',
    id: 'question',
    answer: ask(question('Which parts?', true), question('Which colour?')),
    shows: /Enter to select/,
  },
  { name: 'plan', id: 'plan', flags: '--permission-mode plan', answer: plan, shows: /❯ 1\. Yes/ },
  {
    name: 'permission',
    id: 'permission',
    flags: '--permission-mode default',
    answer: bash('touch x && rm x'),
    shows: /Do you want to proceed/,
  },
  {
    name: 'permission-write',
    id: 'permission',
    flags: '--permission-mode default',
    answer: { tool: 'Write', input: { file_path: 'notes.md', content: 'one\ntwo\n' } },
    shows: /Do you want to create/,
  },
  // Questions of a start.
  {
    name: 'mcp',
    id: 'mcp',
    flags: '--permission-mode default',
    before: inClone('.mcp.json', '{"mcpServers": {"demo": {"command": "true"}}}'),
    shows: /New MCP server/,
  },
  {
    name: 'settings-warning',
    id: 'settings',
    before: inClone('.claude/settings.json', '{"hooks": {"Nope": []}}'),
    shows: /Settings Warning[\s\S]*Enter to confirm/,
  },
  {
    name: 'settings-error',
    id: 'settings',
    before: inClone('.claude/settings.json', '{"permissions": 7}'),
    shows: /Settings Error[\s\S]*Enter to confirm/,
  },
  {
    name: 'configuration-error',
    id: 'settings',
    before: (agent) => agent.write(join(agent.config, '.claude.json'), '{"half'),
    shows: /Configuration error[\s\S]*Enter to confirm/,
  },
  {
    name: 'imports',
    id: 'imports',
    before: async (agent) => {
      await agent.write(join(agent.worker.dir, 'home', 'outside.md'), 'From outside.\n');
      await agent.write(join(agent.clone, 'CLAUDE.md'), '@~/outside.md\n');
      await agent.forget('hasClaudeMdExternalIncludesWarningShown');
    },
    shows: /external CLAUDE\.md[\s\S]*Enter to confirm/,
  },
  {
    name: 'trust',
    id: 'trust',
    before: (agent) => agent.forget('hasTrustDialogAccepted'),
    shows: /trust[\s\S]*Enter to confirm/,
  },
  {
    name: 'bypass',
    id: 'bypass',
    before: (agent) => agent.forget('skipDangerousModePermissionPrompt', 'bypassPermissionsModeAccepted'),
    shows: /accept[\s\S]*Enter to confirm/,
  },
  // Nothing to wait for.
  { name: 'idle', id: null, shows: /bypass permissions on/ },
  { name: 'thinking', id: null, answer: { think: true }, shows: WORKING },
  {
    name: 'tool-running',
    id: null,
    answer: bash('echo "You\'ve hit your limit"; sleep 60'),
    shows: /Bash[\s\S]*esc to interrupt/,
  },
  {
    name: 'tool-done',
    id: null,
    answer: bash('printf "%s\\n" "You\'ve hit your limit" "❯ 1. Yes" "  2. No"'),
    shows: DONE,
  },
  { name: 'prose', id: null, answer: { say: PROSE }, shows: DONE },
];

/** The lines of a captured screen, as the diagnosis takes them. */
export const linesOf = (screen: string): string[] =>
  screen
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
