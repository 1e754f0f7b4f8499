/**
 * Settings that prevent a stage from succeeding although claude could not work: claude calls our hook when a turn ends with an
 * error, does not wait by itself until a limit is reset, and does not ask questions. Everything else in settings.json stays
 * unchanged.
 */
import { isRecord } from '../../../scripts/lib/contract.ts';

/** The hook's script. Its name identifies our entries, wherever an earlier checkout or image had the script. */
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
 * @returns the new content; null when nothing has to change, or the text cannot be parsed
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
    // Otherwise claude waits by itself until a limit is reset, and factory takes the quiet pane for a finished stage.
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

/** claude passes it to a shell. */
function shellWord(path: string): string {
  return /^[\w@%+:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
