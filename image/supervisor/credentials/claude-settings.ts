/**
 * The settings by which a stage never succeeds although claude could not work: it calls our hook when a turn ends with an
 * error, does not wait by itself for a limit to be reset, and does not ask questions. Everything else in settings.json stays
 * as it is.
 */
import { isRecord } from '../../../scripts/lib/contract.ts';

/** The name of the hook's script, by which a line of ours is known wherever an earlier checkout or image had it. */
export const STOP_FAILURE = 'claude-stop-failure.sh';
const QUESTION_TOOL = 'AskUserQuestion';

export interface Guard {
  /** Path of the hook's script; null where there is none. */
  readonly hook: string | null;
  /** Whether claude may stop and ask the operator. */
  readonly mayAsk: boolean;
}

/**
 * @param text content of `settings.json`; null when there is none
 * @returns the content that it should have; null when it has it already, or cannot be read
 */
export function withGuard(text: string | null, { hook, mayAsk }: Guard): string | null {
  let document: unknown;
  try {
    document = JSON.parse(text ?? '{}');
  } catch {
    return null;
  }
  if (!isRecord(document)) return null;
  const wanted = {
    ...document,
    // Otherwise claude waits by itself for a limit to be reset, and factory takes the quiet pane for a stage that is done.
    autoContinueAtUsageLimit: document['autoContinueAtUsageLimit'] ?? false,
    // Otherwise it offers another renderer, and factory's paste accepts it.
    tui: document['tui'] ?? 'default',
    permissions: withQuestions(document['permissions'], mayAsk),
    hooks: hook === null ? document['hooks'] : withHook(document['hooks'], hook),
  };
  const result = JSON.stringify(wanted, null, 2);
  return text !== null && result === JSON.stringify(document, null, 2) ? null : result;
}

function withQuestions(permissions: unknown, mayAsk: boolean): unknown {
  if (permissions !== undefined && !isRecord(permissions)) return permissions;
  const deny = Array.isArray(permissions?.['deny']) ? permissions['deny'] : [];
  if (deny.includes(QUESTION_TOOL) !== mayAsk) return permissions;
  const others = deny.filter((tool) => tool !== QUESTION_TOOL);
  return { ...permissions, deny: mayAsk ? others : [...others, QUESTION_TOOL] };
}

function withHook(hooks: unknown, script: string): unknown {
  if (hooks !== undefined && !isRecord(hooks)) return hooks;
  const entries = Array.isArray(hooks?.['StopFailure']) ? hooks['StopFailure'] : [];
  const ours = { hooks: [{ type: 'command', command: shellWord(script) }] };
  if (entries.some((entry) => JSON.stringify(entry) === JSON.stringify(ours))) return hooks;
  return { ...hooks, StopFailure: [...entries.filter((entry) => !isOurs(entry)), ours] };
}

function isOurs(entry: unknown): boolean {
  return JSON.stringify(entry).includes(`/${STOP_FAILURE}`);
}

/** claude gives it to a shell. */
function shellWord(path: string): string {
  return /^[\w@%+:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
